"""The statement of one account: C-5, O-8, O-9."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import date
from uuid import UUID, uuid4

import msgspec
import pytest

from kanjo import ledger
from kanjo.db import Database
from kanjo.errors import Refused
from kanjo.ledger.book import Changes
from kanjo.ledger.postgres import DAY_LOCK
from kanjo.ledger.statement import statement

TODAY = date(2026, 8, 24)
DUE = date(2026, 8, 25)
ANN = ledger.account_number(1, 1, 1)
BOB = ledger.account_number(1, 1, 2)


@pytest.fixture
def store(database: Database) -> Iterator[ledger.PostgresStore]:
    """Two accounts of 1,000 yen each on an open date."""
    with database.connect(autocommit=True) as connection:
        store = ledger.PostgresStore(connection)
        lines = ["account,product,balance,floor,status,name_kana\n"]
        lines += [f"{ledger.show_account(account)},ordinary,1000,0,open,ﾔﾏﾀﾞ\n" for account in (ANN, BOB)]
        ledger.import_accounts(store, lines, name="a.csv")
        ledger.open_day(database, TODAY)
        yield store


def add_credits(database: Database, account: int, count: int) -> int:
    """Register `count` pre-business credits of one yen for DUE; returns the run."""
    with database.connect(role="owner") as connection:
        row = connection.execute(
            "INSERT INTO ledger.run (date, phase, priority, registered_at) VALUES (%s, 1, 40, now()) RETURNING run",
            (DUE,),
        ).fetchone()
        assert row is not None
        connection.execute(
            "INSERT INTO ledger.item (cell, account, run, item, date, kind, amount)"
            " SELECT 0, %s, %s, item, %s, 1, 1 FROM generate_series(1, %s) AS item",
            (account, row[0], DUE, count),
        )
        return int(row[0])


def test_a_line_says_what_happened(store: ledger.PostgresStore) -> None:
    """Each line bears its dates, kind, amount, balance, contra and cause."""
    paid, sent = UUID(int=1), UUID(int=2)
    ledger.post(store, [ledger.deposit("t", paid, ANN, 50), ledger.transfer("t", sent, ANN, BOB, 70)])

    found = statement(store, ANN)

    assert [
        (line.sequence, line.date, line.kind, line.amount_yen, line.balance_yen, line.contra, line.key)
        for line in found.lines
    ] == [
        (1, TODAY, "opening", 1000, 1000, "opening", None),
        (2, TODAY, "deposit", 50, 1050, "cash", paid),
        (3, TODAY, "transfer", -70, 980, "001-1-0000002", sent),
    ]
    assert (found.account, found.balance_yen, found.next_after) == ("001-1-0000001", 980, None)


def test_pages_follow_each_other(store: ledger.PostgresStore) -> None:
    """`next_after` leads through all entries once, and is None on the last page."""
    for _ in range(6):
        ledger.post(store, [ledger.deposit("t", uuid4(), ANN, 1)])

    sequences: list[int] = []
    after: int | None = 0
    pages = 0
    while after is not None:
        page = statement(store, ANN, after=after, limit=3)
        sequences += [line.sequence for line in page.lines]
        after, pages = page.next_after, pages + 1

    assert (sequences, pages) == ([1, 2, 3, 4, 5, 6, 7], 3)


def test_c_5_a_statement_settles_first(database: Database, store: ledger.PostgresStore) -> None:
    """What is due stands in the statement, with its run, item and value date."""
    run = add_credits(database, ANN, 2)
    ledger.open_day(database, DUE)

    found = statement(store, ANN, after=1)

    assert [(line.kind, line.run, line.item, line.value_date, line.contra) for line in found.lines] == [
        ("item-credit", run, 1, DUE, "run-suspense"),
        ("item-credit", run, 2, DUE, "run-suspense"),
    ]


def test_c_5_a_statement_of_closed_dates_settles_nothing_and_needs_no_lock(
    database: Database, store: ledger.PostgresStore
) -> None:
    """It ends with the last entry of its dates, though more was posted since and another holds the account."""
    ledger.post(store, [ledger.deposit("t", uuid4(), ANN, 50)])
    add_credits(database, ANN, 2)
    ledger.open_day(database, DUE)
    ledger.post(store, [ledger.deposit("t", uuid4(), ANN, 7)])
    add_credits(database, ANN, 1)

    with database.connect(role="owner") as other:
        other.execute("SELECT FROM ledger.account FOR UPDATE")
        other.execute("SELECT pg_advisory_xact_lock(%s)", (DAY_LOCK,))
        store.connection.execute("SET lock_timeout = '2s'")
        found = statement(store, ANN, until=TODAY)
        second = statement(store, ANN, until=TODAY, after=1, limit=1)
        none = statement(store, ANN, until=date(2026, 8, 21))

    assert [line.sequence for line in found.lines] == [1, 2]
    assert (found.business_date, found.sequence, found.balance_yen, found.next_after) == (DUE, 2, 1050, None)
    assert ([line.sequence for line in second.lines], second.next_after) == ([2], None)
    assert (none.sequence, none.balance_yen, none.lines, none.next_after) == (0, 0, (), None)
    assert store.connection.execute("SELECT count(*) FROM ledger.outcome").fetchone() == (2,)


def test_c_5_pages_of_closed_dates_follow_each_other(database: Database, store: ledger.PostgresStore) -> None:
    """The last page of the dates says that none follows, whatever was booked later."""
    for _ in range(3):
        ledger.post(store, [ledger.deposit("t", uuid4(), ANN, 1)])
    ledger.open_day(database, DUE)
    ledger.post(store, [ledger.deposit("t", uuid4(), ANN, 1)])

    first = statement(store, ANN, until=TODAY, limit=3)
    last = statement(store, ANN, until=TODAY, limit=3, after=first.next_after or 0)

    assert ([line.sequence for line in first.lines], first.next_after) == ([1, 2, 3], 3)
    assert ([line.sequence for line in last.lines], last.next_after) == ([4], None)


@pytest.mark.parametrize("until", [DUE, date(2026, 12, 31)])
def test_c_5_a_statement_until_today_or_later_settles_first(
    database: Database, store: ledger.PostgresStore, until: date
) -> None:
    """The current date is not closed: what is due on it stands in the statement."""
    add_credits(database, ANN, 2)
    ledger.open_day(database, DUE)

    found = statement(store, ANN, until=until)

    assert (found.sequence, found.balance_yen, len(found.lines)) == (3, 1002, 3)


def test_a_date_opened_meanwhile_closes_the_one_asked_for(
    database: Database, store: ledger.PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The business date is read again under its lock: no entry of a later date slips into the statement."""
    add_credits(database, ANN, 2)
    ledger.open_day(database, DUE)
    monkeypatch.setattr(sys.modules["kanjo.ledger.statement"], "business_date", lambda _: TODAY)

    found = statement(store, ANN, until=TODAY)

    assert (found.sequence, found.balance_yen, len(found.lines)) == (1, 1000, 1)


