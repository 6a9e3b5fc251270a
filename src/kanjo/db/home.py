"""KANJO_HOME: the folder of the embedded server, what lies where in it, and who may enter.

Nothing outside this folder is ever given another permission. Modes are set explicitly, so that the caller's umask does
not matter.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kanjo.db import last_out
from kanjo.db.account import Account, server_account
from kanjo.errors import SystemFailed

# sun_path holds 108 bytes with its closing zero; ".s.PGSQL.5432" and a slash take 14, its lock file 5 more.
SOCKET_FOLDER_BYTES_MAX = 107 - len("/.s.PGSQL.5432")


@dataclass(frozen=True, slots=True)
class Home:
    """The layout of KANJO_HOME."""

    path: Path

    @property
    def data(self) -> Path:
        """The data directory of PostgreSQL; belongs to the server's user."""
        return self.path / last_out.DATA

    @property
    def settings(self) -> Path:
        """Configuration, outside the data directory so that root never writes where the server's user can."""
        return self.path / "etc"

    @property
    def log(self) -> Path:
        """What the server said since it was started last."""
        return self.path / "server.log"

    @property
    def start_lock(self) -> Path:
        """The locks are explained in `last_out`."""
        return self.path / last_out.START_LOCK

    @property
    def users_lock(self) -> Path:
        return self.path / last_out.USERS_LOCK

    @property
    def server_lock(self) -> Path:
        return self.path / last_out.SERVER_LOCK

    @property
    def watch_lock(self) -> Path:
        return self.path / last_out.WATCH_LOCK

    @property
    def keep(self) -> Path:
        """There as long as `kanjo up` wants the server to stay."""
        return self.path / last_out.KEEP

    @property
    def binaries(self) -> Path:
        """Where copies of the server's programs go when its user cannot reach the installed ones."""
        return self.path / "postgresql"


def choose(home: Path | None = None) -> Home:
    """The folder given, or KANJO_HOME, or `.kanjo` in the working folder."""
    return Home((home or Path(os.environ.get("KANJO_HOME") or ".kanjo")).expanduser().resolve())


def prepare(home: Home) -> Account:
    """Make the folder with the modes it needs and say who runs the server there.

    Errors: `home-unwritable`, `home-foreign` (another user's), `home-unreachable` (the server's user cannot get there).
    """
    try:
        account = server_account(home.data)
        _make(home.path, 0o711 if account.handed_over else 0o700)
        owner = home.path.stat().st_uid
        if owner != os.geteuid():
            raise SystemFailed(
                "home-foreign",
                f"{home.path} belongs to another user (number {owner}). Run Kanjo as that user, or set KANJO_HOME to a "
                "folder of your own.",
                home=str(home.path),
            )
        closed = account.closed_folder(home.path)
        if closed == home.path and not any(home.path.iterdir()):
            # an empty folder given to us to live in: ours to open
            home.path.chmod(home.path.stat().st_mode | 0o711)
            closed = account.closed_folder(home.path)
        if closed is None:
            os.close(os.open(home.start_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise unwritable(home, error) from error
    if closed is not None:
        raise SystemFailed(
            "home-unreachable",
            f"Root cannot run PostgreSQL, and the user {account.name}, who runs it instead, cannot enter {closed}. Set "
            f"KANJO_HOME to a folder that {account.name} can reach, for example /var/lib/kanjo (Kanjo does not open "
            "folders outside KANJO_HOME).",
            home=str(home.path),
            closed=str(closed),
        )
    return account


def unwritable(home: Home, error: OSError) -> SystemFailed:
    """What to say when we may not use the folder."""
    return SystemFailed(
        "home-unwritable",
        f"Kanjo cannot use {home.path} for its database: {error.strerror} ({error.filename}). Set KANJO_HOME to a "
        "folder that you may write to, or KANJO_DATABASE_URL to a PostgreSQL of your own.",
        home=str(home.path),
    )


def _make(folder: Path, mode: int) -> None:
    """Make `folder` and what is missing on the way to it, with modes that do not depend on the umask."""
    if folder.is_dir():
        return
    _make(folder.parent, mode)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        folder.chmod(mode)


def socket_folder(home: Home, account: Account) -> Path:
    """Make the folder of the server's socket: in the home, or a short one when the kernel would refuse that path."""
    folder = home.path / "run"
    # libpq takes a comma for a list of hosts
    if len(os.fsencode(folder)) <= SOCKET_FOLDER_BYTES_MAX and "," not in str(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        account.give(folder)
        return folder
    # a name that follows from the home, so that what a killed server left is found again
    name = "kanjo-" + hashlib.sha256(os.fsencode(home.path) + b"\0" + str(account.uid).encode()).hexdigest()[:16]
    parent = Path("/tmp") if os.access("/tmp", os.W_OK | os.X_OK) else Path(tempfile.gettempdir())  # noqa: S108
    folder = parent / name
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        account.give(folder)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid or stat.S_IMODE(found.st_mode) != 0o700:
        raise SystemFailed(
            "socket-folder-foreign",
            f"{folder}, where the database's socket must go because the path of {home.path} is too long for it, is "
            f"not a folder of {account.name} alone. Remove it, or set KANJO_HOME to a shorter path.",
            folder=str(folder),
        )
    return folder
