"""The data directory: made once and whole, checked before each start, and its configuration."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from kanjo.db import binaries, settings
from kanjo.db.account import Account, caller_name
from kanjo.db.home import Home
from kanjo.errors import SystemFailed


def disk_full(home: Path) -> SystemFailed:
    """What to say when the server's disk has no room."""
    return SystemFailed(
        "disk-full",
        f"The disk that holds {home} is full. Free some space there (or set KANJO_HOME to a folder on another disk) "
        "and run the command again: nothing that was answered is lost.",
        home=str(home),
    )


def ensure(home: Home, account: Account, programs: Path) -> bool:
    """Make the data directory if there is none (True), or check that this PostgreSQL can use it.

    It is made under another name and renamed, so an interrupted initdb never looks like a good one.
    """
    for unfinished in home.path.glob("data.unfinished*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    if home.data.exists():
        _check_version(home)
        return False
    unfinished = home.path / "data.unfinished"
    unfinished.mkdir(mode=0o700)
    account.give(unfinished)
    run = subprocess.run(
        [
            *(str(programs / "initdb"), "--pgdata", str(unfinished), "--username", settings.SUPERUSER),
            *("--data-checksums", "--encoding", "UTF8", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
            *("--locale", "C", "--auth-local", "peer", "--auth-host", "reject", "--no-instructions"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        **account.spawning(),
    )
    if run.returncode:
        said = run.stdout.decode(errors="replace")
        shutil.rmtree(unfinished, ignore_errors=True)
        if "No space left on device" in said or "Disk quota exceeded" in said:
            raise disk_full(home.path)
        raise SystemFailed(
            "initdb-failed",
            f"PostgreSQL could not make its data directory in {home.path}:\n{said.strip()}",
            home=str(home.path),
        )
    unfinished.rename(home.data)
    return True


def _check_version(home: Home) -> None:
    try:
        found = (home.data / "PG_VERSION").read_text().strip()
    except OSError:
        found = ""
    if not found:
        raise SystemFailed(
            "data-unknown",
            f"{home.data} is not a data directory of PostgreSQL (it has no readable PG_VERSION). Move it away, or set "
            "KANJO_HOME to another folder.",
            data_directory=str(home.data),
        )
    if found != (brought := binaries.major_version()):
        raise SystemFailed(
            "data-version",
            f"{home.data} was made by PostgreSQL {found}; this Kanjo brings PostgreSQL {brought}. Either use the "
            f"Kanjo that made it, or dump it with pg_dump of PostgreSQL {found} and restore it into a new KANJO_HOME, "
            "or bring it over with pg_upgrade.",
            data_directory=str(home.data),
            found=found,
            expected=brought,
        )


def configure(home: Home) -> None:
    """Write the configuration anew: the machine may have changed since the last start."""
    home.settings.mkdir(exist_ok=True)
    home.settings.chmod(0o755)
    for name, text in (
        ("postgresql.conf", settings.configuration(home.data, home.settings / "local.conf")),
        ("pg_hba.conf", settings.HBA),
        ("pg_ident.conf", settings.ident({caller_name(), "root"})),
    ):
        file = home.settings / name
        file.write_text(text)
        file.chmod(0o644)


def forget_dead_server(home: Home, socket: Path) -> bool:
    """Remove what a killed server left behind; say whether there was one. The caller holds `server.lock`.

    With that lock held no server lives, so a pid file that is stale, truncated, or names a pid that now belongs to
    somebody else can do no harm any more.
    """
    left = home.data / "postmaster.pid"
    crashed = os.path.lexists(left)
    left.unlink(missing_ok=True)
    for name in (".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
        (socket / name).unlink(missing_ok=True)
    return crashed
