"""What can be typed: the forms of accounts, amounts, dates and keys, the same in every command."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal
from uuid import UUID

import typer

_YEN = re.compile(r"[0-9]{1,3}(,[0-9]{3})*|[0-9]+", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_FLOOR = re.compile(rf"-?({_YEN.pattern})", re.ASCII)


def account(text: str) -> int:
    """An account number as people write it."""
    from kanjo.ledger import parse_account

    try:
        return parse_account(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def amount_yen(text: str) -> int:
    """Whole yen, with or without separators."""
    from kanjo.ledger import AMOUNT_MAX_YEN

    if _YEN.fullmatch(text) and len(text) <= 30 and 0 < (yen := int(text.replace(",", ""))) <= AMOUNT_MAX_YEN:
        return yen
    raise typer.BadParameter(f"an amount is whole yen from 1 to {AMOUNT_MAX_YEN:,}, found {text!r}")


def floor_yen(text: str) -> int:
    """Whole yen; negative for an overdraft (C-6)."""
    from kanjo.ledger import AMOUNT_MAX_YEN

    if _FLOOR.fullmatch(text) and len(text) <= 30 and abs(yen := int(text.replace(",", ""))) <= AMOUNT_MAX_YEN:
        return yen
    raise typer.BadParameter(
        f"a floor is whole yen up to {AMOUNT_MAX_YEN:,}, negative for an overdraft, found {text!r}"
    )


def holder_name(text: str) -> str:
    """A name that an accounts file can hold too, so that what was exported is taken back."""
    from kanjo.ledger import NAME_LENGTH_MAX

    if len(text) <= NAME_LENGTH_MAX and text.isprintable():
        return text
    raise typer.BadParameter(f"a name is at most {NAME_LENGTH_MAX} printable characters")


def iso_date(text: str) -> date:
    """A date as 2026-08-25."""
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise typer.BadParameter(f"a date reads 2026-08-25, found {text!r}")


AccountArgument = Annotated[int, typer.Argument(parser=account, metavar="ACCOUNT", help="Such as 001-1-1234567.")]
YenArgument = Annotated[int, typer.Argument(parser=amount_yen, metavar="YEN", help="Whole yen.")]
DateArgument = Annotated[date, typer.Argument(parser=iso_date, metavar="DATE", help="Such as 2026-08-25.")]
RUN_MAX = 2_147_483_647
"""A run's number is an integer of four bytes."""
ITEM_MAX = 2_147_483_647
"""And so is an item's."""

RunArgument = Annotated[int, typer.Argument(min=1, max=RUN_MAX, metavar="RUN", help="The number of a run.")]
ItemArgument = Annotated[
    int, typer.Argument(min=1, max=ITEM_MAX, metavar="ITEM", help="The number of an item of the run.")
]
KeyOption = Annotated[
    UUID | None,
    typer.Option(
        "--key",
        metavar="UUID",
        help="The key of this instruction. Repeat it with the same key and it is answered, not done again. "
        "A fresh one when not given.",
    ),
]
DateOption = Annotated[
    date | None,
    typer.Option("--date", parser=iso_date, metavar="DATE", help="The file's date; must agree with its header (R-5)."),
]
RateOption = Annotated[
    float | None,
    typer.Option(
        "--max-rate", min=1.0, metavar="ITEMS_PER_S", help="Settle no faster than this, all workers together."
    ),
]
TargetOption = Annotated[
    float | None,
    typer.Option(
        "--target-p99-ms",
        min=0.1,
        metavar="T",
        help="Yield when the 99th percentile of a door rises over it. It heeds doors that publish their pulse; where "
        "none does, it never yields.",
    ),
]

PhaseWord = Literal["pre-business", "early", "in-business"]
StatusWord = Literal["open", "debit-stopped", "frozen"]
ProductWord = Literal[
    "ordinary", "current", "tax-reserve", "savings", "notice", "time", "instalment-time", "instalment", "other"
]


def example(*lines: str) -> str:
    """The end of a command's help: how it is typed."""
    return "\n\n".join(("Example:", *lines))
