"""Who still uses the embedded server, and the stop when nobody does.

Every user process holds a shared `flock` on `users.lock`; the kernel lets go of it when the process dies, however it
dies. The postmaster and all its children inherit an exclusive `flock` on `server.lock`; it is free exactly when none of
them lives. Decisions to start or stop are taken under an exclusive `flock` on `start.lock`.

This file is also a program of its own, the watcher: started beside the server, it sleeps in the kernel until the last
user is gone and then stops a server whose users were all killed. It therefore imports nothing but the standard library
and stays small while it waits. It waits on `watch.lock`, which users share too, so that its waking is never taken for a
user.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

START_LOCK = "start.lock"
USERS_LOCK = "users.lock"
SERVER_LOCK = "server.lock"
WATCH_LOCK = "watch.lock"
KEEP = "keep"
DATA = "data"

WAIT_MIN_S = 0.005
WAIT_MAX_S = 0.1

# Children of a killed postmaster end by themselves within a moment; one that is busy may finish its statement.
LEADERLESS_S_MAX = 300.0


def nothing(_: str) -> None:
    """Tell nobody."""


def take(path: Path, operation: int, *, create: bool = True) -> int:
    """Open `path` and `flock` it; the descriptor is not inherited. Raises `BlockingIOError` with `LOCK_NB`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if create else 0), 0o600)
    try:
        fcntl.flock(descriptor, operation)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def take_now(path: Path, operation: int, *, create: bool = True) -> int | None:
    """Like `take`, but `None` instead of waiting."""
    try:
        return take(path, operation | fcntl.LOCK_NB, create=create)
    except BlockingIOError:
        return None


def server_lives(home: Path) -> bool:
    """Whether any process of the server lives. Ask only under `start.lock`: the probe holds the lock for a moment."""
    try:
        descriptor = take_now(home / SERVER_LOCK, fcntl.LOCK_EX, create=False)
    except FileNotFoundError:
        return False
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def write_record(descriptor: int, record: dict[str, object]) -> None:
    """Write into the lock file what the others need to know of the server (pid, socket folder)."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(record).encode(), 0)


def read_record(home: Path) -> dict[str, object]:
    """What the server's starter wrote; empty when it was killed before it could, or the disk was full."""
    try:
        record = json.loads((home / SERVER_LOCK).read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def started(pid: int) -> str | None:
    """When process `pid` was started, as the kernel counts; None where there is no /proc, or no such process.

    Together with the pid it names a process for ever, while a pid alone is given to somebody else one day. Everybody
    may read it, also root in a container without the capability to trace.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def _serves(pid: int, data: Path) -> bool:
    """Whether process `pid` was called to serve the data directory `data`."""
    try:
        return os.fsencode(data) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return not Path("/proc/self").exists()


def postmaster_pid(home: Path) -> int | None:
    """The pid of the living postmaster, or None: from our record, or PostgreSQL's own file if that was never finished.

    A pid that is somebody else's by now is not returned.
    """
    record = read_record(home)
    pid = record.get("pid")
    if isinstance(pid, int):
        return pid if started(pid) == record.get("started") else None
    with contextlib.suppress(OSError, ValueError, IndexError):
        pid = int((home / DATA / "postmaster.pid").read_text().splitlines()[0])
        return pid if _serves(pid, home / DATA) else None
    return None


def stop(home: Path, tell: Callable[[str], None] = nothing) -> None:
    """Stop the server fast (clients are cut off, data is flushed) and wait until all its processes are gone.

    The caller holds `start.lock`. There is no limit of time for a server that was told: killing it would only make the
    next start recover. Error: `TimeoutError` when there is nobody to tell but something lives on.
    """
    signalled = False
    began = told = time.monotonic()
    pause_s = WAIT_MIN_S
    while server_lives(home):
        if not signalled and (pid := postmaster_pid(home)) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
                signalled = True
        if not signalled and time.monotonic() - began > LEADERLESS_S_MAX:
            raise TimeoutError(errno.ETIMEDOUT, "processes of the server live on without their postmaster", str(home))
        if time.monotonic() - told >= 1:
            told = time.monotonic()
            tell(f"stopping the database, {told - began:.0f} s")
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, WAIT_MAX_S)


def stop_if_unused(home: Path, tell: Callable[[str], None] = nothing) -> bool:
    """Stop the server unless somebody uses it or `kanjo up` left it running; say whether none is running now."""
    start = take(home / START_LOCK, fcntl.LOCK_EX, create=False)
    try:
        users = take_now(home / USERS_LOCK, fcntl.LOCK_EX, create=False)
        if users is None:
            return False
        try:
            if (home / KEEP).exists():
                return False
            stop(home, tell)
            return True
        finally:
            os.close(users)
    finally:
        os.close(start)


def watch(home: Path) -> None:
    """Sleep until no user is left, then stop the server; ends when it is stopped, kept, or its folder is gone."""
    while True:
        os.close(take(home / WATCH_LOCK, fcntl.LOCK_EX, create=False))
        if stop_if_unused(home) or (home / KEEP).exists():
            return


if __name__ == "__main__":
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        watch(Path(sys.argv[1]))
