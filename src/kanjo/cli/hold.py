"""`kanjo hold`: money set aside, then taken or given back."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

import msgspec
import typer

from kanjo.cli.arguments import AccountArgument, KeyOption, YenArgument, amount_yen, example, iso_date
from kanjo.cli.opened import opened_store
from kanjo.cli.posting import CLIENT, post_one
from kanjo.cli.reply import Facts, Reply

app = typer.Typer(name="hold", help="Set money aside on an account (オーソリ), take it, or give it back.")

HoldArgument = Annotated[UUID, typer.Argument(metavar="KEY", help="The key under which the hold was placed.")]


@app.command(epilog=example("kanjo hold place 001-1-1000016 8000 --expires 2026-09-30"))
def place(
    account: AccountArgument,
    yen: YenArgument,
    expires: Annotated[
        date | None,
        typer.Option(parser=iso_date, metavar="DATE", help="It ends when a later date than this opens; else never."),
    ] = None,
    key: KeyOption = None,
) -> Reply:
    """Set money aside; the key printed names the hold from then on."""
    from kanjo import ledger

    return post_one(
        key,
        lambda client, used: ledger.PlaceHold(
            client=client, key=used, account=account, amount_yen=yen, expires_on=expires
        ),
    )


@app.command(
    epilog=example(
        "kanjo hold capture 6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "kanjo hold capture 6f9619ff-8b86-4011-b42d-00c04fc964ff 5500",
    )
)
def capture(
    hold: HoldArgument,
    yen: Annotated[
        int | None,
        typer.Argument(
            parser=amount_yen, metavar="[YEN]", help="A part of it; the rest is given back.", show_default=False
        ),
    ] = None,
    key: KeyOption = None,
) -> Reply:
    """Take the held money, or a part of it."""
    from kanjo import ledger

    return post_one(key, lambda client, used: ledger.CaptureHold(client=client, key=used, hold=hold, amount_yen=yen))


@app.command(epilog=example("kanjo hold release 6f9619ff-8b86-4011-b42d-00c04fc964ff"))
def release(hold: HoldArgument, key: KeyOption = None) -> Reply:
    """Give the held money back to the account's own use."""
    from kanjo import ledger

    return post_one(key, lambda client, used: ledger.ReleaseHold(client=client, key=used, hold=hold))


@app.command(epilog=example("kanjo hold show 6f9619ff-8b86-4011-b42d-00c04fc964ff"))
def show(hold: HoldArgument) -> Reply:
    """Show a hold as it stands after all that is due on its account (オーソリ照会)."""
    from kanjo import ledger

    with opened_store() as store:
        found = ledger.look_up_hold(store, CLIENT, hold)
    content = {"key": hold} | msgspec.structs.asdict(found)
    facts = {name.removesuffix("_yen").replace("_", " "): value for name, value in content.items() if value is not None}
    return Reply(content, [Facts(facts | {"sequence": str(found.sequence)})])
