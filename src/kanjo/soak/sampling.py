"""Samples, every few seconds while days go by, kept in a file: who looks for growth must not grow by looking."""

from __future__ import annotations

import os
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import psycopg

from kanjo import db
from kanjo.errors import KanjoError
from kanjo.soak import proc
from kanjo.soak.message import Seen
from kanjo.soak.plan import Step
from kanjo.soak.sizes import server_now, sizes
from kanjo.soak.soaked import Process, Sample
from kanjo.soak.trends import DRIVER, SERVER_ROLE

WAITS_KEPT_MAX = 1_000_000


class Tally:
    """What the callers saw over some time."""

    def __init__(self) -> None:
        self.began_s = time.monotonic()
        self.waits_us = array("Q")  # a number for each answer of a day: eight bytes, not an object
        self.refused = self.undecided = self.repeats = 0

    def add(self, seen: Sequence[Seen]) -> None:
        for line in seen:
            self.waits_us.extend(line.waits_us)
            self.refused += line.refused
            self.undecided += line.undecided
            self.repeats += line.repeats
        assert len(self.waits_us) < WAITS_KEPT_MAX

    def percentile_ms(self, percent: int) -> float | None:
        return round(float(np.percentile(self.waits_us, percent)) / 1000, 2) if self.waits_us else None


class Standing(NamedTuple):
    """How things stand: the run's clock, the day and its step, processes by role and pid, the server's pid, and what
    callers have seen since the last look.
    """

    at_s: float
    day: int
    step: Step
    processes: list[tuple[str, int]]
    server: int
    tally: Tally


class Sampler:
    """Looks every `every_s` in a thread of its own until it is stopped.

    `look` tells how things stand.
    """

    def __init__(
        self,
        database: db.Database,
        file: Path,
        every_s: float,
        look: Callable[[], Standing],
    ) -> None:
        self._database = database
        self._file = file
        self._every_s = every_s
        self._look = look
        self._over = threading.Event()
        self._connection: psycopg.Connection[Any] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No more samples."""
        self._over.set()
        self._thread.join()

    def samples(self) -> list[Sample]:
        """All of them, once it is stopped."""
        return [msgspec.json.decode(line, type=Sample) for line in self._file.read_bytes().splitlines()]

    def _run(self) -> None:
        with self._file.open("wb") as file:
            while not self._over.wait(self._every_s):
                file.write(msgspec.json.encode(self._sample()) + b"\n")
                file.flush()
        if self._connection is not None:
            self._connection.close()

    def _sample(self) -> Sample:
        standing = self._look()
        server, tally = standing.server, standing.tally
        processes = [found for role, pid in standing.processes if (found := _process(role, pid)) is not None]
        processes += [
            Process(SERVER_ROLE, server, memory, None)
            for pid in (server, *proc.children(server))
            if (memory := proc.memory_bytes(pid)) is not None
        ]
        sample = Sample(
            at_s=standing.at_s,
            day=standing.day,
            step=standing.step,
            processes=processes,
            answered=len(tally.waits_us),
            seconds=time.monotonic() - tally.began_s,
            p50_ms=tally.percentile_ms(50),
            p99_ms=tally.percentile_ms(99),
        )
        with suppress(psycopg.Error, KanjoError):  # the server was killed: its part of the sample is missing
            if self._connection is None or self._connection.closed:
                self._connection = self._database.connect(role="owner", autocommit=True)
            connections, wal_bytes = server_now(self._connection)
            tables = sizes(self._connection)
            return msgspec.structs.replace(sample, connections=connections, wal_bytes=wal_bytes, sizes=tables)
        return sample


def _process(role: str, pid: int) -> Process | None:
    memory = proc.memory_bytes(pid)
    return None if memory is None else Process(role, pid, memory, proc.open_files(pid))


def driver() -> tuple[str, int]:
    """This process."""
    return DRIVER, os.getpid()
