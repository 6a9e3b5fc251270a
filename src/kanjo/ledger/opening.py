"""Accounts from a CSV file, and into one (C-6): whole or not at all, and never ahead of a pending item (O-6)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from itertools import islice
from typing import Any

import msgspec
import psycopg

from kanjo.db.columns import Int2, Int8, Text
from kanjo.db.queries import Queries
from kanjo.errors import Refused
from kanjo.ledger.account import Product, Status, Word, parse_account, show_account
from kanjo.ledger.book import Wanted
from kanjo.ledger.chart import Code
from kanjo.ledger.csv_file import CsvErrors, read_rows, shown
from kanjo.ledger.decide import decide
from kanjo.ledger.instruction import AMOUNT_MAX_YEN, Kind
from kanjo.ledger.moment import one_moment
from kanjo.ledger.post import CONFLICTS_MAX, ITEMS_MAX
from kanjo.ledger.postgres import SQL, PostgresStore, PostgresUnit
from kanjo.ledger.store import Conflict, Day, due_runs

OPENING_SQL = Queries("kanjo.ledger", "opening.sql")
COLUMNS = ("account", "product", "balance", "floor", "status", "name_kana")
CHUNK_COUNT = 20_000
"""Rows in one statement: large enough to cost nothing per row, small enough to show progress."""
NAME_LENGTH_MAX = 100
KNOWN_SHOWN_MAX = 10

_YEN = re.compile(r"-?[0-9]{1,16}", re.ASCII)


class ImportedAccount(msgspec.Struct, frozen=True):
    """A row of the file. Amounts in yen."""

    account: int
    product: int
    balance_yen: int
    floor_yen: int
    status: int
    name_kana: str


def import_accounts(
    store: PostgresStore,
    lines: Iterable[str],
    *,
    name: str,
    errors_max: int = 100,
    progress: Callable[[int], object] | None = None,
) -> int:
    """Take all accounts of a CSV file, or none; returns how many.

    `lines` is the text of the file called `name`, `progress` is told how many rows are stored so far. Each non-zero
    balance is entry 1 against Code.OPENING: made here when a date is open, by the first `open_day` otherwise. Refused:
    `bad-file` with up to `errors_max` faults, `account-exists`, `item-stuck`.
    """
    accounts = _read(lines, CsvErrors(name, errors_max))
    for _ in range(CONFLICTS_MAX):
        try:
            with store.unit() as unit:
                _import_in(unit, accounts, progress or (lambda _: None))
                return len(accounts)
        except Conflict as error:
            conflict = error
    raise conflict


def export_accounts(
    connection: psycopg.Connection[Any],
    write: Callable[[str], object],
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[int, int]:
    """Write all accounts as CSV, sorted, as of one moment; nothing is settled for it (C-5).

    Returns how many accounts were written and how many items are due on accounts but not settled. The connection must
    not be in a transaction. `progress` hears how many accounts are written so far.
    """
    count = 0
    with one_moment(connection):
        row = connection.execute(OPENING_SQL["count_pending"]).fetchone()
        assert row is not None
        write(_as_csv([COLUMNS]))
        with connection.cursor(name="accounts_to_export", binary=True) as cursor:
            cursor.execute(OPENING_SQL["accounts_to_export"])
            while rows := cursor.fetchmany(CHUNK_COUNT):
                write(_as_csv(_exported(row) for row in rows))
                count += len(rows)
                progress(count)
    return count, row[0]


def is_empty(connection: psycopg.Connection[Any]) -> bool:
    """Whether the ledger has no account and no run: nobody's bank yet."""
    return connection.execute(OPENING_SQL["any_account_or_run"]).fetchone() is None


def _exported(row: tuple[int, int, int, int, int, str | None]) -> tuple[str, str, int, int, str, str]:
    account, product, balance_yen, floor_yen, status, name_kana = row
    return show_account(account), Product(product).word, balance_yen, floor_yen, Status(status).word, name_kana or ""


