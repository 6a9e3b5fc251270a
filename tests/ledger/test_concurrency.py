"""Real processes on the same hot accounts: nobody is told of a deadlock, and the laws hold afterwards."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from typing import Any

import msgspec
import psycopg
import pytest

from banks import CLIENT, CREDIT, DEBIT, MONDAY, TUESDAY, PostgresBank, key, number, prove
from kanjo import db, ledger
from kanjo.ledger import Asked, NotDecided, Outcome, Phase, Snapshot

HOT = [number(index) for index in range(1, 9)]
ACCOUNTS = [number(index) for index in range(1, 801)]
SECONDS = 2.0
START = 4_711
"""The advisory lock behind which all processes wait until the last of them is there."""


def _wait_for_start(connection: psycopg.Connection[Any]) -> float:
    """Wait for the others; returns when to stop."""
    connection.execute("SELECT pg_advisory_lock_shared(%s)", (START,))
    connection.execute("SELECT pg_advisory_unlock_shared(%s)", (START,))
    return time.time() + SECONDS


def _start(owner: psycopg.Connection[Any], processes: int) -> None:
    """Let them go once they are all there."""
    waiting = """SELECT count(*) FROM pg_locks
        JOIN pg_database ON pg_database.oid = pg_locks.database AND datname = current_database()
        WHERE locktype = 'advisory' AND objid = %s AND NOT granted"""
    deadline = time.monotonic() + 60
    try:
        while owner.execute(waiting, (START,)).fetchone() != (processes,):
            assert time.monotonic() < deadline, "the processes did not start"
            time.sleep(0.02)
    finally:  # else whoever is there would wait for ever
        owner.execute("SELECT pg_advisory_unlock(%s)", (START,))


def _asked(index: int) -> Asked:
    """The instruction of that number: the same in every process, so that each key is asked by several."""
    chance = random.Random(index)
    one, other = chance.sample(HOT, 2)
    named = key(index)
    kind = index % 8
    if kind == 0:
        return ledger.Enquiry(one)
    if kind == 1:
        return ledger.PlaceHold(client=CLIENT, key=named, account=one, amount_yen=chance.randint(1, 50))
    if kind == 2:
        return ledger.CaptureHold(client=CLIENT, key=named, hold=key(index - 1))
    if kind == 3:
        return ledger.Reverse(client=CLIENT, key=named, original=key(index - 4))
    if kind == 4:
        return ledger.withdrawal(CLIENT, named, one, chance.randint(1, 300))
    if kind == 5:
        return ledger.deposit(CLIENT, named, chance.choice(ACCOUNTS), chance.randint(1, 300))
    return ledger.transfer(CLIENT, named, one, other, chance.randint(1, 300))


def _online(database: db.Database, seed: int, size: int) -> dict[int, Outcome]:
    """A door: batches of `size` in an order of its own, over the same numbers as every other door."""
    chance = random.Random(seed)
    answers: dict[int, Outcome] = {}
    index = 0
    with database.connect(autocommit=True) as connection:
        store = ledger.PostgresStore(connection)
        until = _wait_for_start(connection)
        while time.time() < until:
            numbers = list(range(index, index + size))
            chance.shuffle(numbers)
            for place, found in zip(numbers, ledger.post(store, [_asked(one) for one in numbers]), strict=True):
                assert not isinstance(found, NotDecided), found
                if isinstance(found, Outcome):
                    answers[place] = msgspec.structs.replace(found, replayed=False)
                else:
                    assert isinstance(found, Snapshot) and found.available_yen >= 0
            index += size
    return answers


def _settle(database: db.Database, seed: int, also: list[int]) -> int:
    """A worker: slices of any size at random, small and large ones overlapping each other."""
    chance = random.Random(seed)
    settled = 0
    with database.connect(autocommit=True) as connection:
        store = ledger.PostgresStore(connection)
        until = _wait_for_start(connection)
        while time.time() < until:
            size = chance.choice([1, 5, 100, 600])
            first = chance.randrange(len(ACCOUNTS) - size)
            accounts = ACCOUNTS[first : first + size]
            settled += ledger.settle(store, accounts, also, items_max=chance.choice([3, 50, 5_000]))
    return settled


@pytest.mark.parametrize("size", [1, 20])
def test_doors_and_workers_on_the_same_hot_accounts(postgres: PostgresBank, size: int) -> None:
    """Laws 1 to 3 with three doors asking the same keys, three workers, and the date switched in their midst."""
    postgres.accounts((account, 1_000) for account in ACCOUNTS)
    chance = random.Random(7)
    runs: dict[int, tuple[date, Phase, int]] = {}
    for due in (MONDAY, TUESDAY):
        for phase, priority in ((Phase.PRE_BUSINESS, 60), (Phase.PRE_BUSINESS, 20), (Phase.EARLY, 10)):
            run = postgres.run(due, phase=phase, priority=priority)
            runs[run] = (due, phase, priority)
            accounts = [*ACCOUNTS, *(chance.choice(HOT) for _ in range(400))]
            postgres.items(run, [(one, chance.choice([CREDIT, DEBIT]), chance.randint(1, 500)) for one in accounts])
    early = [run for run, (_, phase, _) in runs.items() if phase == Phase.EARLY]
    with ProcessPoolExecutor(6, multiprocessing.get_context("spawn")) as processes:
        postgres.owner.execute("SELECT pg_advisory_lock(%s)", (START,))
        doors = [processes.submit(_online, postgres.database, seed, size) for seed in range(3)]
        workers = [processes.submit(_settle, postgres.database, seed, early) for seed in range(3)]
        _start(postgres.owner, 6)
        deadline = time.monotonic() + SECONDS
        while len(postgres.requests()) < 50 and time.monotonic() < deadline:
            time.sleep(0.02)
        ledger.open_day(postgres.database, TUESDAY)
        answers = [door.result(60) for door in doors]
        settled = [worker.result(60) for worker in workers]
    assert sum(settled) > 0 and all(answers)
    ledger.settle(postgres.store, ACCOUNTS, early)
    assert postgres.stuck() == set()
    for run in runs:
        assert len(postgres.results(run)) == len(ACCOUNTS) + 400
    _one_outcome_each(answers)
    prove(postgres)
    _conserved(postgres)
    _in_order(postgres, runs)


def _one_outcome_each(answers: list[dict[int, Outcome]]) -> None:
    """Law 2: every process that asked a key was told the same."""
    told: dict[int, Outcome] = {}
    for one in answers:
        for index, outcome in one.items():
            assert told.setdefault(index, outcome) == outcome


def _conserved(bank: PostgresBank) -> None:
    """Law 1: customers against customers cancel, and what is held is what open holds say."""
    between = sum(entry.amount_yen for entry in bank.entries() if ledger.is_account(entry.contra))
    assert between == 0
    rows = bank.owner.execute(
        """SELECT account.account FROM ledger.account LEFT JOIN ledger.hold
             ON hold.account = account.account AND hold.status = 1
        GROUP BY account.account, account.held HAVING account.held <> coalesce(sum(hold.amount), 0)"""
    )
    assert rows.fetchall() == []


def _in_order(bank: PostgresBank, runs: dict[int, tuple[date, Phase, int]]) -> None:
    """Law 3: on each account the pre-business entries of O-1's order, none of a date behind an online one of it."""
    last: dict[int, tuple[date, int, int, int]] = {}
    online: dict[int, date] = defaultdict(lambda: date.min)
    for entry in bank.entries():
        if entry.run and entry.item:
            due, phase, priority = runs[entry.run]
            if phase == Phase.PRE_BUSINESS:
                place = (due, priority, entry.run, entry.item)
                assert last.get(entry.account, (date.min, 0, 0, 0)) < place
                assert online[entry.account] < due
                last[entry.account] = place
        elif entry.client:
            online[entry.account] = entry.date
