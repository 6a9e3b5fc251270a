"""Fetching what only the other site has: our server follows its leader for a moment, then nobody again.

Whatever happens, both settings are reset: a stale one would send this node to the other site at its next start.
(Patroni also sweeps them out of postgresql.auto.conf at every start, should the gate be killed in between.)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from kanjo.sites.facts import own_identity
from kanjo.sites.identity import Identity
from kanjo.sites.node_file import NodeFile

POLL_S = 0.1
CONNECT_S = 2

_SETTINGS = ("primary_conninfo", "primary_slot_name")


class CatchUpFailed(Exception):
    """The log was not fetched; the text says why."""


def catch_up(node: NodeFile, origin: Identity, until_s: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Follow the other site's leader until we have what it had. Errors: CatchUpFailed, at `until_s` at the latest."""
    address = node.here | {"user": node.superuser, "dbname": "postgres", "connect_timeout": CONNECT_S}
    try:
        with psycopg.connect(**address, autocommit=True) as connection:
            # nothing here waits for a commit: ALTER SYSTEM writes a file, and the server is a standby
            connection.execute("SET statement_timeout = '5s'")
            try:
                _point(connection, make_conninfo(**node.across, application_name=node.name))
                _wait(node, origin, until_s, clock)
            finally:
                _reset(connection)
    except psycopg.Error as error:
        raise CatchUpFailed(str(error).strip()) from error


def _point(connection: psycopg.Connection[Any], conninfo: str) -> None:
    """To the other site's leader, without a slot: its one slot is for its own standby."""
    for name, value in zip(_SETTINGS, (conninfo, ""), strict=True):
        connection.execute(
            sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)), prepare=False
        )
    connection.execute("SELECT pg_catalog.pg_reload_conf()")


def _wait(node: NodeFile, origin: Identity, until_s: float, clock: Callable[[], float]) -> None:
    while True:
        own = own_identity(node, {})
        if own is not None and own.timeline >= origin.timeline and own.position >= origin.position:
            return
        if clock() >= until_s:
            raise CatchUpFailed("the log did not come in time")
        time.sleep(POLL_S)


def _reset(connection: psycopg.Connection[Any]) -> None:
    for name in _SETTINGS:
        connection.execute(sql.SQL("ALTER SYSTEM RESET {}").format(sql.Identifier(name)), prepare=False)
    connection.execute("SELECT pg_catalog.pg_reload_conf()")