def _as_csv(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _read(lines: Iterable[str], errors: CsvErrors) -> list[ImportedAccount]:
    """The accounts of the file, ascending (O-10); Refused `bad-file` when anything is wrong with it."""
    products, statuses = _words(Product), _words(Status)
    seen: dict[int, int] = {}
    accounts: list[ImportedAccount] = []
    for line, (number, product, balance, floor, status, name_kana) in read_rows(lines, errors, COLUMNS):
        before = errors.count
        account = _account(errors, line, number)
        if product not in products:
            errors.add(line, "product", shown(product), f"one of {', '.join(products)}")
        balance_yen = _yen(errors, line, "balance", balance)
        floor_yen = _yen(errors, line, "floor", floor)
        if status not in statuses:
            errors.add(line, "status", shown(status), f"one of {', '.join(statuses)}")
        if len(name_kana) > NAME_LENGTH_MAX or not (name_kana.isprintable()):
            expected = f"at most {NAME_LENGTH_MAX} printable characters"
            errors.add(line, "name_kana", f"{len(name_kana)} characters", expected)
        if account is not None and seen.setdefault(account, line) != line:
            errors.add(line, "account", shown(number), f"each account once, this one stands in line {seen[account]}")
        if errors.count > before:
            continue
        assert account is not None
        if balance_yen < floor_yen:
            errors.add(line, "balance", shown(balance), f"no balance below the floor of {floor_yen} yen")
        elif balance_yen and statuses[status] == Status.CLOSED:
            errors.add(line, "balance", shown(balance), "0, since the account is closed")
        else:
            accounts.append(
                ImportedAccount(account, products[product], balance_yen, floor_yen, statuses[status], name_kana)
            )
    errors.refuse()
    accounts.sort(key=lambda row: row.account)
    return accounts


def _words(words: type[Word]) -> dict[str, int]:
    return {member.word: int(member) for member in words}


def _account(errors: CsvErrors, line: int, text: str) -> int | None:
    try:
        if text.isascii() and text.isprintable():
            return parse_account(text)
    except ValueError:
        pass
    errors.add(line, "account", shown(text), "an account number such as 001-1-1234567")
    return None


def _yen(errors: CsvErrors, line: int, column: str, text: str) -> int:
    if _YEN.fullmatch(text) and abs(int(text)) <= AMOUNT_MAX_YEN:
        return int(text)
    errors.add(line, column, shown(text), f"whole yen from -{AMOUNT_MAX_YEN} to {AMOUNT_MAX_YEN}, digits only")
    return 0


def _import_in(unit: PostgresUnit, accounts: list[ImportedAccount], progress: Callable[[int], object]) -> None:
    day = unit.day()
    _require_unknown(unit, accounts)
    done = 0
    for chunk in _chunks(accounts):
        if day.date is not None:
            _settle(unit, day, chunk)
        _insert(unit, day.date, chunk)
        done += len(chunk)
        progress(done)


def _chunks(accounts: list[ImportedAccount]) -> Iterator[list[ImportedAccount]]:
    rows = iter(accounts)
    while chunk := list(islice(rows, CHUNK_COUNT)):
        yield chunk


def _require_unknown(unit: PostgresUnit, accounts: list[ImportedAccount]) -> None:
    known: list[int] = []
    for chunk in _chunks(accounts):
        parameters = {"cell": unit.cell, "accounts": Int8([row.account for row in chunk])}
        known.extend(row[0] for row in unit.connection.execute(OPENING_SQL["known_accounts"], parameters))
    if known:
        first = [show_account(account) for account in known[:KNOWN_SHOWN_MAX]]
        rest = f" and {len(known) - len(first)} more" if len(known) > len(first) else ""
        raise Refused(
            "account-exists",
            f"the ledger has {', '.join(first)}{rest} already; nothing was taken from the file",
            accounts=first,
            count=len(known),
        )


def _settle(unit: PostgresUnit, day: Day, chunk: list[ImportedAccount]) -> None:
    """O-6: items due on a number before it becomes an account meet no account, whenever they are settled."""
    wanted = Wanted(accounts=[row.account for row in chunk], items_max=ITEMS_MAX)
    finished = not due_runs(day, wanted)
    while not finished:
        book = unit.load(day, wanted)
        if book.stuck:
            run, item = min(book.stuck)
            message = f"item {item} of run {run} is stuck on one of the accounts: retry or fail it first"
            raise Refused("item-stuck", message, run=run, item=item)
        changes, _ = decide(book, ())
        unit.save(changes)
        finished = not book.unfinished


def _insert(unit: PostgresUnit, today: date | None, chunk: list[ImportedAccount]) -> None:
    numbers = Int8([row.account for row in chunk])
    balances = Int8([row.balance_yen for row in chunk])
    named = [row for row in chunk if row.name_kana]
    zeros = Int8([0] * len(chunk))
    with unit.connection.pipeline():
        unit.connection.execute(
            SQL["insert_accounts"],
            {
                "cell": unit.cell,
                "accounts": numbers,
                "balances": balances,
                "helds": zeros,
                "floors": Int8([row.floor_yen for row in chunk]),
                "sequences": Int8([1 if row.balance_yen else 0 for row in chunk]),
                "statuses": Int2([row.status for row in chunk]),
                "products": Int2([row.product for row in chunk]),
            },
        )
        if named:
            names = {"accounts": Int8([row.account for row in named]), "names": Text(row.name_kana for row in named)}
            unit.connection.execute(SQL["insert_holders"], {"cell": unit.cell, **names})
        if today is not None:
            unit.connection.execute(
                OPENING_SQL["insert_opening_entries"],
                {
                    "cell": unit.cell,
                    "date": today,
                    "contra": int(Code.OPENING),
                    "kind": int(Kind.OPENING),
                    "accounts": numbers,
                    "balances": balances,
                },
            )
