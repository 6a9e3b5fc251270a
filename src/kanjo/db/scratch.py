"""A database of one's own on the same server, gone at the end: for the demo, the benchmarks and the tests.

Its maker holds an advisory lock on its name. The lock goes when the maker dies, so whoever makes the next one of the
same kind drops what killed makers left.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql

from kanjo.db import migrate
from kanjo.db.connect import Database
from kanjo.db.explain import explain
from kanjo.errors import KanjoError

# Hold the name of a database for as long as this session lives; false when another session does.
CLAIM = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"

# Databases of this kind that nobody holds any more. Bounded: others will take what one leaves.
ABANDONED = """
SELECT datname
FROM pg_database
WHERE datname ~ %s AND pg_try_advisory_lock(hashtextextended(datname, 0))
LIMIT 100
"""


@contextlib.contextmanager
def scratch(database: Database, prefix: str, *, template: str | None = None) -> Iterator[Database]:
    """Create a migrated database named kanjo, `prefix` and a random word; drop it at the end, whoever is connected.

    `template`: the name of a migrated database of the server that nobody is connected to; copying it is quicker.
    """
    name = f"kanjo_{prefix}_{secrets.token_hex(6)}"
    with _caretaker(database) as caretaker:
        for abandoned in _rows(caretaker, ABANDONED, f"^kanjo_{prefix}_[0-9a-f]{{12}}$"):
            _drop(caretaker, abandoned[0])
        _rows(caretaker, CLAIM, name)
        _create(caretaker, name, template or "template0")
        own = database.named(name)
        try:
            if template is None:
                migrate.to(own)
            yield own
        except BaseException:
            with contextlib.suppress(KanjoError):  # what went wrong in there is worth more than this
                _drop(caretaker, name)
            raise
        _drop(caretaker, name)


@contextlib.contextmanager
def _caretaker(database: Database) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """The session that creates, holds and drops. On our own server not in `database` itself: it may be a template."""
    place = database.named("postgres") if database.embedded else database
    with contextlib.closing(place.connect(role="owner", autocommit=True)) as connection:
        yield connection


def _rows(caretaker: psycopg.Connection[tuple[Any, ...]], statement: str, value: str) -> list[tuple[Any, ...]]:
    try:
        return caretaker.execute(statement, (value,)).fetchall()
    except psycopg.Error as error:
        raise explain(error) from error


def _create(caretaker: psycopg.Connection[tuple[Any, ...]], name: str, template: str) -> None:
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    try:
        caretaker.execute(statement)
    except psycopg.Error as error:
        raise explain(error) from error


def _drop(caretaker: psycopg.Connection[tuple[Any, ...]], name: str) -> None:
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    try:
        caretaker.execute(statement)
    except psycopg.Error as error:
        raise explain(error) from error
