"""Wall clocks that leap: processes under libfaketime, each with a file that says how many seconds its clock is off.

As in a real leap the monotonic clock goes on, and what lies on a disk keeps its times. etcd is left out: Go asks the
kernel without the C library, and etcd counts leases by the monotonic clock.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

import msgspec
import psutil
from bank import TOWN

from kanjo.sites import Topology
from kanjo.sites.lab.ground import Ground, Made
from kanjo.sites.lab.parts import Part, parts
from kanjo.soak.message import Book, Crowd

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
NO_FAKETIME = "a clock that leaps needs libfaketime (Debian: faketime); `make test-sites` installs it"

ABLE_TO_SLEEP = """
import runpy, select, sys, time
time.sleep = lambda seconds: select.select((), (), (), seconds) and None
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""Under libfaketime 0.9.10 Python's own sleep fails (EINVAL) where the monotonic clock is not faked."""

ENDS_S_MAX = 30.0


class WallClock:
    """Of the processes that are started under it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.leap(0)

    def leap(self, off_s: int) -> None:
        """Be so many seconds off from now on: all at once, while they run."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{off_s:+d}\n")
        new.chmod(0o644)
        new.rename(self._file)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }


class Clocks:
    """By name, in a folder that every user can read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, WallClock] = {}

    def __getitem__(self, name: str) -> WallClock:
        if name not in self._known:
            self._known[name] = WallClock(self._folder / name)
        return self._known[name]

    def parts(self, ground: Ground, topology: Topology, made: Made) -> dict[str, Part]:
        """A lab's parts, each node under the clock of its name: Patroni, database and gate."""
        return {name: self._under(part) for name, part in parts(ground, topology, made).items()}

    def _under(self, part: Part) -> Part:
        if part.kind != "node":
            return part
        environment = {**part.environment, **self[part.name].environment}
        return msgspec.structs.replace(part, arguments=_sleeping(part.arguments), environment=environment)


def _sleeping(arguments: Sequence[str]) -> tuple[str, ...]:
    """The command `python -m MODULE ...`, able to sleep."""
    at = arguments.index("-m")
    return (*arguments[:at], "-c", ABLE_TO_SLEEP, *arguments[at + 1 :])


@contextmanager
def set_up() -> Iterator[Clocks]:
    """Clocks that are right; at the end also what libfaketime leaves behind of the killed is gone."""
    before = _shared_memory()
    folder = Path(tempfile.mkdtemp(prefix="kanjo-clocks-"))
    folder.chmod(0o711)
    try:
        yield Clocks(folder)
    finally:
        shutil.rmtree(folder)
        for path in _shared_memory() - before:
            if not _lives(int(path.name.rpartition("_")[2])):
                path.unlink(missing_ok=True)


def _shared_memory() -> set[Path]:
    return {path for name in ("faketime_shm_*", "sem.faketime_sem_*") for path in Path("/dev/shm").glob(name)}


def _lives(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


@contextmanager
def door_under(clock: WallClock, url: str, client: str, history: Path) -> Iterator[None]:
    """A door in a process of its own, with callers who write a history; their keys tell what its clock says."""
    crowd = Crowd(town=TOWN, accounts=60, callers=4, per_s=40, seed=1)
    command = [sys.executable, "-m", "kanjo.soak", "callers", msgspec.json.encode(crowd).decode()]
    environment = os.environ | {"KANJO_DATABASE_URL": url} | clock.environment
    process = subprocess.Popen(
        _sleeping(command), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment, start_new_session=True
    )
    assert process.stdin is not None
    try:
        process.stdin.write(msgspec.json.encode(Book(client=client, history=str(history))) + b"\n")
        process.stdin.flush()
        yield
        process.stdin.close()
        assert process.wait(ENDS_S_MAX) == 0
    finally:
        process.kill()
        process.wait()


def made_at_s(key: UUID) -> int:
    """When a key was made, by its maker's clock (RFC 9562, version 7)."""
    return (key.int >> 80) // 1000
