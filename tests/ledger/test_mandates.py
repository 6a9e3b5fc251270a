"""Mandate lists: O-6, A.6's results 3 and 4."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from kanjo import ledger
from kanjo.db import Database
from kanjo.errors import Refused
from kanjo.ledger.mandates import BEGINNING, import_mandates, normal_customer

D1, D2, D3 = date(2026, 8, 24), date(2026, 8, 25), date(2026, 8, 26)
ANN = ledger.account_number(1, 1, 1)
WATER, POWER = "0000000007", "0000000008"


@pytest.fixture
def store(database: Database) -> Iterator[ledger.PostgresStore]:
    """One account of 1,000 yen; no date is open."""
    with database.connect(autocommit=True) as connection:
        store = ledger.PostgresStore(connection)
        lines = [
            "account,product,balance,floor,status,name_kana\n",
            f"{ledger.show_account(ANN)},ordinary,1000,0,open,\n",
        ]
        ledger.import_accounts(store, lines, name="a.csv")
        ledger.ensure_partitions(database, D1)
        yield store


def load(store: ledger.PostgresStore, *rows: str, header: str = "originator,customer,account") -> ledger.MandatesLoaded:
    return import_mandates(store, [f"{row}\n" for row in (header, *rows)], name="m.csv")


def test_a_long_import_tells_how_far_it_is(store: ledger.PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many mandates of the file stand so far; what the list had already stands at once."""
    monkeypatch.setattr("kanjo.ledger.mandates.CHUNK_COUNT", 2)
    account = ledger.show_account(ANN)
    rows = [f"7,{customer},{account}\n" for customer in range(1, 6)]
    header = "originator,customer,account\n"
    import_mandates(store, [header, *rows[:1]], name="m.csv")
    heard: list[int] = []

    import_mandates(store, [header, *rows], name="m.csv", progress=heard.append)

    assert heard == [2, 4, 5]


def loaded(store: ledger.PostgresStore, originator: str = WATER) -> list[tuple[object, ...]]:
    return store.connection.execute(
        "SELECT customer, stopped, from_date, until_date FROM ledger.mandate WHERE originator = %s ORDER BY 3, 1",
        (originator,),
    ).fetchall()


def debit(database: Database, due: date, customer: str, originator: str = WATER) -> int:
    """Register a pre-business debit of one yen on ANN; returns the run."""
    with database.connect(role="owner") as connection:
        row = connection.execute(
            "INSERT INTO ledger.run (date, phase, priority, registered_at, originator)"
            " VALUES (%s, 1, 60, now(), %s) RETURNING run",
            (due, originator),
        ).fetchone()
        assert row is not None
        connection.execute(
            "INSERT INTO ledger.item (cell, account, run, item, date, kind, amount, customer)"
            " VALUES (0, %s, %s, 1, %s, 2, 1, %s)",
            (ANN, row[0], due, customer),
        )
        return int(row[0])


def reason(store: ledger.PostgresStore, run: int) -> str:
    ledger.enquire(store, ANN)
    row = store.connection.execute("SELECT reason FROM ledger.outcome WHERE run = %s", (run,)).fetchone()
    assert row is not None
    return ledger.Reason(row[0]).word


@pytest.mark.parametrize(
    ("text", "normal"),
    [("123", "123".zfill(20)), ("123 ", "123".zfill(20)), ("A-1  ", "A-1"), ("１２", "１２"), (" 1", " 1"), ("", "")],
)
def test_a_customer_number_is_compared_in_one_form(text: str, normal: str) -> None:
    """Trailing spaces never count; numbers are zero-filled to the width of the record."""
    assert normal_customer(text) == normal


