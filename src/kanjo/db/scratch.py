"""A database of one's own on the same server, gone at the end: for the demo, the benchmarks and the tests.

Its maker keeps a session that bears its name. The session goes when the maker dies, so whoever makes the next one of
the same kind drops what killed makers left.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from kanjo.db import migrate
from kanjo.db.connect import Database
from kanjo.db.explain import explain
from kanjo.errors import KanjoError

# Databases of this kind that no session keeps. The keeper is there before its database is, so none is taken for
# abandoned while it is being made. (An advisory lock would not do: it is known only inside one database.)
ABANDONED = """
SELECT d.datname
FROM pg_database d
WHERE d.datname ~ %s
  AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.application_name = d.datname)
"""


@contextlib.contextmanager
def scratch(database: Database, prefix: str, *, template: str | None = None) -> Iterator[Database]:
    """Create a migrated database named kanjo, `prefix` and a random word; drop it at the end, whoever is connected.

    `template`: the name of a migrated database of the server that nobody is connected to; copying it is quicker.
    """
    name = f"kanjo_{prefix}_{secrets.token_hex(6)}"
    with _keeper(database, name) as keeper:
        _drop_abandoned(keeper, prefix)
        _create(keeper, name, template or "template0")
        own = database.named(name)
        try:
            if template is None:
                migrate.to(own)
            yield own
        except BaseException:
            with contextlib.suppress(KanjoError):  # what went wrong in there is worth more than this
                _drop(keeper, name)
            raise
        _drop(keeper, name)


@contextlib.contextmanager
def _keeper(database: Database, name: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """The session that creates, keeps and drops. On our own server not in `database` itself: it may be a template."""
    place = database.named("postgres") if database.embedded else database
    named = replace(place, url=make_conninfo(place.url, application_name=name))
    with contextlib.closing(named.connect(role="owner", autocommit=True)) as connection:
        yield connection


def _drop_abandoned(keeper: psycopg.Connection[tuple[Any, ...]], prefix: str) -> None:
    try:
        abandoned = keeper.execute(ABANDONED, (f"^kanjo_{prefix}_[0-9a-f]{{12}}$",)).fetchall()
    except psycopg.Error as error:
        raise explain(error) from error
    for row in abandoned:
        with contextlib.suppress(KanjoError):  # somebody else's, or somebody else was quicker
            _drop(keeper, row[0])


def _create(keeper: psycopg.Connection[tuple[Any, ...]], name: str, template: str) -> None:
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    try:
        keeper.execute(statement)
    except psycopg.Error as error:
        raise explain(error) from error


def _drop(keeper: psycopg.Connection[tuple[Any, ...]], name: str) -> None:
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    try:
        keeper.execute(statement)
    except psycopg.Error as error:
        raise explain(error) from error
