"""IDENTIFY_SYSTEM asked of a server, within a time: a link that swallows packets must not hold up the one who asks."""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.pq import ConnStatus, ExecStatus

from kanjo.sites.identity import Identity, position_of

CONNECT_S = 2
"""libpq takes no less."""
ANSWER_S = 1.0


class NoAnswer(Exception):
    """The server could not be reached, refused, or said nothing in time; the text says which."""


def identify(address: Mapping[str, Any]) -> Identity:
    """Who stands at an address (libpq's keywords). Errors: NoAnswer, after `CONNECT_S` and `ANSWER_S` at the latest."""
    wanted = {"connect_timeout": CONNECT_S, "application_name": "kanjo sites", **address, "replication": "true"}
    try:
        # closed, never committed: the answer is not read to its end
        with contextlib.closing(psycopg.connect(**wanted, autocommit=True)) as connection:
            standby = connection.pgconn.parameter_status(b"in_hot_standby") == b"on"
            system, timeline, lsn = _ask(connection, b"IDENTIFY_SYSTEM")[:3]
            return Identity(system, int(timeline), position_of(lsn), is_standby=standby)
    except (psycopg.Error, OSError, ValueError) as error:
        raise NoAnswer(str(error).strip() or type(error).__name__) from error


def _ask(connection: psycopg.Connection[Any], command: bytes) -> list[str]:
    """One row of texts for a replication command; psycopg's own wait knows no end, so this is libpq's."""
    pgconn, until_s = connection.pgconn, time.monotonic() + ANSWER_S
    pgconn.send_query(command)
    while pgconn.flush() or pgconn.is_busy():
        left_s = until_s - time.monotonic()
        if left_s <= 0 or not select.select([pgconn.socket], [], [], left_s)[0]:
            pgconn.finish()  # what may still come would be taken for an answer, and closing politely could wait too
            raise psycopg.OperationalError(f"no answer within {ANSWER_S:g} s")
        pgconn.consume_input()
    result = pgconn.get_result()
    if pgconn.status == ConnStatus.BAD or result is None or result.status != ExecStatus.TUPLES_OK or not result.ntuples:
        said = result.error_message if result is not None else b"the connection was lost"
        raise psycopg.OperationalError(said.decode(errors="replace").strip() or "it gave no row")
    return [(result.get_value(0, column) or b"").decode() for column in range(result.nfields)]
