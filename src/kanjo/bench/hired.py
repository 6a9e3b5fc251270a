"""The inside of a bench's process: reads tasks, does them with the rooms' own faces, writes answers."""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import assert_never

import msgspec

from kanjo import centercut, db, ledger
from kanjo.bench.bank import CLIENT, Salaries
from kanjo.bench.crowd import Service
from kanjo.bench.task import Answer, Crowd, Done, Memory, MoveBare, ReadZengin, Rest, Settle, Task, Withdraw
from kanjo.centercut import REAL_CLOCK, Orders
from kanjo.db.queries import Queries
from kanjo.formats import zengin

SQL = Queries("kanjo.bench", "bare.sql")


class Hired:
    """Does one task at a time; what it opens for the first of a kind stays open for the next."""

    def __init__(self, stack: ExitStack, should_stop: threading.Event) -> None:
        self._stack = stack
        self._should_stop = should_stop
        self._database: db.Database | None = None
        self._store: ledger.PostgresStore | None = None
        self._service: Service | None = None
        self._is_worker = False

    def do(self, task: Task) -> Answer:
        """Do it."""
        match task:
            case Settle():
                return self._settle(task.run)
            case MoveBare():
                return self._move_bare(task)
            case Crowd():
                self._door().begin(task)
                return Done()
            case Rest():
                return self._door().rest()
            case Withdraw():
                return self._door().withdraw(task.account)
            case ReadZengin():
                return read_zengin(Path(task.file))
        assert_never(task)

    def _settle(self, run: int) -> Done:
        if not self._is_worker:
            self._is_worker = True
            centercut.give_way()
        steps: list[tuple[int, float]] = []
        began_s = time.monotonic()
        centercut.work(
            self._ledger(),
            runs=[run],
            flow=Orders().flow(),
            clock=REAL_CLOCK,
            should_stop=self._should_stop.is_set,
            slowest_p99_us=lambda: centercut.slowest_door_us(self._ledger().connection),
            on_step=lambda step: steps.append((step.settled, time.monotonic() - began_s)),
            find=lambda _: Salaries(),
        )
        return Done(sum(settled for settled, _ in steps), max((at_s for _, at_s in steps), default=0.0))

    def _move_bare(self, task: MoveBare) -> Done:
        connection = self._ledger().connection
        count = 0
        for first, last in task.ranges:
            parameters = {
                "first": first,
                "last": last,
                "date": task.on,
                "kind": int(ledger.Kind.ITEM_CREDIT),
                "contra": int(ledger.Code.RUN_SUSPENSE),
            }
            count += connection.execute(SQL["move_bare"], parameters, prepare=True).rowcount
        return Done(count)

    def _opened(self) -> db.Database:
        if self._database is None:
            self._database = self._stack.enter_context(db.database(migrate=False))
        return self._database

    def _ledger(self) -> ledger.PostgresStore:
        if self._store is None:
            connection = self._stack.enter_context(self._opened().connect(autocommit=True))
            self._store = ledger.PostgresStore(connection)
        return self._store

    def _door(self) -> Service:
        if self._service is None:
            database = self._opened()
            batcher = ledger.Batcher(
                lambda: ledger.store_of(database),
                pulse=ledger.pulse.Pulse(f"bench {os.getpid()}", REAL_CLOCK.now),
            )
            self._service = Service(self._stack.enter_context(batcher), CLIENT)
            self._stack.callback(self._service.rest)
        return self._service


def read_zengin(file: Path) -> Memory:
    """Read the file as a load does, and look at this process's memory as the kernel sees it."""
    idle_bytes = _resident("VmRSS")
    with file.open("rb") as stream:
        for event in zengin.Reader(stream):
            del event
    return Memory(idle_bytes, _resident("VmHWM"))


def _resident(name: str) -> int:
    """A line of /proc/self/status, which counts in KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


def main() -> int:
    """Work until the input ends: whoever gave the tasks is gone then, or wants no more."""
    should_stop = threading.Event()
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def listen() -> None:
        with open(0, "rb", closefd=False) as asked:
            for line in asked:
                lines.put(line)
        should_stop.set()
        lines.put(b"")

    threading.Thread(target=listen, daemon=True).start()
    with ExitStack() as stack:
        hired = Hired(stack, should_stop)
        while line := lines.get():
            answer = hired.do(msgspec.json.decode(line, type=Task))
            sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
            sys.stdout.buffer.flush()
    return 0
