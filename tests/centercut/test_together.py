"""Real processes together: workers and doors on the same hot accounts of one database, all of them finish."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from banks import CLIENT, MONDAY, TUESDAY, WEDNESDAY, PostgresBank, key, number, prove
from cuts import Cut, end_worker, installed_for_workers, postgres_cut, wait_until
from kanjo import centercut, check, db, ledger
from kanjo.centercut import Orders
from kanjo.ledger import Asked, NotDecided, Outcome, Phase

HOT = [number(index) for index in range(1, 7)]
COLD = [number(index) for index in range(100, 400)]
DOORS, WORKERS, BATCHES = 3, 3, 60


@pytest.fixture
def cut(server: db.Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cut]:
    """A bank in a database of its own; worker processes find the tests' businesses installed."""
    installed_for_workers(tmp_path, monkeypatch)
    with db.scratch(server, "together", template=server.name) as own:
        ledger.ensure_partitions(own, MONDAY)
        with postgres_cut(own) as found:
            yield found


def _wish(index: int) -> Asked:
    """The same instruction in every door for one index, so that each key is asked by all of them."""
    chance = random.Random(index)
    one, other = chance.sample(HOT, 2)
    match index % 6:
        case 0:
            return ledger.Enquiry(one)
        case 1:
            return ledger.PlaceHold(client=CLIENT, key=key(index), account=one, amount_yen=chance.randint(1, 30))
        case 2:
            return ledger.CaptureHold(client=CLIENT, key=key(index), hold=key(index - 1))
        case 3:
            return ledger.withdrawal(CLIENT, key(index), chance.choice([*HOT, *COLD]), chance.randint(1, 200))
        case 4:
            return ledger.Reverse(client=CLIENT, key=key(index), original=key(index - 1))
    return ledger.transfer(CLIENT, key(index), one, other, chance.randint(1, 200))


def _door(database: db.Database, seed: int) -> dict[int, tuple[str, object]]:
    """A process that posts batches in an order of its own; what it was told for each key. Any error is its end."""
    chance = random.Random(seed)
    told: dict[int, tuple[str, object]] = {}
    with database.connect(autocommit=True) as connection:
        store = ledger.PostgresStore(connection)
        for batch in range(BATCHES):
            numbers = list(range(batch * 12, batch * 12 + 12))
            chance.shuffle(numbers)
            for index, answer in zip(numbers, ledger.post(store, [_wish(one) for one in numbers]), strict=True):
                assert not isinstance(answer, NotDecided), answer
                if isinstance(answer, Outcome):
                    told[index] = (answer.reason.word, answer.entries)
    return told


def test_workers_and_doors_on_the_same_hot_accounts_all_finish(cut: Cut) -> None:
    """Three workers settle runs of all phases over two dates, three doors ask the same keys, the date switches in their
    midst, a run is cancelled: no deadlock or serialization error reaches anybody, every key has one outcome, every run
    is closed, and the laws hold in the rows.
    """
    bank = cut.bank
    assert isinstance(bank, PostgresBank)
    bank.accounts((account, 1_000) for account in [*HOT, *COLD])
    runs = _loaded(cut)
    cancelled = runs.pop()
    cut.open(TUESDAY)
    cut.start(*(run for run in runs if cut.status(run).row.due == TUESDAY))
    crew = [centercut.start_worker(bank.database, Orders(items_max=200)) for _ in range(WORKERS)]
    try:
        with ProcessPoolExecutor(DOORS, multiprocessing.get_context("spawn")) as processes:
            doors = [processes.submit(_door, bank.database, seed) for seed in range(DOORS)]
            wait_until(lambda: len(bank.requests()) > 30, "the doors serve")
            ledger.open_day(bank.database, WEDNESDAY)
            cut.start(*(run for run in runs if cut.status(run).row.due == WEDNESDAY))
            cut.cancel(cancelled)
            told = [door.result(120) for door in doors]
        wait_until(lambda: all(cut.status(run).row.finished for run in [*runs, cancelled]), "all runs are closed", 90)
        assert [worker.poll() for worker in crew] == [None] * WORKERS
    finally:
        assert [end_worker(worker) for worker in crew] == [0] * WORKERS

    for others in told[1:]:
        assert others == told[0]
    assert {cut.state(run) for run in runs} == {"completed"} and cut.state(cancelled) == "cancelled"
    prove(bank)
    _in_order(bank)
    with bank.database.connect(autocommit=True) as connection:
        proof = check.prove(connection)
    assert [violation for law in proof.laws for violation in law.violations] == []
    assert proof.pending_count == 0 and proof.stuck == ()


def _loaded(cut: Cut) -> list[int]:
    """Two dates, three phases, credits and debits; the hot accounts are in all of them, many times."""
    chance = random.Random(3)
    runs = []
    for due in (TUESDAY, WEDNESDAY):
        for phase in (Phase.PRE_BUSINESS, Phase.EARLY, Phase.PRE_BUSINESS):
            rows = [(chance.choice([*HOT, *COLD]), chance.randint(1, 90)) for _ in range(600)]
            rows += [(chance.choice(HOT), chance.randint(1, 90)) for _ in range(200)]
            runs.append(cut.wages(due, *rows, phase=phase, slice_items=60, priority=chance.choice([20, 40, 60])))
            runs.append(cut.bills(due, *rows, phase=phase, slice_items=60, priority=chance.choice([20, 40, 60])))
    return runs


def _in_order(bank: PostgresBank) -> None:
    """Law 3 by SQL alone: on no account does a pre-business entry stand behind one that O-1 puts after it, nor behind
    an online entry of its date or later.
    """
    wrong = bank.owner.execute(
        """WITH placed AS (
          SELECT entry.account, sequence, entry.date, entry.run, item, run.date AS due, run.priority, run.phase
          FROM ledger.entry LEFT JOIN ledger.run ON run.run = entry.run AND entry.item IS NOT NULL
        )
        SELECT count(*)
        FROM placed AS item JOIN placed AS before ON before.account = item.account AND before.sequence < item.sequence
        WHERE item.phase = 1 AND (
          before.phase = 1
            AND (before.due, before.priority, before.run, before.item) > (item.due, item.priority, item.run, item.item)
          OR before.phase IS NULL AND before.sequence > 1 AND before.date >= item.due
        )"""
    ).fetchall()
    assert wrong == [(0,)]
