"""Open the database of this command: the one that a URL names, or the embedded one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from kanjo.db import connect, last_out, server
from kanjo.db import home as homes
from kanjo.db import migrate as migrations
from kanjo.db.connect import Database
from kanjo.db.explain import explain

# The embedded server's database.
NAME = "kanjo"

# Whether the embedded server's database was created yet.
DATABASE_EXISTS = "SELECT FROM pg_database WHERE datname = %s"


def external_url(url: str | None) -> str | None:
    """The URL given, or KANJO_DATABASE_URL, or None for the embedded server."""
    return url or os.environ.get("KANJO_DATABASE_URL") or None


@contextlib.contextmanager
def database(
    home: Path | None = None,
    *,
    url: str | None = None,
    migrate: bool = True,
    progress: Callable[[str], None] | None = None,
) -> Iterator[Database]:
    """Open Kanjo's database and see to its schema (`migrate=False`: leave it as it is).

    `url` or KANJO_DATABASE_URL names any PostgreSQL 18 or later. Without, it is the embedded server under `home`, or
    KANJO_HOME, or `.kanjo`: started if need be, stopped when its last user leaves unless `kanjo up` left it running.
    `progress` hears what is being waited for. Errors are `KanjoError`s that say what to do.
    """
    if (named := external_url(url)) is not None:
        yield _checked(connect.reach(named, embedded=False), migrate)
        return
    with server.use(homes.choose(home), progress or last_out.nothing) as running:
        create_database(running)
        yield _checked(connect.reach(running.conninfo(NAME), embedded=True), migrate)


def _checked(found: Database, with_schema: bool) -> Database:
    if with_schema:
        migrations.ensure(found)
    return found


def create_database(running: server.Running) -> None:
    """Create the embedded server's database if this is its first use; another command may be doing the same."""
    try:
        with psycopg.connect(running.conninfo("postgres"), autocommit=True) as connection:
            if connection.execute(DATABASE_EXISTS, (NAME,)).fetchone() is None:
                with contextlib.suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                    connection.execute(f"CREATE DATABASE {NAME} TEMPLATE template0")
    except psycopg.Error as error:
        raise explain(error) from error
