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


def _works_in(pid: int, folder: Path) -> bool:
    """Whether process `pid` works in `folder`: a pid may have been given to somebody else since it was written."""
    if not Path("/proc/self").exists():
        return True
    try:
        return Path(f"/proc/{pid}/cwd").samefile(folder)
    except OSError:
        return False


def postmaster_pid(home: Path) -> int | None:
    """The pid of the living postmaster, from our record or else PostgreSQL's own file; proved by where it works."""
    candidates = [read_record(home).get("pid")]
    with contextlib.suppress(OSError, ValueError, IndexError):
        candidates.append(int((home / DATA / "postmaster.pid").read_text().splitlines()[0]))
    for pid in candidates:
        if isinstance(pid, int) and pid > 1 and _works_in(pid, home / DATA):
            return pid
    return None


def stop(home: Path, tell: Callable[[str], None] = nothing) -> None:
    """Stop the server fast (clients are cut off, data is flushed) and wait until all its processes are gone.

    The caller holds `start.lock`. There is no limit of time while a process lives: killing it would only make the next
    start recover.
    """
    signalled = False
    began = told = time.monotonic()
    pause_s = WAIT_MIN_S
    while server_lives(home):
        if not signalled and (pid := postmaster_pid(home)) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
                signalled = True
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
