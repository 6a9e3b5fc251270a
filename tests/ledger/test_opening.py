"""Accounts from CSV files and into them: C-6, O-6, design 9."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from kanjo import ledger
from kanjo.db import Database
from kanjo.errors import Refused
from kanjo.ledger import opening
from kanjo.ledger.opening import export_accounts, import_accounts

HEADER = "account,product,balance,floor,status,name_kana"
SAMPLE = Path(__file__).parent.parent / "data" / "zengin" / "accounts.csv"
TODAY = date(2026, 8, 24)


def number(place: int) -> int:
    return ledger.account_number(1, 1, place)


@pytest.fixture
def store(database: Database) -> Iterator[ledger.PostgresStore]:
    with database.connect(autocommit=True) as connection:
        yield ledger.PostgresStore(connection)


def exported(store: ledger.PostgresStore) -> tuple[str, tuple[int, int]]:
    parts: list[str] = []
    told: list[int] = []
    counts = export_accounts(store.connection, parts.append, progress=told.append)
    assert told[-1:] == ([counts[0]] if counts[0] else [])  # how many are written so far
    return "".join(parts), counts


def refused(store: ledger.PostgresStore, *rows: str, errors_max: int = 100) -> Refused:
    with pytest.raises(Refused) as caught:
        import_accounts(store, [f"{row}\n" for row in (HEADER, *rows)], name="a.csv", errors_max=errors_max)
    return caught.value


def add_items(database: Database, due: date, *items: tuple[int, int, int]) -> int:
    """Register a pre-business run by hand: (account, kind, amount) each; returns its number."""
    with database.connect(role="owner") as connection:
        row = connection.execute(
            "INSERT INTO ledger.run (date, phase, priority, registered_at) VALUES (%s, 1, 40, now()) RETURNING run",
            (due,),
        ).fetchone()
        assert row is not None
        for item, (account, kind, amount_yen) in enumerate(items, 1):
            connection.execute(
                "INSERT INTO ledger.item (cell, account, run, item, date, kind, amount) VALUES (0,%s,%s,%s,%s,%s,%s)",
                (account, row[0], item, due, kind, amount_yen),
            )
        return int(row[0])


def test_a_ledger_with_an_account_or_a_run_is_not_empty(database: Database, store: ledger.PostgresStore) -> None:
    """Either makes it somebody's bank; an open date alone does not."""
    ledger.open_day(database, TODAY)
    assert ledger.is_empty(store.connection)

    add_items(database, TODAY)
    assert not ledger.is_empty(store.connection)

    with database.connect(role="owner") as owner:
        owner.execute("DELETE FROM ledger.run")
    assert ledger.is_empty(store.connection)
    import_accounts(store, [f"{HEADER}\n", f"{ledger.show_account(number(1))},ordinary,0,0,open,\n"], name="a.csv")
    assert not ledger.is_empty(store.connection)


def test_a_file_comes_back_as_it_went_in(store: ledger.PostgresStore) -> None:
    """Export gives the imported file again, byte for byte, when it is sorted."""
    with SAMPLE.open(encoding="utf-8", newline="") as lines:
        count = import_accounts(store, lines, name="accounts.csv")

    text, counts = exported(store)

    assert SAMPLE.read_text("utf-8") == text
    assert (count, 0) == counts


def test_c_6_before_the_first_date_opening_entries_bear_it(database: Database, store: ledger.PostgresStore) -> None:
    """Accounts imported into a new ledger get their entry 1 when the first date opens."""
    rows = [f"{HEADER}\n", "001-1-0000001,ordinary,500,0,open,ｱ\n", "001-1-0000002,ordinary,0,0,open,\n"]
    import_accounts(store, rows, name="a.csv")
    ledger.open_day(database, TODAY)

    entries = store.connection.execute(
        "SELECT account, sequence, date, amount, balance, contra, kind FROM ledger.entry"
    )

    assert [(number(1), 1, TODAY, 500, 500, 9000, 10)] == entries.fetchall()
    assert ledger.enquire(store, number(1)).sequence == 1
    assert ledger.enquire(store, number(2)).sequence == 0


