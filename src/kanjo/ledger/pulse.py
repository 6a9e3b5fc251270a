"""The doors' pulse: each publishes how quick it was, and an adaptive cut yields when one is too slow.

The clock is the caller's, so that tests and several machines decide what "now" means.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg

from kanjo.db.queries import Queries

PULSE_SQL = Queries("kanjo.ledger", "pulse.sql")
_INTEGER_MAX = 2**31 - 1


def publish(connection: psycopg.Connection[Any], door: str, at: datetime, p99_us: int, transactions: int) -> None:
    """Say for `door` that until `at` (with a zone) it answered so many, 99 of 100 within `p99_us` microseconds."""
    assert at.tzinfo is not None and p99_us >= 0 and transactions >= 0
    parameters = {
        "door": door,
        "at": at,
        "p99_us": min(p99_us, _INTEGER_MAX),
        "transactions": min(transactions, _INTEGER_MAX),
    }
    connection.execute(PULSE_SQL["publish_pulse"], parameters)


def slowest(connection: psycopg.Connection[Any], since: datetime) -> int | None:
    """The slowest door's p99 in microseconds among those that served anybody since then; None when none did."""
    assert since.tzinfo is not None
    row = connection.execute(PULSE_SQL["slowest_pulse"], {"since": since}).fetchone()
    assert row is not None
    found: int | None = row[0]
    return found
