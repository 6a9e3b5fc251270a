"""The operating system's user under whom the embedded server runs.

PostgreSQL refuses to run as root, so root hands it to an existing unprivileged user; anybody else runs it as oneself.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kanjo.errors import SystemFailed

# In this order; the first that the machine knows. Each must have an entry in its password database, or initdb fails.
UNPRIVILEGED = ("nobody", "postgres", "daemon")

# Nothing of the caller's surroundings (PGDATA, PGHOST, LANG, LD_PRELOAD, ...) may leak into the server.
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs the server. `handed_over`: we are root and it is somebody else."""

    name: str
    uid: int
    gid: int
    handed_over: bool

    def spawning(self) -> dict[str, Any]:
        """The arguments for `subprocess` that start a program as this user, away from the caller's surroundings."""
        arguments: dict[str, Any] = {"cwd": "/", "env": ENVIRONMENT, "stdin": subprocess.DEVNULL, "umask": 0o077}
        if self.handed_over:
            arguments |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return arguments

    def closed_folder(self, path: Path) -> Path | None:
        """The first folder on the way to and including `path` that this user may not enter, or None."""
        if not self.handed_over:
            return None
        way = [*reversed(path.parents), path]
        script = 'for folder; do test -x "$folder" || { printf %s "$folder"; exit 1; }; done'
        found = subprocess.run(
            ["/bin/sh", "-c", script, "sh", *map(str, way)], capture_output=True, check=False, **self.spawning()
        )
        return Path(os.fsdecode(found.stdout)) if found.returncode else None

    def give(self, path: Path) -> None:
        """Make a folder that we created this user's own, closed to everybody else."""
        path.chmod(0o700)
        if self.handed_over:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def caller_name() -> str:
    """The operating system's name of the user who runs this command, as PostgreSQL's peer check will see it."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise SystemFailed(
            "user-unknown",
            f"The user number {os.geteuid()} has no entry in this machine's password database, and PostgreSQL does not "
            "run without one. Run Kanjo as a user with a name, or set KANJO_DATABASE_URL.",
        ) from None


def server_account(data: Path) -> Account:
    """Whom to run the server as: the owner of existing data if we are root, else an unprivileged user, or ourselves."""
    if os.geteuid() != 0:
        return Account(caller_name(), os.geteuid(), os.getegid(), handed_over=False)
    if data.exists() and (owner := data.stat().st_uid) != 0:
        try:
            entry = pwd.getpwuid(owner)
        except KeyError:
            raise SystemFailed(
                "user-unknown",
                f"{data} belongs to the user number {owner}, who has no entry in this machine's password database. "
                f"Give the folder to a known user (chown -R nobody {data}), or set KANJO_HOME to another one.",
            ) from None
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, handed_over=True)
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, handed_over=True)
    raise SystemFailed(
        "user-unknown",
        "PostgreSQL does not run as root, and this machine has none of the users "
        f"{', '.join(UNPRIVILEGED)}. Run Kanjo as an ordinary user, or set KANJO_DATABASE_URL.",
    )
