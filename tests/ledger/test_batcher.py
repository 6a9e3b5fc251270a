"""Natural batching at the doors: design 4, C-2, O-9. What is long due there: test_long_accounts.py."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from kanjo import ledger
from kanjo.db import Database
from kanjo.errors import SystemFailed
from kanjo.ledger import pulse
from kanjo.ledger.batcher import Batcher, Overloaded
from kanjo.ledger.pulse import Pulse

TODAY = date(2026, 8, 24)
DEADLINE_S = 30


def number(place: int) -> int:
    return ledger.account_number(1, 1, place)


def deposit(place: int, amount_yen: int = 1, key: UUID | None = None) -> ledger.Post:
    return ledger.deposit("t", key or uuid4(), number(place), amount_yen)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until it holds, or fail at the deadline."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.001)


class GatedStore(ledger.MemoryStore):
    """Ten accounts in memory; no unit begins before the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.tables.business_date[""] = TODAY
        self.gate = threading.Event()
        self.at_gate = 0
        for place in range(10):
            self.tables.accounts[number(place)] = ledger.Account(number(place), 0, 0, 0, 0, 1, 1)

    @contextmanager
    def unit(self) -> Iterator[ledger.MemoryUnit]:
        self.at_gate += 1
        assert self.gate.wait(DEADLINE_S)
        with super().unit() as unit:
            yield unit


@pytest.fixture
def bank(database: Database) -> Database:
    """A hundred accounts of 1,000 yen on an open date."""
    with database.connect(autocommit=True) as connection:
        rows = (f"{ledger.show_account(number(place))},ordinary,1000,0,open,\n" for place in range(100))
        header = "account,product,balance,floor,status,name_kana\n"
        ledger.import_accounts(ledger.PostgresStore(connection), [header, *rows], name="a.csv")
    ledger.open_day(database, TODAY)
    return database


def opener(database: Database) -> Callable[[], ledger.PostgresStore]:
    return lambda: ledger.PostgresStore(database.connect(autocommit=True))


def results(futures: Sequence[Future[ledger.Answer]]) -> list[ledger.Answer]:
    return [future.result(DEADLINE_S) for future in futures]


def test_many_callers_are_answered_with_what_was_committed(bank: Database) -> None:
    """Every caller gets the outcome of its own key, and the money of all of them is there."""
    keys = [uuid4() for _ in range(640)]
    with Batcher(opener(bank)) as batcher, ThreadPoolExecutor(32) as callers:
        found = list(callers.map(lambda key: batcher.post(deposit(key.int % 10, 3, key)), keys))
        balances = [batcher.post(ledger.Enquiry(number(place))) for place in range(10)]

    outcomes = [outcome for outcome in found if isinstance(outcome, ledger.Outcome) and outcome.accepted]
    assert [outcome.key for outcome in outcomes] == keys
    assert sum(snapshot.balance_yen for snapshot in balances if isinstance(snapshot, ledger.Snapshot)) == 11_920


def test_what_arrives_during_a_commit_is_taken_by_the_next() -> None:
    """The first goes alone at once, without a timer; the others share the commit behind it."""
    store = GatedStore()
    sizes: list[int] = []
    with Batcher(lambda: store, threads=1, on_batch=lambda count, _: sizes.append(count)) as batcher:
        first = batcher.submit(deposit(0))
        wait_for(lambda: store.at_gate == 1)
        others = [batcher.submit(deposit(place)) for place in range(9)]
        store.gate.set()
        results([first, *others])

    assert sizes == [1, 9]


def test_a_batch_has_a_bound() -> None:
    """No commit decides more than `batch_max`."""
    store = GatedStore()
    sizes: list[int] = []
    with Batcher(lambda: store, threads=1, batch_max=4, on_batch=lambda count, _: sizes.append(count)) as batcher:
        first = batcher.submit(deposit(0))
        wait_for(lambda: store.at_gate == 1)
        others = [batcher.submit(deposit(place)) for place in range(10)]
        store.gate.set()
        results([first, *others])

    assert sizes == [1, 4, 4, 2]


def test_c_2_overload_is_told_at_once_and_stored_nowhere() -> None:
    """A full queue refuses; the same key is decided when there is room again."""
    store = GatedStore()
    refused = deposit(0)
    with Batcher(lambda: store, threads=1, waiting_max=3) as batcher:
        taken = [batcher.submit(deposit(0))]
        wait_for(lambda: store.at_gate == 1)
        taken += [batcher.submit(deposit(0)) for _ in range(3)]
        with pytest.raises(Overloaded):
            batcher.submit(refused)
        with pytest.raises(Overloaded):
            batcher.post(refused)
        store.gate.set()
        results(taken)
        again = batcher.post(refused)

    assert isinstance(again, ledger.Outcome)
    assert again.accepted and not again.replayed


