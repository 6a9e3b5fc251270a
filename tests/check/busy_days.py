"""Three busy days on PostgreSQL, recorded by their callers, with workers, dates and lost connections."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from banking_days import ANN, BOB, CAM, DAN, EMPLOYER, EVE, MONDAY, NOW, TUESDAY, WEDNESDAY, Bank, key, number

from kanjo import centercut, ledger
from kanjo.check import Recorder
from kanjo.db import Database
from kanjo.ledger import Asked, Batcher, Enquiry, OutcomeUnknown, StoreFailed

CLIENT = "busy"
CALLERS = 12
CALLS_MIN = 150
"""Each caller goes on until the days are over, but asks at least so often."""
HOT = [ANN, BOB, CAM, DAN, EVE]
OTHERS = [number(index) for index in range(100, 180)]


def asked_by(caller: int, turn: int) -> Asked:
    """What it asks: mostly of hot accounts, some keys shared with the other callers."""
    chance = random.Random(caller * 1_000_003 + turn)
    one, other = chance.sample(HOT, 2)
    if chance.random() < 0.3:
        one = chance.choice(OTHERS)
    named = key(f"{caller}/{turn}")
    match turn % 10:
        case 0 | 1 | 2:
            return Enquiry(one)
        case 3:
            return ledger.withdrawal(CLIENT, named, one, chance.randint(1, 900))
        case 4:
            return ledger.deposit(CLIENT, key(f"shared/{turn}"), HOT[turn % 5], turn + 1)
        case 5:
            return ledger.PlaceHold(client=CLIENT, key=named, account=one, amount_yen=5)
        case 6:
            return ledger.CaptureHold(client=CLIENT, key=named, hold=key(f"{caller}/{turn - 1}"))
        case 7:
            return ledger.Reverse(client=CLIENT, key=named, original=key(f"{caller}/{turn - 4}"))
        case 8 if chance.random() < 0.2:
            return ledger.deposit(CLIENT, key(f"{caller}/{turn - 5}"), one, 3)  # the key of another content
    return ledger.transfer(CLIENT, named, one, other, chance.randint(1, 300))


def live(database: Database, folder: Path) -> Path:
    """Live through them; returns the history."""
    bank = Bank(database, folder)
    bank.imported([(EMPLOYER, 9_000_000), *((account, 2_000) for account in HOT), *((one, 500) for one in OTHERS)])
    ledger.open_day(database, MONDAY)
    pay = [(account, 50) for account in (*HOT, *OTHERS)]
    bills = [(account, 30) for account in (*HOT, *OTHERS, *HOT, number(999))]
    runs = {day: [bank.load("wages", day, pay), bank.load("collections", day, bills)] for day in (TUESDAY, WEDNESDAY)}
    path = folder / "history.jsonl"
    over = threading.Event()
    answered: list[int] = []
    with (
        Batcher(lambda: ledger.PostgresStore(database.connect(autocommit=True)), patience_s=0) as batcher,
        Recorder(batcher.post, path, complete=[CLIENT]) as recorder,
        ThreadPoolExecutor(CALLERS + 2) as threads,
    ):
        try:
            callers = [threads.submit(_call, recorder, caller, over, answered) for caller in range(CALLERS)]
            for day in (TUESDAY, WEDNESDAY):
                enough = len(answered) + 500
                _wait(lambda enough=enough: len(answered) > enough)
                _lose_connections(database)
                ledger.open_day(database, day)
                _wait_for_before(runs[day], bank)
                _work(threads, database, runs[day])
        finally:
            over.set()
        for caller in callers:
            caller.result(60)
    bank.connection.close()
    return path


def _call(recorder: Recorder, caller: int, over: threading.Event, answered: list[int]) -> None:
    for turn in itertools.count():
        if over.is_set() and turn >= CALLS_MIN:
            return
        asked = asked_by(caller, turn)
        while True:
            try:
                recorder.post(asked, caller=f"caller-{caller}")
                break
            except (OutcomeUnknown, StoreFailed):
                continue  # the key is repeated until there is an answer
        answered.append(turn)


def _wait(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, "the callers do not get on"
        time.sleep(0.01)


def _wait_for_before(runs: list[int], bank: Bank) -> None:
    """Until customers have settled some of it by Before."""
    counted = "SELECT count(*) FROM ledger.outcome WHERE run = ANY (%s)"
    _wait(lambda: bank.connection.execute(counted, (runs,)).fetchone() != (0,))


def _work(threads: ThreadPoolExecutor, database: Database, runs: list[int]) -> None:
    """Two workers settle the runs in small steps."""
    with database.connect(autocommit=True) as connection:
        centercut.start(ledger.PostgresStore(connection), runs)

    def settle() -> None:
        with database.connect(autocommit=True) as own:
            store = ledger.PostgresStore(own)
            while centercut.step(store, runs, NOW, items_max=7) is not None:
                pass

    for worker in [threads.submit(settle) for _ in range(2)]:
        worker.result(60)


def _lose_connections(database: Database) -> None:
    """Whatever the doors have in hand: committed or not, its callers cannot know."""
    with database.connect(role="owner", autocommit=True) as owner, suppress(Exception):
        owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%%ledger.%%'"
            " AND state <> 'idle' AND backend_type = 'client backend'"
        )