def test_c_6_in_an_open_date_opening_entries_bear_it(database: Database, store: ledger.PostgresStore) -> None:
    """Accounts imported later get their entry 1 at once; a zero balance gets none."""
    ledger.open_day(database, TODAY)
    rows = [f"{HEADER}\n", "001-1-0000002,savings,0,0,frozen,\n", "001-1-0000001,ordinary,-500,-900,open,ｱ\n"]
    import_accounts(store, rows, name="a.csv")

    entries = store.connection.execute(
        "SELECT account, sequence, date, amount, balance, contra, kind FROM ledger.entry"
    )

    assert [(number(1), 1, TODAY, -500, -500, 9000, 10)] == entries.fetchall()
    assert ledger.enquire(store, number(1)).available_yen == 400
    assert ledger.enquire(store, number(2)).status == ledger.Status.FROZEN


def test_every_fault_is_reported_and_nothing_taken(store: ledger.PostgresStore) -> None:
    """Each wrong field is named with its line and column, what was found and what was expected."""
    error = refused(
        store,
        "001-1-0000001,ordinary,500,0,open,ｱ",
        "001-1-000002,ordinary,500,0,open,ｱ",
        "001-1-0000003,gold,500,0,open,ｱ",
        "001-1-0000004,ordinary,5.5,1_0,open,ｱ",
        "001-1-0000005,ordinary,500,0,OPEN,ｱ",
        "001-1-0000001,ordinary,500,0,open,ｱ",
        "001-1-0000006,ordinary,-501,-500,open,ｱ",
        "001-1-0000007,ordinary,1,0,closed,ｱ",
        "001-1-0000008,ordinary,1,0,open",
        "００１-1-0000009,ordinary,1,0,open,ｱ",
    )

    assert error.code == "bad-file"
    faults = error.details["errors"]
    assert isinstance(faults, list)
    assert [(fault["line"], fault["column"], fault["found"]) for fault in faults] == [
        (3, "account", '"001-1-000002"'),
        (4, "product", '"gold"'),
        (5, "balance", '"5.5"'),
        (5, "floor", '"1_0"'),
        (6, "status", "4 characters of another kind"),
        (7, "account", '"001-1-0000001"'),
        (8, "balance", '"-501"'),
        (9, "balance", '"1"'),
        (10, "row", "5 columns"),
        (11, "account", "13 characters of another kind"),
    ]
    assert (f"{HEADER}\n", (0, 0)) == exported(store)


def test_errors_are_counted_beyond_the_limit(store: ledger.PostgresStore) -> None:
    """The limit bounds what is listed, not what is counted."""
    error = refused(store, *(f"x{place},ordinary,0,0,open," for place in range(9)), errors_max=4)

    faults = error.details["errors"]
    assert isinstance(faults, list)
    assert (
        len(faults),
        error.details["errors_count"],
        error.details["truncated"],
    ) == (4, 9, True)


def test_no_name_is_ever_shown(store: ledger.PostgresStore) -> None:
    """A name that slipped into another column, or is too long, does not stand in the error."""
    name = "ﾔﾏﾀﾞﾀﾛｳ"
    error = refused(
        store,
        f"{name},001-1-0000001,{name},{name},{name},ordinary",
        f"001-1-0000002,ordinary,0,0,open,{name * 20}",
        f'001-1-0000003,ordinary,0,0,open,"{name}"x',
    )

    assert name not in f"{error} {error.details}"


@pytest.mark.parametrize("first", ["", "account;product\n", f"{HEADER},more\n", "001-1-0000001,ordinary,0,0,open,\n"])
def test_a_file_needs_its_header(store: ledger.PostgresStore, first: str) -> None:
    """Without the header nothing is guessed: one error says what the first line must be."""
    with pytest.raises(Refused) as caught:
        import_accounts(store, [first] if first else [], name="a.csv")

    assert HEADER in str(caught.value)


def test_a_byte_order_mark_is_ignored(store: ledger.PostgresStore) -> None:
    """Spreadsheets write one in front of UTF-8."""
    lines = [f"\ufeff{HEADER}\r\n", "001-1-0000001,ordinary,0,0,open,ｱ\r\n", "\r\n"]
    assert import_accounts(store, lines, name="a.csv") == 1


