"""Bring a database's schema to a revision, forward or back.

Every step is a transaction of its own; an advisory lock lets one process at a time do it. Alembic is imported only when
there is something to do: looking is enough for nearly every command, and its import takes a third of a second.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from kanjo.db.connect import SERVICE_ROLE, Database
from kanjo.db.explain import explain
from kanjo.errors import SystemFailed

if TYPE_CHECKING:
    from alembic.config import Config

FOLDER = Path(__file__).parent / "migrations"
NOTHING = "base"

# One number for all of Kanjo's migrations; the lock is of one database, not of the server.
LOCK_MIGRATIONS = 0x6B616E6A6F  # "kanjo"

# Which step the schema stands at; no row when it was never migrated.
REVISION = "SELECT version_num FROM kanjo.revision"

# Whether the schema was ever migrated, and whether anything else lives in this database.
SURROUNDINGS = """
SELECT to_regclass('kanjo.revision') IS NOT NULL,
       EXISTS (SELECT FROM pg_class c
               JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
                 AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'kanjo')
                 AND n.nspname NOT LIKE 'pg\\_%'
                 AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e'))
"""


def revisions() -> list[str]:
    """All steps that this Kanjo knows, first to last: the numbers in front of the files' names."""
    return sorted(file.name.split("_")[0] for file in (FOLDER / "versions").glob("[0-9]*_*.py"))


def head() -> str:
    """The step that this Kanjo's code is written for."""
    return revisions()[-1]


def _current(connection: psycopg.Connection[tuple[Any, ...]]) -> tuple[str | None, bool]:
    row = connection.execute(SURROUNDINGS).fetchone()
    assert row is not None
    migrated, inhabited = row
    if not migrated:
        return None, inhabited
    found = connection.execute(REVISION).fetchone()
    return (found[0] if found else None), inhabited


def current(database: Database) -> tuple[str | None, bool]:
    """The step the schema stands at (None: no schema of Kanjo), and whether anything else lives in the database."""
    try:
        with database.connect(role="owner") as connection:
            return _current(connection)
    except psycopg.Error as error:
        raise explain(error) from error


def to(database: Database, target: str = "head") -> None:
    """Migrate to `target` (a revision, `head`, or `base` for nothing)."""
    try:
        with database.connect(role="owner") as connection, _locked(connection):
            connection.execute("CREATE SCHEMA IF NOT EXISTS kanjo")
            connection.commit()
            standing, _ = _current(connection)
            connection.commit()
            _refuse_unknown(standing)
            wanted = head() if target == "head" else target
            if (standing or NOTHING) == wanted:
                return
            _run(connection, wanted, forward=wanted != NOTHING and (standing or "") < wanted)
    except psycopg.errors.InsufficientPrivilege as error:
        raise SystemFailed(
            "database-right-missing",
            f"The database user may not make Kanjo's schema: {str(error).strip()}. Let an administrator run, once: "
            f"CREATE ROLE {SERVICE_ROLE} NOLOGIN; GRANT {SERVICE_ROLE} TO <user>; "
            "GRANT CREATE ON DATABASE <database> TO <user>; then run `kanjo up`.",
        ) from error
    except psycopg.Error as error:
        raise explain(error) from error


@contextlib.contextmanager
def _locked(connection: psycopg.Connection[tuple[Any, ...]]) -> Iterator[None]:
    connection.execute("SELECT pg_advisory_lock(%s)", (LOCK_MIGRATIONS,))
    connection.commit()
    yield
    # the lock goes with the session


def _run(connection: psycopg.Connection[tuple[Any, ...]], target: str, *, forward: bool) -> None:
    import sqlalchemy
    from alembic import command

    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: connection, poolclass=sqlalchemy.pool.StaticPool
    )
    try:
        with engine.connect() as bound:
            (command.upgrade if forward else command.downgrade)(_config(bound), target)
    except sqlalchemy.exc.DBAPIError as error:  # the driver's error in alembic's own statements
        raise error.orig or error from error


def _config(bound: object) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = bound
    return config


def _refuse_unknown(standing: str | None) -> None:
    if standing is not None and standing not in revisions():
        raise SystemFailed(
            "schema-unknown",
            f"The database's schema is at step {standing}, which this Kanjo does not know (it knows up to {head()}): a "
            "newer Kanjo made it. Use that one, or another database.",
            found=standing,
            expected=head(),
        )


def ensure(database: Database) -> None:
    """Refuse a schema that does not fit; make it in an empty database; migrate an embedded one that is behind.

    Errors: `schema-behind` and `database-not-empty` (somebody else's database is changed only by `kanjo up`),
    `schema-unknown`.
    """
    standing, inhabited = current(database)
    if standing == head():
        return
    _refuse_unknown(standing)
    if standing is None and inhabited and not database.embedded:
        raise SystemFailed(
            "database-not-empty",
            f"The database {database.name} holds tables of somebody else and no schema of Kanjo. If it is the right "
            "one, run `kanjo up` to put the schema beside them; else correct KANJO_DATABASE_URL.",
        )
    if standing is not None and not database.embedded:
        raise SystemFailed(
            "schema-behind",
            f"The schema of {database.name} is at step {standing}; this Kanjo needs {head()}. Run `kanjo up` to "
            "migrate it (make a backup first).",
            found=standing,
            expected=head(),
        )
    to(database)
