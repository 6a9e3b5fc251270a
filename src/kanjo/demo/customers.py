"""The customers: a process of many callers who draw, bring, move and ask for money, and note how long they waited.

It prints a line of JSON for each fifth of a second and ends when its standard input closes: whoever started it need not
be alive to stop it.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec

from kanjo import check, db
from kanjo.centercut import stop_with_parent
from kanjo.demo.town import Town
from kanjo.ledger import (
    Asked,
    Batcher,
    Enquiry,
    NotDecided,
    Outcome,
    Snapshot,
    deposit,
    new_key,
    pulse,
    store_of,
    transfer,
    withdrawal,
)

CLIENT = "demo"
LINE_S = 0.2
DOOR = "the demo's customers"


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """How many callers there are, how many transactions they try in a second together, and who they are.

    `history` is the file in which they write down what they asked and were told, for law 4.
    """

    town: Town
    history: str
    callers: int = 24
    per_s: float = 500.0


class Waits(msgspec.Struct, frozen=True, kw_only=True):
    """What the callers saw since the line before: the time (s since the epoch) and each answer's wait."""

    at_s: float
    waits_us: list[int]
    refused: int
    failed: int = 0


class Customers:
    """The process, as the one who started it sees it: its lines gathered by a thread."""

    def __init__(self, database: db.Database, crowd: Crowd) -> None:
        self.lines: list[Waits] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kanjo.demo", msgspec.json.encode(crowd).decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"KANJO_DATABASE_URL": database.url},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(msgspec.json.decode(line, type=Waits))

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """Let each caller have the answer it waits for, then end; at once if it will not."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(timeout=5)


class _Notes:
    """What the callers have seen and not yet told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waits_us: list[int] = []
        self._refused = self._failed = 0

    def add(self, wait_us: int, refused: bool, failed: bool) -> None:
        with self._lock:
            self._waits_us.append(wait_us)
            self._refused += refused
            self._failed += failed

    def take(self, at_s: float) -> Waits:
        with self._lock:
            waits = Waits(at_s=at_s, waits_us=self._waits_us, refused=self._refused, failed=self._failed)
            self._waits_us, self._refused, self._failed = [], 0, 0
            return waits


def requests(draw: random.Random, numbers: Sequence[int]) -> Iterator[Asked]:
    """One customer after another: half draw money, the others bring it, move it or ask; one in 100 asks twice."""
    last: Asked | None = None
    while True:
        account = draw.choice(numbers)
        chance = draw.random()
        amount_yen = draw.randrange(1, 20) * 1000
        key = new_key(datetime.now(UTC))
        if last is not None and chance < 0.01:
            yield last  # the answer got lost on the way, the machine repeats the key
            continue
        last = _request(chance, key, account, draw.choice(numbers), amount_yen)
        yield last


def _request(chance: float, key: UUID, account: int, other: int, amount_yen: int) -> Asked:
    if chance < 0.5:
        return withdrawal(CLIENT, key, account, amount_yen)
    if chance < 0.7:
        return deposit(CLIENT, key, account, amount_yen)
    if chance < 0.85 and other != account:
        return transfer(CLIENT, key, account, other, amount_yen)
    return Enquiry(account)


def _call(
    recorder: check.Recorder, crowd: Crowd, numbers: Sequence[int], caller: int, notes: _Notes, stop: threading.Event
) -> None:
    draw = random.Random(caller)  # noqa: S311 - customers, not keys
    think_s = crowd.callers / crowd.per_s
    for asked in requests(draw, numbers):
        if stop.wait(draw.expovariate(1 / think_s)):
            return
        began_s = time.perf_counter()
        answer = recorder.post(asked)
        wait_us = int((time.perf_counter() - began_s) * 1_000_000)
        refused = isinstance(answer, Outcome | Snapshot) and bool(answer.reason)
        notes.add(wait_us, refused, isinstance(answer, NotDecided))


def main(arguments: Sequence[str]) -> int:
    """The process: a crowd as JSON; stops when its standard input closes or on SIGTERM."""
    crowd = msgspec.json.decode(arguments[0], type=Crowd)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop_with_parent(stop)
    notes = _Notes()
    numbers = crowd.town.numbers().tolist()
    with (
        db.database(migrate=False) as database,
        Batcher(lambda: store_of(database), pulse=_pulse()) as batcher,
        check.Recorder(batcher.post, Path(crowd.history), complete=[CLIENT]) as recorder,
    ):
        callers = [
            threading.Thread(
                target=_call, name=f"caller-{caller}", args=(recorder, crowd, numbers, caller, notes, stop), daemon=True
            )
            for caller in range(crowd.callers)
        ]
        for thread in callers:
            thread.start()
        while not stop.wait(LINE_S):
            _tell(notes)
        for thread in callers:
            thread.join()
        _tell(notes)
    return 0


def _pulse() -> pulse.Pulse:
    return pulse.Pulse(DOOR, lambda: datetime.now(UTC))


def _tell(notes: _Notes) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(notes.take(time.time())) + b"\n")
    sys.stdout.buffer.flush()
