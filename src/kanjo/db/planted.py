"""A data directory that came from elsewhere, planted into a home of its own and brought to one moment of its log.

Until `settle` nobody can write there but who holds `opened`: the server takes every other session for a reader.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from psycopg.conninfo import make_conninfo

from kanjo.db import connect, last_out, migrate, server
from kanjo.db import home as homes
from kanjo.db.connect import Database
from kanjo.db.home import Home
from kanjo.db.open import NAME
from kanjo.folders import sync_folder

AUTO = "postgresql.auto.conf"
_FIRST = f"{AUTO}.before"

# No answer before the log is applied to its end; the log lies in pg_wal already, so nothing is fetched.
_RECOVERY = """
# written by kanjo backup restore, and gone when it has ended
hot_standby = 'off'
restore_command = 'false'
recovery_target_action = 'promote'
default_transaction_read_only = 'on'
"""

# What the source's ALTER SYSTEM may say of them goes: commits would wait for servers that do not know this one. Nothing
# is said in its place, which would stand over what is written later by whoever builds sites from it.
_NAMES = "synchronous_standby_names"


@dataclass(frozen=True, slots=True)
class Planted:
    """A home whose data came from elsewhere."""

    home: Home

    @classmethod
    def plant(cls, path: Path, fill: Callable[[Path], None], until: datetime | None) -> Planted:
        """Let `fill` make the data directory, which recovers to `until`, or to the end of its log, at its first start.

        `path` must not be a home yet.
        """
        home = homes.choose(path)
        account = homes.prepare(home)
        unfinished = home.path / "data.unfinished"
        fill(unfinished)
        (unfinished / "recovery.signal").touch()
        auto = unfinished / AUTO
        lines = auto.read_text().splitlines(keepends=True)
        before = "".join(line for line in lines if not line.startswith(_NAMES))
        (unfinished / _FIRST).write_text(before)
        target = f"recovery_target_time = '{until.isoformat()}'\n" if until else ""
        auto.write_text(before + _RECOVERY + target)
        for parent, folders, files in os.walk(unfinished):
            for name in (".", *folders, *files):
                if account.handed_over:
                    os.chown(Path(parent) / name, account.uid, account.gid, follow_symlinks=False)
        account.give(unfinished)
        unfinished.rename(home.data)
        return cls(home)

    @staticmethod
    def rests(path: Path) -> bool:
        """Whether no server runs in that home; one whose users were killed is stopped, one that is in use is not."""
        home = homes.choose(path)
        return not (home.start_lock.exists() and home.users_lock.exists()) or last_out.stop_if_unused(home.path)

    @contextlib.contextmanager
    def opened(self, progress: Callable[[str], None] | None = None, *, schema: bool = True) -> Iterator[Database]:
        """Its database, which this holder alone may write; with `schema` brought to this Kanjo's step."""
        with server.use(self.home, progress or last_out.nothing) as running:
            url = make_conninfo(running.conninfo(NAME), options="-c default_transaction_read_only=off")
            found = connect.reach(url, embedded=True)
            if schema:
                migrate.ensure(found)
            yield found

    def settle(self) -> None:
        """Take away what kept others from writing; the server must be stopped."""
        (self.home.data / _FIRST).replace(self.home.data / AUTO)
        sync_folder(self.home.data)
