"""Mandate lists from CSV files (口座振替依頼): which debits a payer has allowed an originator.

A list is dated, so that nothing it says takes effect in a date already open (O-6). Only what differs from the list
before is written, so that loading a large list every day costs no more than its changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from typing import TypeAlias, TypeVar

import msgspec

from kanjo.db.columns import Bool, Date, Int8, Text
from kanjo.db.queries import Queries
from kanjo.ledger.account import parse_account
from kanjo.ledger.csv_file import CsvErrors, read_rows, shown
from kanjo.ledger.post import CONFLICTS_MAX
from kanjo.ledger.postgres import PostgresStore, PostgresUnit
from kanjo.ledger.store import Conflict

MANDATE_SQL = Queries("kanjo.ledger", "mandates.sql")
COLUMNS = ("originator", "customer", "account")
ACTIVE, STOPPED = "active", "stopped"
CUSTOMER_LENGTH = 20
"""The width of the customer number (顧客番号) in a Zengin record."""
BEGINNING = date(1900, 1, 1)
"""From when a list counts that was loaded before the first date opened."""
CHUNK_COUNT = 20_000

_ORIGINATOR = re.compile(r"[0-9]{1,10}", re.ASCII)

Row = TypeVar("Row")
Mandate: TypeAlias = tuple[str, str, int]
"""Originator, customer, account."""


class MandatesLoaded(msgspec.Struct, frozen=True):
    """How many lists a file replaced, how many mandates they have, and the first date for which they count."""

    originators: int
    mandates: int
    from_date: date


def normal_customer(text: str) -> str:
    """A customer number as it is compared: no trailing spaces, and zero-filled to 20 digits when it is a number."""
    text = text.rstrip(" ")
    return text.zfill(CUSTOMER_LENGTH) if text.isascii() and text.isdigit() else text


def import_mandates(
    store: PostgresStore,
    lines: Iterable[str],
    *,
    name: str,
    errors_max: int = 100,
    progress: Callable[[int], object] = lambda _: None,
) -> MandatesLoaded:
    """Replace the whole list of every originator that the CSV file names, from the date after the current one.

    `lines` is the text of the file called `name`: `originator,customer,account` and, if wanted, `status` (`active` or
    `stopped`). Loading again on the same date replaces what was loaded on it. `progress` is told how many of the file's
    mandates stand so far. Refused: `bad-file`, nothing changed.
    """
    mandates = _read(lines, CsvErrors(name, errors_max))
    for _ in range(CONFLICTS_MAX):
        try:
            with store.unit() as unit:
                return _import_in(unit, mandates, progress)
        except Conflict as error:
            conflict = error
    raise conflict


def _read(lines: Iterable[str], errors: CsvErrors) -> dict[Mandate, bool]:
    """Each mandate of the file and whether it is stopped."""
    mandates: dict[Mandate, bool] = {}
    first_lines: dict[Mandate, int] = {}
    for line, row in read_rows(lines, errors, COLUMNS, optional=("status",)):
        originator, text, number = row[:3]
        status = row[3] if len(row) > 3 else ACTIVE
        before = errors.count
        if not _ORIGINATOR.fullmatch(originator):
            errors.add(line, "originator", shown(originator), "up to 10 digits")
        customer = normal_customer(text)
        if not customer or len(customer) > CUSTOMER_LENGTH or not customer.isprintable():
            errors.add(line, "customer", f"{len(text)} characters", f"1 to {CUSTOMER_LENGTH} printable characters")
        account = _account(number)
        if account is None:
            errors.add(line, "account", shown(number), "an account number such as 001-1-1234567")
        if status not in (ACTIVE, STOPPED):
            errors.add(line, "status", shown(status), f"{ACTIVE} or {STOPPED}")
        if errors.count > before:
            continue
        assert account is not None
        mandate = (originator.zfill(10), customer, account)
        if first_lines.setdefault(mandate, line) != line:
            expected = f"each mandate once, this one stands in line {first_lines[mandate]}"
            errors.add(line, "row", "the same originator, customer and account again", expected)
        mandates[mandate] = status == STOPPED
    errors.refuse()
    return mandates


def _account(text: str) -> int | None:
    try:
        return parse_account(text) if text.isascii() and text.isprintable() else None
    except ValueError:
        return None


def _import_in(unit: PostgresUnit, mandates: dict[Mandate, bool], progress: Callable[[int], object]) -> MandatesLoaded:
    today = unit.day().date
    from_date = BEGINNING if today is None else today + timedelta(days=1)
    originators = sorted({originator for originator, _, _ in mandates})
    asked = {"originators": Text(originators), "from_date": from_date}
    with unit.connection.pipeline():
        for statement in ("take_lists", "undo_begun", "undo_ended"):
            unit.connection.execute(MANDATE_SQL[statement], asked)
    begun = dict(mandates)
    ended: list[tuple[Mandate, date]] = []
    current = unit.connection.execute(MANDATE_SQL["current_mandates"], asked, binary=True)
    for originator, customer, account, stopped, since in current:
        mandate = (originator, customer, account)
        if begun.get(mandate) == stopped:
            del begun[mandate]
        else:
            ended.append((mandate, since))
    standing = len(mandates) - len(begun)
    for some in _chunks(ended):
        unit.connection.execute(
            MANDATE_SQL["end_mandates"],
            _columns([mandate for mandate, _ in some])
            | {"from_dates": Date([since for _, since in some]), "until_date": from_date},
        )
        progress(standing)
    for some_begun in _chunks(sorted(begun.items())):
        unit.connection.execute(
            MANDATE_SQL["begin_mandates"],
            _columns([mandate for mandate, _ in some_begun])
            | {"stoppeds": Bool([stopped for _, stopped in some_begun]), "from_date": from_date},
        )
        standing += len(some_begun)
        progress(standing)
    return MandatesLoaded(len(originators), len(mandates), from_date)


def _chunks(rows: list[Row]) -> Iterator[list[Row]]:
    for first in range(0, len(rows), CHUNK_COUNT):
        yield rows[first : first + CHUNK_COUNT]


def _columns(mandates: list[Mandate]) -> dict[str, object]:
    return {
        "originators": Text(originator for originator, _, _ in mandates),
        "customers": Text(customer for _, customer, _ in mandates),
        "accounts": Int8([account for _, _, account in mandates]),
    }
