"""`kanjo account`: accounts from a file and into one, enquiries, and changes of one account."""

from __future__ import annotations

import io
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from kanjo.cli.arguments import (
    AccountArgument,
    KeyOption,
    ProductWord,
    StatusWord,
    example,
    floor_yen,
    holder_name,
    iso_date,
)
from kanjo.cli.files import lines_in, readable, written
from kanjo.cli.opened import opened_database, opened_store
from kanjo.cli.posting import post_one
from kanjo.cli.printing import say
from kanjo.cli.progress import Progress
from kanjo.cli.reply import Facts, Reply, Table
from kanjo.errors import Refused, WrongUsage

if TYPE_CHECKING:
    from kanjo.ledger import StatementLine

app = typer.Typer(name="account", help="Accounts: import, export, show, open, change, close.")

FloorOption = Annotated[
    int | None,
    typer.Option("--floor", parser=floor_yen, metavar="YEN", help="No debit goes below it; negative for an overdraft."),
]


@app.command("import", epilog=example("kanjo account import accounts.csv"))
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="account,product,balance,floor,status,name_kana; UTF-8.")
    ],
) -> Reply:
    """Take accounts from a CSV file, all or none (C-6)."""
    from kanjo import ledger

    readable(file)
    with (
        opened_store() as store,
        file.open(encoding="utf-8", newline="") as text,
        Progress("importing accounts", total=lines_in(file) - 1) as progress,
    ):
        count = ledger.import_accounts(store, text, name=file.name, progress=progress.reach)
    return Reply({"file": str(file), "accounts": count}, [f"{count:,} accounts imported."])


@app.command(epilog=example("kanjo account export accounts.csv", "kanjo account export - | head"))
def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="The file to write; - for standard output.")],
) -> Reply:
    """Write all accounts to a CSV file, sorted, as of one moment.

    Nothing is settled for it: how many items are still pending is said on standard error (C-5).
    """
    from kanjo import ledger

    to_output = str(file) == "-"
    if to_output and context.find_root().params["as_json"]:
        raise WrongUsage("wrong-usage", "--json prints its object on standard output; name a file to export to.")
    with (
        opened_database() as database,
        database.connect(autocommit=True) as connection,
        Progress("exporting accounts") as progress,
    ):
        if to_output:
            if isinstance(sys.stdout, io.TextIOWrapper):
                sys.stdout.reconfigure(encoding="utf-8", errors="strict")  # as in a file, whatever the terminal speaks
            count, pending = ledger.export_accounts(connection, sys.stdout.write, progress=progress.reach)
        else:
            with written(file) as text:
                count, pending = ledger.export_accounts(connection, text.write, progress=progress.reach)
    say(f"{pending:,} items are pending on these accounts" if pending else "no items are pending")
    content = {"file": str(file), "accounts": count, "pending_items": pending}
    return Reply(content, [] if to_output else [f"{count:,} accounts exported to {file}."])


@app.command(epilog=example("kanjo account show 001-1-1000016", "kanjo account show 001-1-1000016 --json"))
def show(account: AccountArgument) -> Reply:
    """Show an account as it stands after all that is due on it (照会)."""
    from kanjo import ledger

    with opened_store() as store:
        found = ledger.enquire(store, account)
    shown = ledger.show_account(account)
    if found.reason:
        raise Refused(found.reason.word, f"account {shown} cannot be shown: {found.reason.word}", account=shown)
    content = {
        "account": shown,
        "product": ledger.Product(found.product).word,
        "status": ledger.Status(found.status).word,
        "balance_yen": found.balance_yen,
        "held_yen": found.held_yen,
        "floor_yen": found.floor_yen,
        "available_yen": found.available_yen,
        "sequence": found.sequence,
        "business_date": found.business_date,
    }
    facts = {name.removesuffix("_yen").replace("_", " "): value for name, value in content.items()}
    return Reply(content, [Facts(facts | {"sequence": str(found.sequence)})])