def test_an_unknown_account_has_no_statement_of_closed_dates(store: ledger.PostgresStore) -> None:
    """The same refusal as for the current one."""
    with pytest.raises(Refused) as caught:
        statement(store, ledger.account_number(9, 1, 9), until=date(2026, 8, 21))

    assert caught.value.code == "account-unknown"


def test_o_8_more_than_one_commit_is_settled_first(database: Database, store: ledger.PostgresStore) -> None:
    """An account with more items than a commit may settle is shown when none is left."""
    add_credits(database, ANN, ledger.ITEMS_MAX * 2 + 1)
    ledger.open_day(database, DUE)

    found = statement(store, ANN, limit=1)

    assert found.sequence == ledger.ITEMS_MAX * 2 + 2


def test_o_9_a_stuck_item_is_named(database: Database, store: ledger.PostgresStore) -> None:
    """The account is not shown ahead of an item that holds it."""
    run = add_credits(database, ANN, 1)
    ledger.open_day(database, DUE)
    with store.unit() as unit:
        unit.mark_stuck(ledger.Item(ANN, run, 1, 1, 1), "broken")

    with pytest.raises(Refused) as caught:
        statement(store, ANN)

    assert caught.value.code == "item-stuck"


def failing_with_items(write: Callable[[ledger.PostgresUnit, Changes], None]) -> Callable[..., None]:
    """Writes as `write` does, but fails on every item."""

    def failing(unit: ledger.PostgresUnit, changes: Changes) -> None:
        if changes.results.run:
            raise ZeroDivisionError
        write(unit, changes)

    return failing


def test_o_9_a_poison_item_is_held_back(
    database: Database, store: ledger.PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An item on which the program fails ends as stuck, not as an error for ever."""
    add_credits(database, ANN, 1)
    ledger.open_day(database, DUE)
    for name in ("save", "finish"):
        monkeypatch.setattr(ledger.PostgresUnit, name, failing_with_items(getattr(ledger.PostgresUnit, name)))

    with pytest.raises(Refused) as caught:
        statement(store, ANN)

    assert caught.value.code == "item-stuck"


def test_an_unknown_account_has_no_statement(store: ledger.PostgresStore) -> None:
    """The refusal names the account."""
    with pytest.raises(Refused) as caught:
        statement(store, ledger.account_number(9, 1, 9))

    assert (caught.value.code, caught.value.details["account"]) == ("account-unknown", "009-1-0000009")


def test_no_name_stands_in_it(store: ledger.PostgresStore) -> None:
    """Statements are printed and logged; the holder's name stays in its table."""
    assert "ﾔﾏﾀﾞ" not in msgspec.json.encode(statement(store, ANN)).decode()
