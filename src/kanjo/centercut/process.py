"""Worker processes: `python -m kanjo.centercut` works on runs until they are done, or for ever.

Its standard input is a pipe held by whoever started it: when that one dies, the pipe closes and the worker ends after
the slice in hand, so an interrupted command leaves no process behind.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import msgspec
import psycopg

from kanjo import db
from kanjo.centercut.flow import Flow
from kanjo.centercut.work import Clock, work
from kanjo.db import PASSING
from kanjo.db.line import ServerSilent
from kanjo.errors import KanjoError
from kanjo.ledger import OutcomeUnknown, StoreAway, pulse, store_of

REAL_CLOCK = Clock(now=lambda: datetime.now(UTC), monotonic_s=time.monotonic, sleep=time.sleep)
COMMIT_ITEMS_MAX = 5_000
"""What a worker settles in a commit while no door serves anybody."""
BESIDE_ITEMS_MAX = 500
"""And beside doors: its accounts are locked for about a hundredth of a second, for which customers hardly wait."""
RECONNECT_S = 0.2
"""A worker whose database is away tries again after so long."""
STEADY_S = 2.0
"""A connection that lasted so long ended an outage; a standby lets in at once, and fails the first claim."""
AWAY_S_MAX = 3600.0
"""Until people have decided which site serves a worker waits, and so long it costs nobody anything."""
SILENT_S, SILENT_S_MAX = 30.0, 600.0
"""After so long without an answer the server is given up: each time twice as long, since it may have been busy. One
that was lost, in a move or a takeover, says nothing of that."""
NICENESS = 5
"""Beside a process that did not give way a worker gets a quarter of a core that both want."""
GROUP_TRIES, GROUP_TRY_S = 10, 0.11
PULSE_FRESH = timedelta(seconds=3)
"""A door that said nothing for so long serves nobody: the cut need not yield to it."""


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker process is told on its command line, as JSON. `runs` None: whatever is started, for ever."""

    runs: list[int] | None = None
    ceiling_items_per_s: float | None = None
    target_p99_ms: float | None = None
    items_max: int = COMMIT_ITEMS_MAX
    beside_items_max: int = BESIDE_ITEMS_MAX
    patience_s: float = 0.0
    """How long the database may be away: another server may be taking the place of the primary."""

    def flow(self) -> Flow:
        target_us = None if self.target_p99_ms is None else int(self.target_p99_ms * 1000)
        return Flow(
            ceiling_items_per_s=self.ceiling_items_per_s,
            target_p99_us=target_us,
            items_max=self.items_max,
            beside_items_max=self.beside_items_max,
        )


def start_worker(database: db.Database, orders: Orders, *, log: IO[str] | None = None) -> subprocess.Popen[bytes]:
    """Start one worker on the database; close its standard input to stop it after the slice in hand."""
    if not database.embedded:  # there is no other server for the embedded one
        orders = msgspec.structs.replace(orders, patience_s=AWAY_S_MAX)
    return subprocess.Popen(
        [sys.executable, "-m", "kanjo.centercut", msgspec.json.encode(orders).decode()],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=log if log is not None else None,
        env=os.environ | {"KANJO_DATABASE_URL": database.url},
        start_new_session=True,
    )


def slowest_door_us(connection: psycopg.Connection[Any]) -> int | None:
    """What `work` yields to: the slowest door's p99 in microseconds; None while none serves anybody."""
    return pulse.slowest(connection, REAL_CLOCK.now() - PULSE_FRESH)


def run_worker(orders: Orders, should_stop: Callable[[], bool], *, url: str | None = None) -> None:
    """Work in this process until the orders are done or it is told to stop; the database as `db.database` finds it.

    A commit in doubt needs no look: what it settled is settled, and the next claim finds the rest.
    """
    away_s: float | None = None
    silent_s = SILENT_S
    while not should_stop():
        connected_s: float | None = None
        try:
            with (
                db.database(url=url, migrate=False) as database,
                closing(store_of(database, silent_s=silent_s)) as store,
            ):
                connected_s = time.monotonic()
                work(
                    store,
                    runs=orders.runs,
                    flow=orders.flow(),
                    clock=REAL_CLOCK,
                    should_stop=should_stop,
                    slowest_p99_us=lambda: slowest_door_us(store.connection),
                )
                return
        except (OutcomeUnknown, StoreAway, psycopg.Error, KanjoError) as error:
            now_s = time.monotonic()
            if connected_s is not None:
                too_soon = isinstance(error.__cause__, ServerSilent) and now_s - connected_s < 10 * silent_s
                silent_s = min(2 * silent_s, SILENT_S_MAX) if too_soon else SILENT_S
            if away_s is None or (connected_s is not None and now_s - connected_s > STEADY_S):
                away_s = now_s
            if not passes(error) or now_s - away_s >= orders.patience_s:
                raise
        time.sleep(RECONNECT_S)


def passes(error: Exception) -> bool:
    """Whether the database is away, or its primary another one."""
    explained = db.explain(error) if isinstance(error, psycopg.Error) else error
    return isinstance(error, OutcomeUnknown | StoreAway) or getattr(explained, "code", None) in PASSING


def give_way() -> None:
    """Let whoever serves customers on this machine have its cores first; a process that gave way stays so.

    Linux shares cores among sessions before it shares them among a session's processes: one of our own gives way whole.
    """
    os.nice(max(0, NICENESS - os.nice(0)))
    if os.getsid(0) == os.getpid():
        for _ in range(GROUP_TRIES):  # the kernel takes one change in a tenth of a second, of all processes together
            try:
                Path("/proc/self/autogroup").write_text(str(NICENESS))
                return
            except BlockingIOError:
                time.sleep(GROUP_TRY_S)
            except OSError:  # a kernel that knows no such groups
                return


def stop_with_parent(stop: threading.Event) -> None:
    """Set `stop` when standard input closes: its other end is held by whoever started this process."""

    def watch() -> None:
        while os.read(0, 1):  # not sys.stdin, whose lock would be held when the interpreter ends
            pass
        stop.set()

    threading.Thread(target=watch, daemon=True).start()


def main(arguments: Sequence[str]) -> int:
    """A worker process: orders as JSON, stops when its standard input closes or on SIGTERM."""
    orders = msgspec.json.decode(arguments[0], type=Orders)
    give_way()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who started it says when to stop
    stop_with_parent(stop)
    run_worker(orders, stop.is_set)
    return 0