def test_text_that_is_not_utf_8_is_a_bad_file(store: ledger.PostgresStore, tmp_path: Path) -> None:
    """A cp932 file is refused as such, not with a stack trace."""
    path = tmp_path / "a.csv"
    path.write_bytes(f"{HEADER}\n001-1-0000001,ordinary,0,0,open,ｱ\n".encode("cp932"))
    with path.open(encoding="utf-8", newline="") as lines, pytest.raises(Refused, match="UTF-8"):
        import_accounts(store, lines, name="a.csv")


def test_c_6_known_accounts_refuse_the_whole_file(store: ledger.PostgresStore) -> None:
    """The error names ten of them and counts all."""
    rows = [f"001-1-{place:07d},ordinary,1,0,open," for place in range(1, 13)]
    import_accounts(store, [f"{row}\n" for row in (HEADER, *rows)], name="a.csv")

    error = refused(store, "001-1-0000099,ordinary,1,0,open,", *rows)

    assert (error.code, error.details["count"]) == ("account-exists", 12)
    assert [f"001-1-{place:07d}" for place in range(1, 11)] == error.details["accounts"]
    assert exported(store)[1][0] == 12


@pytest.mark.parametrize("items_max", [1, 5000])
def test_o_6_items_due_on_the_number_meet_no_account(
    database: Database, store: ledger.PostgresStore, monkeypatch: pytest.MonkeyPatch, items_max: int
) -> None:
    """What was due before the import is settled first, and refused: equal to the batch having run first."""
    monkeypatch.setattr(opening, "ITEMS_MAX", items_max)
    ledger.open_day(database, date(2026, 8, 21))
    run = add_items(database, TODAY, (number(1), 1, 70), (number(2), 1, 80), (number(3), 1, 90))
    ledger.open_day(database, TODAY)
    lines = [f"{HEADER}\n", "001-1-0000001,ordinary,500,0,open,\n", "001-1-0000002,ordinary,600,0,open,\n"]

    assert exported(store)[1][1] == 3
    import_accounts(store, lines, name="a.csv")

    assert ledger.enquire(store, number(1)).balance_yen == 500
    results = store.connection.execute("SELECT run, item, reason, sequence, before FROM ledger.outcome ORDER BY item")
    unknown = int(ledger.Reason.ACCOUNT_UNKNOWN)
    assert [(run, 1, unknown, 0, True), (run, 2, unknown, 0, True)] == results.fetchall()
    assert exported(store)[1][1] == 1


def test_o_9_a_stuck_item_keeps_its_number_from_being_imported(database: Database, store: ledger.PostgresStore) -> None:
    """Until an operator retries or fails the item, nothing may happen behind it."""
    ledger.open_day(database, date(2026, 8, 21))
    run = add_items(database, TODAY, (number(1), 1, 70))
    ledger.open_day(database, TODAY)
    with store.unit() as unit:
        unit.mark_stuck(ledger.Item(number(1), run, 1, 1, 70), "broken")

    error = refused(store, "001-1-0000001,ordinary,1,0,open,")

    assert ("item-stuck", run, 1) == (error.code, error.details["run"], error.details["item"])


def test_progress_counts_the_rows_stored(store: ledger.PostgresStore) -> None:
    """A large file is stored chunk by chunk, and tells so."""
    lines = [f"{HEADER}\n", *(f"001-1-{place:07d},ordinary,{place},0,open,ｱ\n" for place in range(45_000))]
    told: list[int] = []

    import_accounts(store, lines, name="a.csv", progress=told.append)

    assert told == [20_000, 40_000, 45_000]


def test_two_imports_of_one_file_at_once(database: Database, store: ledger.PostgresStore) -> None:
    """One is taken, the other is told that the accounts exist; neither sees the database's own error."""
    ledger.open_day(database, TODAY)
    lines = [f"{HEADER}\n", *(f"001-1-{place:07d},ordinary,1,0,open,\n" for place in range(5_000))]

    def load(_: int) -> str:
        with database.connect(autocommit=True) as connection:
            try:
                return str(import_accounts(ledger.PostgresStore(connection), lines, name="a.csv"))
            except Refused as error:
                return error.code

    with ThreadPoolExecutor(2) as callers:
        assert sorted(callers.map(load, range(2))) == ["5000", "account-exists"]
