"""`kanjo post`: deposits, withdrawals, transfers and reversals, each under a key."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from kanjo.cli.arguments import AccountArgument, KeyOption, YenArgument, account, example
from kanjo.cli.posting import post_one
from kanjo.cli.reply import Reply

app = typer.Typer(name="post", help="Move money. What is due on the accounts is settled first (Before).")


@app.command(epilog=example("kanjo post deposit 001-1-1000016 5000"))
def deposit(account: AccountArgument, yen: YenArgument, key: KeyOption = None) -> Reply:
    """Pay cash into an account (入金)."""
    from kanjo import ledger

    return post_one(key, lambda client, used: ledger.deposit(client, used, account, yen))


@app.command(epilog=example("kanjo post withdraw 001-1-1000016 3000 --key 6f9619ff-8b86-4011-b42d-00c04fc964ff --json"))
def withdraw(account: AccountArgument, yen: YenArgument, key: KeyOption = None) -> Reply:
    """Draw cash from an account (出金)."""
    from kanjo import ledger

    return post_one(key, lambda client, used: ledger.withdrawal(client, used, account, yen))


@app.command(epilog=example("kanjo post transfer 001-1-1000016 001-1-1000124 12000"))
def transfer(
    debit: Annotated[int, typer.Argument(parser=account, metavar="FROM", help="The account that pays.")],
    credit: Annotated[int, typer.Argument(parser=account, metavar="TO", help="The account that is paid.")],
    yen: YenArgument,
    key: KeyOption = None,
) -> Reply:
    """Move money between two accounts of this bank, all or nothing (振替)."""
    from kanjo import ledger

    if debit == credit:
        raise typer.BadParameter("FROM and TO are the same account", param_hint="TO")
    return post_one(key, lambda client, used: ledger.transfer(client, used, debit, credit, yen))


@app.command(epilog=example("kanjo post reverse 6f9619ff-8b86-4011-b42d-00c04fc964ff"))
def reverse(
    original: Annotated[UUID, typer.Argument(metavar="KEY", help="The key of the transaction to undo.")],
    key: KeyOption = None,
) -> Reply:
    """Undo an earlier transaction, whole and once, with its value date (取消)."""
    from kanjo import ledger

    return post_one(key, lambda client, used: ledger.Reverse(client=client, key=used, original=original))