@app.command(
    epilog=example(
        "kanjo account statement 001-1-1000016 --limit 20",
        "kanjo account statement 001-1-1000016 --after 20",
        "kanjo account statement 001-1-1000016 --until 2026-08-24",
    )
)
def statement(
    account: AccountArgument,
    after: Annotated[int, typer.Option(min=0, metavar="N", help="Begin behind this sequence number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="At most so many lines.")] = 100,
    until: Annotated[
        date | None,
        typer.Option(
            parser=iso_date, metavar="DATE", help="Only what was booked on it or before, and the balance then."
        ),
    ] = None,
) -> Reply:
    """List an account's entries (取引明細), after all that is due on it was settled.

    A statement until a date before the business date settles nothing: no entry can come to closed dates.
    """
    from kanjo import ledger

    with opened_store(may_be_shut=True) as store:
        page = ledger.statement(store, account, after=after, limit=limit, until=until)
    content = msgspec.to_builtins(page)
    columns = ["", "date", "kind", "amount (yen)", "balance (yen)", "cause"]
    rows: list[list[object]] = [
        [str(line.sequence), line.date, line.kind, line.amount_yen, line.balance_yen, _cause(line)]
        for line in page.lines
    ]
    facts = Facts({"account": page.account, "business date": page.business_date, "balance": page.balance_yen})
    more = [f"More: --after {page.next_after}"] if page.next_after else []
    return Reply(content, [facts, Table(columns, rows), *more])


def _cause(line: StatementLine) -> str:
    """What made an entry and where the money came from or went, as people name it."""
    if line.item is not None:
        return f"run {line.run} item {line.item}"
    if line.run is not None:
        return f"run {line.run}"
    return line.contra if line.key is None else f"{line.contra}, key {line.key}"


@app.command("open", epilog=example("kanjo account open 001-1-2000001 --name 'ｶﾝｼﾞﾖｳ ﾀﾛｳ'"))
def open_(
    account: AccountArgument,
    product: Annotated[
        ProductWord | None, typer.Option(help="The deposit type; the one in the account's number when not given.")
    ] = None,
    floor: FloorOption = None,
    name: Annotated[str, typer.Option(parser=holder_name, metavar="KANA", help="The holder's name.")] = "",
    key: KeyOption = None,
) -> Reply:
    """Open an account with a balance of zero."""
    from kanjo import ledger

    kind = ledger.Product.of(product) if product else ledger.Product(account // 10_000_000 % 10)
    return post_one(
        key,
        lambda client, used: ledger.OpenAccount(
            client=client, key=used, account=account, product=int(kind), floor_yen=floor or 0, name_kana=name
        ),
    )


@app.command(
    "set-status",
    epilog=example(
        "kanjo account set-status 001-1-1000016 debit-stopped",
        "kanjo account set-status 001-1-1000016 open --floor -50000",
    ),
)
def set_status(
    account: AccountArgument,
    status: Annotated[StatusWord, typer.Argument(help="What the account may do from now on.")],
    floor: FloorOption = None,
    key: KeyOption = None,
) -> Reply:
    """Set an account's status, and its floor when one is given."""
    from kanjo import ledger

    wanted = ledger.Status.of(status)
    assert isinstance(wanted, ledger.Status)
    return post_one(
        key,
        lambda client, used: ledger.ChangeAccount(
            client=client, key=used, account=account, status=wanted, floor_yen=floor
        ),
    )


@app.command(epilog=example("kanjo account close 001-1-1000016"))
def close(account: AccountArgument, key: KeyOption = None) -> Reply:
    """Close an account for good; it must have no balance, no hold and no run of its own (C-4)."""
    from kanjo import ledger

    return post_one(
        key,
        lambda client, used: ledger.ChangeAccount(
            client=client, key=used, account=account, status=ledger.Status.CLOSED
        ),
    )
