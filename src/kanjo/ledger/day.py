"""The business date (勘定日) and its switch while postings go on (design 6, rules D-1, O-10)."""

from __future__ import annotations

import time
from datetime import date

import psycopg
from psycopg import errors

from kanjo.calendar import JAPAN
from kanjo.db import Database
from kanjo.errors import Refused, SystemFailed
from kanjo.ledger.partitions import ensure_partitions
from kanjo.ledger.postgres import DAY_LOCK, SQL

LOCK_WAIT_MS = 100
"""How long the doors may be held up by one try of the switch; a slow commit makes it try again, not wait longer."""
TRIES_MAX = 600


def business_date(connection: psycopg.Connection[tuple[date | None, ...]]) -> date | None:
    """The current business date; None before the first `day open`."""
    row = connection.execute(SQL["read_day"]).fetchone()
    assert row is not None
    return row[0]


def require_forward(current: date | None, opened: date) -> None:
    """D-1: only forward, within the calendar. Errors: `date-already-open`, `beyond-calendar`."""
    JAPAN.require_within(opened)
    if current is not None and opened <= current:
        raise Refused(
            "date-already-open",
            f"the business date is {current}; only a later date can be opened, not {opened}",
            business_date=current.isoformat(),
            asked=opened.isoformat(),
        )


def open_day(database: Database, opened: date) -> date | None:
    """Make `opened` the business date; everything due up to it is due from the moment this commits (O-4).

    The first opening of a ledger posts the opening entries of the accounts imported so far (C-6). Returns the date
    before.
    """
    with database.connect(autocommit=True) as connection:
        require_forward(business_date(connection), opened)
        ensure_partitions(database, opened)
        for _ in range(TRIES_MAX):
            try:
                with connection.transaction():
                    return _switch(connection, opened)
            except errors.LockNotAvailable:
                time.sleep(LOCK_WAIT_MS / 1000)
    raise SystemFailed("day-lock-busy", f"postings held the day lock in {TRIES_MAX} tries; the date is unchanged")


def _switch(connection: psycopg.Connection[tuple[date | None, ...]], opened: date) -> date | None:
    connection.execute(f"SET LOCAL lock_timeout = {LOCK_WAIT_MS}")
    connection.execute(SQL["take_day"], {"lock": DAY_LOCK})
    before = business_date(connection)
    require_forward(before, opened)
    if before is None:
        connection.execute(SQL["opening_entries"], {"date": opened})
    connection.execute(SQL["switch_day"], {"date": opened})
    return before
