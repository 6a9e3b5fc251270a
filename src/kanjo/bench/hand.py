"""A process that a bench tells what to do. It is started once, so that no measure holds the start of an interpreter."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import TypeVar

import msgspec

from kanjo import db
from kanjo.bench.task import Answer, Task
from kanjo.errors import SystemFailed

STOP_WAIT_S = 30.0
A = TypeVar("A", bound=Answer)


class Hand:
    """Tell it one task, then hear its answer. It ends when this process does, since its input then ends."""

    def __init__(self, database: db.Database | None) -> None:
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kanjo.bench"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=os.environ | ({"KANJO_DATABASE_URL": database.url} if database else {}),
            start_new_session=True,
        )

    def tell(self, task: Task) -> None:
        """Begin the task."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(msgspec.json.encode(task) + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._died() from error

    def hear(self, kind: type[A]) -> A:
        """The answer to the task begun."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._died()
        return msgspec.json.decode(line, type=kind)

    def ask(self, task: Task, kind: type[A]) -> A:
        """Begin the task and wait for its answer."""
        self.tell(task)
        return self.hear(kind)

    def _died(self) -> SystemFailed:
        self._log.seek(0)
        lines = self._log.read().strip().splitlines()
        return SystemFailed(
            "bench-process-died", f"a process of the bench ended: {lines[-1].strip() if lines else 'it said nothing'}"
        )

    def __enter__(self) -> Hand:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(OSError):  # it died with a task unread
            self._process.stdin.close()
        try:
            self._process.wait(STOP_WAIT_S if error is None else 1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            self._process.stdout.close()
            self._log.close()
