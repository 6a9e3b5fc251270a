"""The watcher: ends every process of a lab when its last user is gone, however that user ended (decision 0003).

`kanjo sites lab up` is a user until the lab stands; then it leaves `keep`, and the lab lives on until `lab down`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kanjo.sites.lab.ground import Ground
from kanjo.sites.lab.parts import end_all

READY = b"watching\n"


@contextmanager
def used(ground: Ground) -> Iterator[None]:
    """Be a user of the lab; when the last one leaves without `keep`, nothing of it goes on."""
    lock = _lock(ground.users_lock, fcntl.LOCK_SH)
    try:
        _start(ground)
        yield
    finally:
        os.close(lock)


def watch(ground: Ground) -> None:
    """Sleep in the kernel until nobody uses the lab."""
    watching = _lock(ground.watch_lock, fcntl.LOCK_SH)
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    os.close(_lock(ground.users_lock, fcntl.LOCK_EX))
    if not ground.keep.exists():
        end_all(ground)
    os.close(watching)


def await_watchers(ground: Ground) -> None:
    """Wait until no watcher is at work any more."""
    os.close(_lock(ground.watch_lock, fcntl.LOCK_EX))


def _start(ground: Ground) -> None:
    watcher = subprocess.Popen(
        [sys.executable, "-m", __name__, str(ground.folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    assert watcher.stdout is not None
    with watcher.stdout:
        told = watcher.stdout.readline()
    assert told == READY, "nothing is started that nobody watches"


def _lock(path: Path, operation: int) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    fcntl.flock(descriptor, operation)
    return descriptor


if __name__ == "__main__":
    with contextlib.suppress(FileNotFoundError, KeyboardInterrupt):
        watch(Ground(Path(sys.argv[1])))
