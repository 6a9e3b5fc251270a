"""The real command, run as users and programs run it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kanjo import db

COMMAND = Path(sys.executable).with_name("kanjo")
ZENGIN = Path(__file__).parents[1] / "data" / "zengin"
DEADLINE_S = 120.0


@dataclass(frozen=True)
class Ran:
    """What a command left: its exit status, its streams, and the one object that --json printed."""

    status: int
    out: str
    err: str

    @property
    def object(self) -> Any:
        assert self.out.count("\n") == 1 and self.out.endswith("\n"), self.out
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        return self.object["error"]


@dataclass(frozen=True)
class Kanjo:
    """Calls `kanjo` with an environment."""

    environment: Mapping[str, str]

    def __call__(self, *arguments: object, status: int = 0, **environment: str) -> Ran:
        """Run a command to its end and require its exit status."""
        process = self.begin(*arguments, **environment)
        out, err = process.communicate(timeout=DEADLINE_S)
        ran = Ran(process.returncode, out, err)
        assert ran.status == status, (arguments, ran)
        assert "Traceback" not in ran.err or "KANJO_DEBUG" in environment, ran.err
        return ran

    def json(self, *arguments: object, status: int = 0) -> Any:
        """The object that the command prints with --json."""
        return self(*arguments, "--json", status=status).object

    def refused(self, code: str, *arguments: object, status: int = 1) -> Any:
        """Require that error, and return it."""
        error = self(*arguments, "--json", status=status).error
        assert error["code"] == code and error["message"], error
        return error

    def begin(self, *arguments: object, start_new_session: bool = False, **environment: str) -> subprocess.Popen[str]:
        """Start a command, with signals as a terminal leaves them; in a new session it has no terminal."""
        return subprocess.Popen(
            [str(COMMAND), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(self.environment) | environment,
            start_new_session=start_new_session,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )


def kanjo_on(database: db.Database) -> Kanjo:
    """The command on a database that it did not start."""
    return Kanjo(_clean() | {"KANJO_DATABASE_URL": database.url})


def kanjo_in(home: Path) -> Kanjo:
    """The command with an embedded database of its own."""
    return Kanjo(_clean() | {"KANJO_HOME": str(home)})


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("KANJO_")} | {"COLUMNS": "80"}


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition, not for a time."""
    until_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < until_s, f"waited in vain: {what}"
        time.sleep(0.05)


@dataclass(frozen=True)
class Terminal:
    """What was typed at a terminal, prompt by prompt, and what the command showed there."""

    ran: Ran
    shown: str


def at_terminal(kanjo: Kanjo, *arguments: object, typed: Mapping[str, str], status: int = 0) -> Terminal:
    """Run a command at a terminal of its own; to each prompt that contains a word, type what belongs to it, once."""
    ours, theirs = pty.openpty()

    def take() -> None:
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [str(COMMAND), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(kanjo.environment),
        start_new_session=True,
        preexec_fn=take,
    )
    shown, left = "", dict(typed)
    try:
        until_s = time.monotonic() + DEADLINE_S
        while left and process.poll() is None:
            assert time.monotonic() < until_s, f"never asked for {list(left)}: {shown}"
            if select.select([ours], [], [], 0.1)[0]:
                shown += os.read(ours, 4096).decode()
            if word := next((word for word in left if word in shown.rpartition("\n")[2]), None):
                os.write(ours, f"{left.pop(word)}\n".encode())
        out, err = process.communicate(timeout=DEADLINE_S)
        while select.select([ours], [], [], 0)[0]:
            shown += os.read(ours, 4096).decode()
    finally:
        process.kill()
        os.close(ours)
        os.close(theirs)
    ran = Ran(process.returncode, out, err)
    assert ran.status == status and not left, (arguments, ran, shown)
    return Terminal(ran, shown)