@pytest.mark.parametrize("status", ["", ",active"])
def test_before_the_first_date_a_list_counts_from_the_beginning(
    database: Database, store: ledger.PostgresStore, status: str
) -> None:
    """Loaded into a new ledger, it is asked by the first date's debits."""
    header = "originator,customer,account,status" if status else "originator,customer,account"
    found = load(store, f"7,42,{ledger.show_account(ANN)}{status}", header=header)
    allowed, missing = debit(database, D1, normal_customer("42")), debit(database, D1, normal_customer("43"))
    other = debit(database, D1, normal_customer("42"), originator=POWER)
    ledger.open_day(database, D1)

    assert found == ledger.MandatesLoaded(1, 1, BEGINNING)
    assert [reason(store, run) for run in (allowed, missing, other)] == ["accepted", "no-mandate", "accepted"]


@pytest.mark.parametrize("settled_on", [D2, D3])
def test_o_6_a_list_takes_effect_when_a_later_date_opens(
    database: Database, store: ledger.PostgresStore, settled_on: date
) -> None:
    """A list loaded while D2 is open changes no debit due on D2, whether the batch comes first or last."""
    load(store, f"7,42,{ledger.show_account(ANN)}")
    ledger.open_day(database, D1)
    today, tomorrow = debit(database, D2, normal_customer("42")), debit(database, D3, normal_customer("42"))
    ledger.open_day(database, D2)
    if settled_on == D2:
        assert reason(store, today) == "accepted"

    found = load(store, f"7,42,{ledger.show_account(ANN)},stopped", header="originator,customer,account,status")
    ledger.open_day(database, D3)

    assert found.from_date == D3
    assert (reason(store, today), reason(store, tomorrow)) == ("accepted", "mandate-stopped")


def test_a_file_replaces_the_lists_it_names_and_no_other(database: Database, store: ledger.PostgresStore) -> None:
    """What the new list lacks ends, what it keeps is not touched, another originator's list stays."""
    shown = ledger.show_account(ANN)
    load(store, f"7,1,{shown}", f"7,2,{shown}", f"8,1,{shown}")
    ledger.open_day(database, D1)

    load(store, f"7,2,{shown}", f"7,3,{shown}")

    one, two, three = (normal_customer(text) for text in "123")
    assert loaded(store) == [(one, False, BEGINNING, D2), (two, False, BEGINNING, None), (three, False, D2, None)]
    assert loaded(store, POWER) == [(one, False, BEGINNING, None)]


def test_loading_again_on_the_same_date_replaces_that_load(database: Database, store: ledger.PostgresStore) -> None:
    """The earlier load of the date leaves no trace, neither what it began nor what it ended."""
    shown = ledger.show_account(ANN)
    load(store, f"7,1,{shown}")
    ledger.open_day(database, D1)
    load(store, f"7,2,{shown}")

    load(store, f"7,1,{shown}", f"7,3,{shown}")

    assert loaded(store) == [
        (normal_customer("1"), False, BEGINNING, None),
        (normal_customer("3"), False, D2, None),
    ]
    lists = store.connection.execute("SELECT originator, from_date FROM ledger.mandate_list").fetchall()
    assert lists == [(WATER, BEGINNING)]


def test_every_fault_is_reported_and_nothing_changed(store: ledger.PostgresStore) -> None:
    """Each wrong field is named; the list before stays."""
    shown = ledger.show_account(ANN)
    load(store, f"7,1,{shown}")

    with pytest.raises(Refused) as caught:
        load(
            store,
            f"7x,1,{shown},active",
            f"7,{'1' * 21},{shown},active",
            f"7,  ,{shown},active",
            "7,1,1-1,active",
            f"7,1,{shown},on",
            f"7,5,{shown},active",
            f"07,05,{shown},stopped",
            header="originator,customer,account,status",
        )

    faults = caught.value.details["errors"]
    assert isinstance(faults, list)
    assert [(fault["line"], fault["column"]) for fault in faults] == [
        (2, "originator"),
        (3, "customer"),
        (4, "customer"),
        (5, "account"),
        (6, "status"),
        (8, "row"),
    ]
    assert loaded(store) == [(normal_customer("1"), False, BEGINNING, None)]
