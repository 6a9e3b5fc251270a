"""A database of one's own on the same server, gone at the end: for the demo, the benchmarks and the tests."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator

import psycopg
from psycopg import sql

from kanjo.db import migrate
from kanjo.db.connect import Database
from kanjo.db.explain import explain


@contextlib.contextmanager
def scratch(database: Database, prefix: str, *, template: str | None = None) -> Iterator[Database]:
    """Create a migrated database named `prefix` and a random word; drop it at the end, whoever is still connected.

    `template`: the name of a migrated database of the server that nobody is connected to; copying it is quicker.
    """
    name = f"{prefix}_{secrets.token_hex(6)}"
    _execute(
        database,
        sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template or "template0")),
    )
    try:
        own = database.named(name)
        if template is None:
            migrate.to(own)
        yield own
    finally:
        _execute(database, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _execute(database: Database, statement: sql.Composed) -> None:
    # not from the database itself: it may be the template, which must have no visitors
    with database.named("postgres").connect(role="owner", autocommit=True) as connection:
        try:
            connection.execute(statement)
        except psycopg.Error as error:
            raise explain(error) from error