@pytest.mark.parametrize("threads", [1, 2])
def test_c_2_a_duplicate_under_way_gets_the_first_outcome(bank: Database, threads: int) -> None:
    """The same key many times at once is decided once."""
    asked = deposit(0, 5)
    with Batcher(opener(bank), threads=threads, batch_max=4) as batcher:
        found = results([batcher.submit(asked) for _ in range(20)])
        balance = batcher.post(ledger.Enquiry(number(0)))

    outcomes = [outcome for outcome in found if isinstance(outcome, ledger.Outcome)]
    assert len({outcome.touched for outcome in outcomes}) == 1
    assert sorted(outcome.replayed for outcome in outcomes) == [False] + [True] * 19
    assert isinstance(balance, ledger.Snapshot)
    assert balance.balance_yen == 1005


def test_closing_answers_all_that_waits() -> None:
    """Nothing that was taken is dropped; nothing more is taken."""
    store = GatedStore()
    batcher = Batcher(lambda: store, threads=2, batch_max=16)
    futures = [batcher.submit(deposit(place % 10)) for place in range(200)]
    store.gate.set()
    batcher.close()

    assert all(future.done() and isinstance(future.result(), ledger.Outcome) for future in futures)
    with pytest.raises(ledger.StoreFailed):
        batcher.submit(deposit(0))


def test_a_cancelled_caller_costs_no_posting() -> None:
    """Who gave up before the turn came is not posted for."""
    store = GatedStore()
    with Batcher(lambda: store, threads=1) as batcher:
        first = batcher.submit(deposit(0))
        wait_for(lambda: store.at_gate == 1)
        given_up, kept = batcher.submit(deposit(0)), batcher.submit(deposit(0))
        assert given_up.cancel()
        store.gate.set()
        results([first, kept])

    assert store.tables.accounts[number(0)].balance_yen == 2


def test_a_lost_connection_is_told_and_replaced(bank: Database) -> None:
    """Those whose outcome is unknown are told so; the next batch has a new connection, and the key its one outcome."""
    opened: list[ledger.PostgresStore] = []

    def open_store() -> ledger.PostgresStore:
        opened.append(opener(bank)())
        return opened[-1]

    asked = deposit(0, 5)
    with Batcher(open_store, threads=1, patience_s=0) as batcher:
        batcher.post(deposit(1))
        with bank.connect(role="owner", autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (opened[0].connection.info.backend_pid,))
        with pytest.raises(ledger.OutcomeUnknown):
            batcher.post(asked)
        found = batcher.post(asked)

    assert isinstance(found, ledger.Outcome)
    assert found.accepted
    assert len(opened) == 2
    assert all(store.connection.closed for store in opened)


def test_an_unreachable_database_fails_callers_and_not_the_threads() -> None:
    """While no connection can be had, every batch is told at once; the first that can be had serves again."""
    store = GatedStore()
    store.gate.set()
    tries = iter([SystemFailed("database-unreachable", "down")] * 2)

    def open_store() -> ledger.MemoryStore:
        for error in tries:
            raise error
        return store

    with Batcher(open_store, threads=1, patience_s=0) as batcher:
        for _ in range(2):
            with pytest.raises(ledger.StoreFailed, match="down"):
                batcher.post(deposit(0))
        assert isinstance(batcher.post(deposit(0)), ledger.Outcome)


def test_an_observer_that_fails_harms_nobody() -> None:
    """Watching is no part of posting."""
    store = GatedStore()
    store.gate.set()

    def observe(count: int, seconds: float) -> None:
        raise ZeroDivisionError

    with Batcher(lambda: store, threads=1, on_batch=observe) as batcher:
        assert isinstance(batcher.post(deposit(0)), ledger.Outcome)
        assert isinstance(batcher.post(deposit(0)), ledger.Outcome)


def test_a_door_with_a_pulse_tells_once_a_second_how_long_its_callers_wait(bank: Database) -> None:
    """An adaptive cut hears of it without anybody's help; within the second nothing is told."""
    noon = datetime(2026, 8, 24, 12, tzinfo=UTC)
    clock = [noon]
    with (
        Batcher(opener(bank), threads=1, pulse=Pulse("counter", lambda: clock[0])) as batcher,
        bank.connect(autocommit=True) as watch,
    ):
        batcher.post(deposit(1))
        batcher.post(deposit(2))
        assert pulse.slowest(watch, noon) is None

        clock[0] = noon + timedelta(seconds=1)
        batcher.post(deposit(3))
        wait_for(lambda: pulse.slowest(watch, noon) is not None)

        row = watch.execute("SELECT door, at, transactions, p99_us > 0 FROM ledger.pulse").fetchall()
        assert row == [("counter", clock[0], 3, True)]
