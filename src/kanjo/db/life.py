"""`kanjo up`, `down` and `status`: the embedded server as the operator sees it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
import psycopg

from kanjo.db import cluster, connect, last_out, migrate, server
from kanjo.db import home as homes
from kanjo.db.connect import Database
from kanjo.db.explain import explain
from kanjo.db.home import Home
from kanjo.db.open import NAME, create_database, database, external_url
from kanjo.errors import Refused, SystemFailed

# How much room the database takes, whom a commit waits for besides the disk, and what a session may not go below.
STANDING = """SELECT pg_database_size(current_database()), current_setting('synchronous_standby_names'),
  current_setting('kanjo.synchronous_commit', true)"""

# Which life of the ledger this is, and whether it may serve.
LIFE = "SELECT max(epoch), bool_or(shut) FROM ledger.epoch CROSS JOIN ledger.day"


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How the database stands. An external one has no pid, folder or socket that we know of.

    `epoch`, of the ledger: the first life, and one more for each restore, whose doors are shut until it is released.
    """

    embedded: bool
    running: bool
    starting: bool = False
    kept_running: bool
    url: str | None = None
    version: str | None = None
    schema_revision: str | None = None
    schema_expected: str
    size_bytes: int | None = None
    waits_for: str | None = None
    demands: str | None = None
    epoch: int | None = None
    doors: Literal["open", "shut"] | None = None
    pid: int | None = None
    home: str | None = None
    data_directory: str | None = None
    socket: str | None = None


def up(home: Path | None = None, *, progress: Callable[[str], None] | None = None) -> Status:
    """Start the embedded server, bring its schema up to date, and leave it running until `down`.

    With KANJO_DATABASE_URL: migrate that database; this is the only command that changes its schema.
    """
    with database(home, migrate=False, progress=progress) as found:
        migrate.to(found)
        if not found.embedded:
            return status(home)
        server.keep(homes.choose(home))
        return status(home)


def down(home: Path | None = None, *, progress: Callable[[str], None] | None = None) -> Status:
    """Let the embedded server stop: at once, or when the commands that still use it have ended."""
    if external_url(None) is not None:
        raise Refused(
            "not-embedded", "KANJO_DATABASE_URL names a database that Kanjo did not start, so it does not stop it."
        )
    chosen = homes.choose(home)
    server.release(chosen, progress or last_out.nothing)
    return status(home)


def full_disk(home: Path | None = None) -> SystemFailed | None:
    """The error to tell when the embedded server is lost because its disk is full, or was a moment ago; else None."""
    chosen = homes.choose(home)
    return cluster.disk_full(chosen.path) if server.has_no_room(chosen) else None


def status(home: Path | None = None) -> Status:
    """How the database stands; starts nothing."""
    if (named := external_url(None)) is not None:
        found = connect.reach(named, embedded=False)
        return _status_of(found, pid=None, home=None, socket=None)
    chosen = homes.choose(home)
    running = server.find(chosen)
    if running is None or not server.answers(running):
        return Status(
            embedded=True,
            running=False,
            starting=running is not None,
            kept_running=chosen.keep.exists(),
            schema_expected=migrate.head(),
            home=str(chosen.path),
            data_directory=str(chosen.data) if chosen.data.exists() else None,
        )
    create_database(running)
    found = connect.reach(running.conninfo(NAME), embedded=True)
    return _status_of(found, pid=last_out.postmaster_pid(chosen.path), home=chosen, socket=running.socket)


def _status_of(found: Database, *, pid: int | None, home: Home | None, socket: Path | None) -> Status:
    revision, _ = migrate.current(found)
    try:
        with found.connect(role="owner") as connection:
            row = connection.execute(STANDING).fetchone()
            life = connection.execute(LIFE).fetchone() if revision == migrate.head() else None
    except psycopg.Error as error:
        raise explain(error) from error
    assert row is not None
    return Status(
        embedded=found.embedded,
        running=True,
        kept_running=home is None or home.keep.exists(),
        url=connect.without_password(found.url),
        version=f"{found.server_version // 10000}.{found.server_version % 10000}",
        schema_revision=revision,
        schema_expected=migrate.head(),
        size_bytes=row[0],
        waits_for=row[1] or None,
        demands=row[2] or None,
        epoch=life[0] if life else None,
        doors=("shut" if life[1] else "open") if life else None,
        pid=pid,
        home=str(home.path) if home else None,
        data_directory=str(home.data) if home else None,
        socket=str(socket) if socket else None,
    )
