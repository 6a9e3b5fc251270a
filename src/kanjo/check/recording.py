"""Recording what online callers ask and are told: law 4 is proved from it (docs/reference/history.md)."""

from __future__ import annotations

import itertools
import os
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import msgspec

from kanjo.check.lines import EndedLine, HeadLine, Line, asked_line, end_line, how_of
from kanjo.ledger import Answer, Asked

WAITING_MAX = 256
"""So many ends of calls may wait for the next write; a process that is killed loses no more of them."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Recorder:
    """Wraps `post` for many threads and writes a history to `path`, which must not exist; close it at the end.

    A call is in the file before it is made, so that a killed process leaves no request that nobody asked; how it ended
    is written with the next call, and at close. `complete` names clients that ask through recorders only. When the file
    cannot be written, the next call raises the OSError and nothing is asked.
    """

    def __init__(self, post: Callable[[Asked], Answer], path: Path, *, complete: Sequence[str] = ()) -> None:
        self._post = post
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: list[bytes] = []
        self._error: OSError | None = None
        self._closed = False
        self._encode = msgspec.json.Encoder().encode
        self._write(HeadLine(version=1, clock=clock_name(), complete=tuple(complete)), now=True)

    def post(self, asked: Asked, *, caller: str | None = None) -> Answer:
        """Ask and note it; raises what the wrapped `post` raises. The caller's name is the thread's when not given."""
        number = next(self._numbers)
        caller = caller or threading.current_thread().name
        self._write(asked_line(asked, number=number, at_us=now_us(), caller=caller), now=True)
        try:
            answer = self._post(asked)
        except BaseException as error:
            self._end(EndedLine(number=number, at_us=now_us(), how=how_of(error)))
            raise
        self._end(end_line(answer, number=number, at_us=now_us()))
        return answer

    def close(self) -> None:
        """Write what still waits. Raises the OSError that a write met, if one did."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                self._flush()
            finally:
                os.close(self._file)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _write(self, line: Line, *, now: bool) -> None:
        encoded = self._encode(line) + b"\n"
        with self._lock:
            if self._closed:
                raise ValueError("the history is closed")
            self._waiting.append(encoded)
            if now or len(self._waiting) >= WAITING_MAX:
                self._flush()

    def _end(self, line: Line) -> None:
        """The caller has his answer: no fault of the file may take it from him, the next call tells of it."""
        try:
            self._write(line, now=False)
        except (OSError, ValueError):
            return

    def _flush(self) -> None:
        """Under the lock. After a failure a line may be torn, so nothing more is written behind it."""
        if self._error is not None:
            raise self._error
        rest = memoryview(b"".join(self._waiting))
        self._waiting.clear()
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            self._error = error
            raise


def now_us() -> int:
    """Microseconds of the machine's monotonic clock, which all its processes share."""
    return time.monotonic_ns() // 1000


def clock_name() -> str:
    """Names the clock: times of two histories are compared only when they bear the same name.

    The boot id on Linux, where all processes read one monotonic clock; elsewhere a name that nobody else has.
    """
    try:
        return _BOOT.read_text("ascii").strip()
    except OSError:
        return str(uuid.uuid4())
