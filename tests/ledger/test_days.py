"""The business date and its switch while postings go on; entries that nobody rewrites (rules D-1, D-2, C-6, O-10)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import date

import psycopg
import pytest

from banks import CLIENT, CREDIT, MONDAY, TUESDAY, WEDNESDAY, PostgresBank, answer, key, number, prove
from kanjo import ledger
from kanjo.errors import KanjoError, Refused, SystemFailed
from kanjo.ledger import Outcome, day, deposit

A, B = number(1), number(2)
DEADLINE_S = 20


def test_d_1_the_date_goes_only_forward(postgres: PostgresBank) -> None:
    """The open date again, an earlier one and one beyond the calendar are refused; nothing changes."""
    assert ledger.open_day(postgres.database, WEDNESDAY) == MONDAY
    for opened in (MONDAY, TUESDAY, WEDNESDAY):
        with pytest.raises(Refused) as refused:
            ledger.open_day(postgres.database, opened)
        assert refused.value.code == "date-already-open"
    with pytest.raises(KanjoError) as beyond:
        ledger.open_day(postgres.database, date(2190, 1, 4))
    assert beyond.value.code == "beyond-calendar"
    assert ledger.business_date(postgres.connection) == WEDNESDAY


def test_c_6_the_first_date_bears_the_opening_entries(postgres: PostgresBank) -> None:
    """Imported before the first date: each balance is entry 1 against opening, of that date; zero has none."""
    postgres.open(None)  # type: ignore[arg-type]
    postgres.accounts([(A, 500), (B, 0), (number(3), 7)])
    assert ledger.open_day(postgres.database, TUESDAY) is None
    found = [(entry.account, entry.amount_yen, entry.contra, entry.date) for entry in postgres.entries()]
    assert found == [(A, 500, ledger.Code.OPENING, TUESDAY), (number(3), 7, ledger.Code.OPENING, TUESDAY)]
    prove(postgres)


def test_o_4_items_are_due_the_moment_their_date_opens(postgres: PostgresBank) -> None:
    """The posting before the switch does not see them, the one after it settles them first."""
    postgres.account(A)
    postgres.items(postgres.run(TUESDAY), [(A, CREDIT, 10)])
    assert answer(postgres, deposit(CLIENT, key(1), A, 1)).business_date == MONDAY
    ledger.open_day(postgres.database, TUESDAY)
    after = answer(postgres, deposit(CLIENT, key(2), A, 1))
    assert (after.business_date, after.touched) == (TUESDAY, (ledger.Touch(A, 2, 11),))


def test_o_10_the_date_is_switched_behind_a_slow_posting_while_doors_go_on(postgres: PostgresBank) -> None:
    """What began on Monday ends on Monday; other accounts are served all the while, none held up for long."""
    postgres.account(A)
    postgres.account(B)
    opener = threading.Thread(target=ledger.open_day, args=(postgres.database, TUESDAY))
    waits_s: list[float] = []
    with postgres.database.connect(autocommit=True) as other:
        doors = ledger.PostgresStore(other)
        with postgres.store.unit() as slow:
            [kept] = ledger.post_in(slow, [deposit(CLIENT, key("slow"), A, 1)])
            opener.start()
            deadline = time.monotonic() + DEADLINE_S
            tries = 0
            while tries < 3 and time.monotonic() < deadline:  # the switch has tried and given way at least so often
                began = time.monotonic()
                [found] = ledger.post(doors, [deposit(CLIENT, key(len(waits_s)), B, 1)])
                assert isinstance(found, Outcome) and found.accepted and found.business_date == MONDAY
                waits_s.append(time.monotonic() - began)
                tries += waits_s[-1] > day.DAY_LOCK_WAIT_MS / 2_000
            assert opener.is_alive()
        opener.join(DEADLINE_S)
        assert not opener.is_alive()
        [after] = ledger.post(doors, [deposit(CLIENT, key("after"), A, 1)])
    assert isinstance(kept, Outcome) and kept.business_date == MONDAY
    assert isinstance(after, Outcome) and after.business_date == TUESDAY
    assert max(waits_s) < 1 and len(waits_s) > tries
    assert [entry.date for entry in postgres.entries(A)] == [MONDAY, TUESDAY]


def test_a_switch_that_never_gets_its_turn_says_so(postgres: PostgresBank, monkeypatch: pytest.MonkeyPatch) -> None:
    """The date is unchanged, and the operator is told."""
    monkeypatch.setattr(day, "TRIES_MAX", 2)
    with postgres.store.unit() as slow:
        slow.day()
        with pytest.raises(SystemFailed) as failed:
            ledger.open_day(postgres.database, TUESDAY)
    assert failed.value.code == "day-lock-busy"
    assert ledger.business_date(postgres.connection) == MONDAY


def test_two_switches_at_once_open_the_date_once(postgres: PostgresBank) -> None:
    """The second finds the date open already."""
    found: list[object] = []

    def switch() -> None:
        try:
            found.append(ledger.open_day(postgres.database, TUESDAY))
        except Refused as refused:
            found.append(refused.code)

    threads = [threading.Thread(target=switch) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert sorted(map(str, found)) == [str(MONDAY), "date-already-open", "date-already-open"]


@pytest.fixture
def with_entry(postgres: PostgresBank) -> Iterator[PostgresBank]:
    """A bank in which an entry, a result and an outcome stand."""
    postgres.account(A)
    postgres.items(postgres.run(MONDAY), [(A, CREDIT, 10)])
    answer(postgres, deposit(CLIENT, key(1), A, 1))
    before = postgres.entries()
    yield postgres
    assert postgres.entries() == before and len(before) == 2


@pytest.mark.parametrize("table", ["entry", "entry_202608"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET amount = amount + 1", "DELETE FROM {}", "TRUNCATE {}"])
def test_d_2_entries_are_final_even_for_the_owner(with_entry: PostgresBank, statement: str, table: str) -> None:
    """Triggers refuse it on the whole table and on the partition itself."""
    with pytest.raises(psycopg.Error, match="rule D-2") as refused:
        with_entry.owner.execute(statement.format(f"ledger.{table}"))
    assert refused.value.sqlstate == "KJ001"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger.entry SET amount = 1",
        "DELETE FROM ledger.entry",
        "TRUNCATE ledger.entry",
        "UPDATE ledger.entry_202608 SET amount = 1",
        "DELETE FROM ledger.entry_202608",
        "TRUNCATE ledger.entry_202608",
        "UPDATE ledger.internal_entry SET amount = 1",
        "DELETE FROM ledger.internal_entry",
        "UPDATE ledger.result SET reason = 0",
        "DELETE FROM ledger.result",
        "UPDATE ledger.request SET reason = 0",
        "DELETE FROM ledger.request",
        "UPDATE ledger.item SET amount = 1",
        "DELETE FROM ledger.item",
        "UPDATE ledger.run SET priority = 1",
        "UPDATE ledger.run SET date = date",
        "DELETE FROM ledger.run",
        "DELETE FROM ledger.account",
        "DELETE FROM ledger.hold",
        "SELECT ledger.ensure_partition('entry', '2029-01-01')",
        "ALTER TABLE ledger.entry DETACH PARTITION ledger.entry_202608",
        "ALTER TABLE ledger.entry DISABLE TRIGGER ALL",
        "DROP TABLE ledger.entry_202608",
        "CREATE TABLE ledger.mine (a int)",
        "SET session_replication_role = replica",
    ],
)
def test_d_2_the_service_role_can_neither_rewrite_nor_remove(with_entry: PostgresBank, statement: str) -> None:
    """Doors and workers lack the right; nor do they make or change partitions."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        with_entry.connection.execute(statement)
