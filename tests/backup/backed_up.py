"""A bank with a home of its own and a store of backups, run as users run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kanjo.db import last_out

KANJO = Path(sys.executable).with_name("kanjo")
ACCOUNTS = Path(__file__).parents[1] / "data" / "zengin" / "accounts.csv"
PAYROLL = ACCOUNTS.with_name("payroll.txt")
ACCOUNT = "001-1-1000016"
DEADLINE_S = 120


@dataclass
class Bank:
    """A home and its store; commands run as users run them."""

    folder: Path
    keys: dict[str, str] = field(default_factory=dict)
    moments: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def begin(self, *words: object, home: Path | None = None) -> subprocess.Popen[str]:
        surroundings = {name: value for name, value in os.environ.items() if not name.startswith("KANJO_")}
        surroundings |= {"KANJO_HOME": str(home or self.home), "KANJO_BACKUP_STORE": str(self.store)}
        return subprocess.Popen(
            [str(KANJO), *map(str, words), "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=surroundings,
        )

    def run(self, *words: object, home: Path | None = None, status: int = 0) -> Any:
        process = self.begin(*words, home=home)
        out, err = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == status, (words, out, err)
        return json.loads(out)

    def refused(self, *words: object, home: Path | None = None, status: int) -> str:
        return str(self.run(*words, home=home, status=status)["error"]["code"])

    def deposit(self, name: str, yen: int) -> None:
        """A posting with a name: its key, and the moment after it."""
        self.keys[name] = self.run("post", "deposit", ACCOUNT, yen)["key"]
        self.moments[name] = datetime.now(UTC).isoformat()

    def kill_at(self, words: str, *command: object) -> None:
        """Begin a command and kill it when it says these words."""
        process = self.begin(*command)
        assert process.stderr is not None and process.stdout is not None
        for line in process.stderr:
            if words in line:
                break
        else:
            raise AssertionError(f"{command} never said {words!r}")
        process.send_signal(signal.SIGKILL)
        assert process.wait(DEADLINE_S) == -signal.SIGKILL
        process.stdout.close()
        process.stderr.close()


def stop(home: Path) -> None:
    """Leave no server behind."""
    if (home / last_out.START_LOCK).exists() and (home / last_out.USERS_LOCK).exists():
        (home / last_out.KEEP).unlink(missing_ok=True)
        last_out.stop_if_unused(home)


@dataclass(frozen=True)
class Restored:
    home: Path
    report: Any
