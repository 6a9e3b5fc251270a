"""The soak's processes as the one who started them sees them: workers, callers, errands. Killed and started again."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from typing import IO, TypeVar

import msgspec

from kanjo import centercut, db
from kanjo.errors import SystemFailed
from kanjo.soak.message import Book, Closed, Crowd, Done, Errand, Seen, Told

STOP_WAIT_S = 10.0
D = TypeVar("D", bound=Done)


class Hand:
    """A process with a log of what it said last; the end of its standard input is its end."""

    def __init__(self, process: subprocess.Popen[bytes], log: IO[str]) -> None:
        self._process = process
        self._log = log
        self.was_killed = False

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.was_killed = True
        self._process.kill()
        self._process.wait()
        self.forget()

    def last_words(self) -> str:
        """The last line of its log, and how it ended."""
        self._log.seek(0)
        lines = [line.strip() for line in self._log.read().splitlines() if line.strip()]
        return f"{lines[-1] if lines else 'it said nothing'} (status {self._process.returncode})"

    def forget(self) -> None:
        """Close what is open towards it, its log too."""
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


def _start(database: db.Database, role: str, argument: msgspec.Struct | Crowd, log: IO[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "kanjo.soak", role, msgspec.json.encode(argument).decode()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env=os.environ | {"KANJO_DATABASE_URL": database.url},
        start_new_session=True,
    )


def _log() -> IO[str]:
    return tempfile.TemporaryFile("w+")


class Worker(Hand):
    """A worker of the centre cut that takes whatever is started, for ever."""

    def __init__(self, database: db.Database) -> None:
        log = _log()
        super().__init__(centercut.start_worker(database, centercut.Orders(), log=log), log)


class Errander(Hand):
    """A process with one errand."""

    def __init__(self, database: db.Database, errand: Errand) -> None:
        log = _log()
        super().__init__(_start(database, "errand", errand, log), log)
        self._out = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with suppress(OSError, ValueError):  # killed
            self._out = self._process.stdout.read()

    def answer(self, kind: type[D]) -> D | None:
        """What it brought, once it has ended; None when it ended without."""
        self._process.wait()
        self._reader.join()
        return msgspec.json.decode(self._out, type=kind) if self._process.returncode == 0 else None


class Callers(Hand):
    """The callers' process; `take` gives what they have seen since the last time."""

    def __init__(self, database: db.Database, crowd: Crowd, book: Book) -> None:
        log = _log()
        super().__init__(_start(database, "callers", crowd, log), log)
        self.closed: set[str] = set()
        self._lock = threading.Lock()
        self._seen: list[Seen] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.turn(book)

    def turn(self, book: Book) -> None:
        """Give them the next day's book; the one before is in `closed` once all its calls are answered."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(msgspec.json.encode(book) + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise SystemFailed("callers-died", f"the callers ended: {self.last_words()}") from error

    def take(self) -> list[Seen]:
        with self._lock:
            seen, self._seen = self._seen, []
        return seen

    def _read(self) -> None:
        assert self._process.stdout is not None
        with suppress(OSError, ValueError, msgspec.DecodeError):  # a killed process leaves half a line
            for line in self._process.stdout:
                told = msgspec.json.decode(line, type=Told)
                if isinstance(told, Closed):
                    self.closed.add(told.history)
                else:
                    with self._lock:
                        self._seen.append(told)
