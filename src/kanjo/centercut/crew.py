"""Worker processes of one command: started together, stopped together, never left behind."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import IO

from kanjo import db
from kanjo.centercut.process import Orders, start_worker

STOP_WAIT_S = 60.0
"""A worker told to stop ends after the slice in hand; one that does not in this time is killed, which is safe too."""
_ASIDES = ("HINT:", "DETAIL:", "CONTEXT:", "LINE ", "^")
"""What PostgreSQL says behind its message."""


class Crew:
    """Some worker processes on one database.

    Their standard input is a pipe that only this process holds, so they end also when it is killed.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._logs: list[IO[str]] = []
        self._workers: list[subprocess.Popen[bytes]] = []
        self._told: set[int] = set()

    def hire(self, database: db.Database, orders: Orders) -> None:
        """Start one more worker. What it says while dying goes to a file: no stack trace reaches the user."""
        self._logs.append(tempfile.TemporaryFile("w+"))  # noqa: SIM115 - closed by stop
        self._workers.append(start_worker(database, orders, log=self._logs[-1]))

    def alive(self) -> int:
        """How many work; says once of each that died before its work was done."""
        count = 0
        for worker in self._workers:
            status = worker.poll()
            if status is None:
                count += 1
            elif status and worker.pid not in self._told:
                self._told.add(worker.pid)
                self._say(f"worker {worker.pid} ended with status {status}; what it had in hand was undone")
        return count

    def last_words(self) -> str:
        """The last line that a worker wrote: why it died, if it could say so."""
        for log in self._logs:
            log.seek(0)
            lines = [line.strip() for line in log.read().splitlines()]
            if said := [line for line in lines if line and not line.startswith(_ASIDES)]:
                return said[-1]
        return ""

    def stop(self) -> None:
        """Tell all to stop after the slice in hand, and wait for them; a second interrupt kills them."""
        for worker in self._workers:
            if worker.stdin is not None:
                with contextlib.suppress(OSError):
                    worker.stdin.close()
        until_s = time.monotonic() + STOP_WAIT_S
        try:
            for worker in self._workers:
                worker.wait(max(0.0, until_s - time.monotonic()))
        except (KeyboardInterrupt, subprocess.TimeoutExpired) as error:
            for worker in self._workers:
                worker.kill()
                worker.wait()
            if isinstance(error, KeyboardInterrupt):
                raise
        finally:
            for log in self._logs:
                log.close()


@contextlib.contextmanager
def crew_of(
    database: db.Database, orders: Orders, count: int, say: Callable[[str], None] = lambda _: None
) -> Iterator[Crew]:
    """`count` workers for as long as the block runs; `say` is told of one that died before its work was done."""
    crew = Crew(say)
    try:
        for _ in range(count):
            crew.hire(database, orders)
        yield crew
    finally:
        crew.stop()
