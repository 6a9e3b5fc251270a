"""The soak's own embedded server: started, killed and started again, and gone without a trace at the end."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kanjo import db
from kanjo.errors import SystemFailed
from kanjo.soak import proc

END_S_MAX = 60.0
PREFIX = "soak-"
LOCK = "soak.lock"
"""Held as long as the run lives: the kernel lets go of it, however it dies."""


class Server:
    """A home in a folder of its own below `place`. `kills` counts how often it was stopped at once."""

    def __init__(self, folder: Path, database: db.Database) -> None:
        self.folder = folder
        self.database = database
        self.kills = 0
        status = db.status(folder / "home")
        assert status.pid is not None and status.socket is not None
        self.pid = status.pid
        self.socket = Path(status.socket)

    def kill(self) -> None:
        """PostgreSQL's immediate stop: no checkpoint, every session cut off, recovery at the next start."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGQUIT)
        until_s = time.monotonic() + END_S_MAX
        while not proc.has_ended(self.pid):
            if time.monotonic() > until_s:
                raise SystemFailed("server-unstoppable", f"the database server {self.pid} does not stop")
            time.sleep(0.01)
        self.kills += 1

    def start(self) -> None:
        """Start it again; returns when it has recovered."""
        with db.database(self.folder / "home", migrate=False):
            found = db.status(self.folder / "home").pid
            assert found is not None
            self.pid = found


@contextmanager
def own_server(place: Path) -> Iterator[Server]:
    """A new one; when the block ends, however it ends, its processes and its folder are removed.

    What a killed run left is removed by the next one at the same place.
    """
    is_new = not place.exists()
    _remove_abandoned(place)
    folder = place / f"{PREFIX}{secrets.token_hex(4)}"
    sockets: list[Path] = []
    lock = -1
    try:
        with db.database(folder / "home") as database:
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            server = Server(folder, database)
            sockets.append(server.socket)
            try:
                yield server
            finally:
                server.kill()  # nothing of it is wanted any more: no last checkpoint
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock >= 0:
            os.close(lock)
        for socket in sockets:  # a short one elsewhere if the folder's path is too long for a socket
            shutil.rmtree(socket, ignore_errors=True)
        if is_new:
            with suppress(OSError):  # somebody else has moved in meanwhile
                place.rmdir()


def _remove_abandoned(place: Path) -> None:
    for lock in place.glob(f"{PREFIX}*/{LOCK}"):
        with suppress(OSError), lock.open("r+b") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: a run that lives
            if not db.status(lock.parent / "home").running:
                shutil.rmtree(lock.parent, ignore_errors=True)
