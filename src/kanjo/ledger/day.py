"""The business date (勘定日) and its switch while postings go on (design 6, rules D-1, O-10)."""

from __future__ import annotations

import time
from datetime import date
from typing import Any

import psycopg

from kanjo.calendar import JAPAN
from kanjo.db import Database
from kanjo.errors import Refused, SystemFailed
from kanjo.ledger.partitions import ensure_partitions
from kanjo.ledger.postgres import DAY_LOCK_WAIT_MS, SQL, PostgresStore
from kanjo.ledger.store import Conflict

TRIES_MAX = 600


def business_date(connection: psycopg.Connection[Any]) -> date | None:
    """The current business date; None before the first `day open`."""
    row = connection.execute(SQL["read_day"]).fetchone()
    assert row is not None
    current: date | None = row[0]
    return current


def require_open(connection: psycopg.Connection[Any]) -> None:
    """Whether the doors may serve. Raises what `doors-shut` is told of."""
    connection.execute(SQL["require_open"])


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
    with database.connect(autocommit=True, to_post=True) as connection:
        store = PostgresStore(connection)
        before = business_date(connection)
        try:
            require_forward(before, opened)
        except Refused:
            store.confirm()  # whoever finds out so that his lost answer was "opened" shall find it everywhere
            raise
        ensure_partitions(database, opened)
        if before is None:
            with database.connect(role="owner", autocommit=True) as owner:
                owner.execute(SQL["leave_room"])
        for _ in range(TRIES_MAX):
            try:
                with store.unit() as unit:
                    unit.take_day()
                    return _switch(connection, opened)
            except Conflict:
                time.sleep(DAY_LOCK_WAIT_MS / 1000)
    raise SystemFailed("day-lock-busy", f"postings held the day lock in {TRIES_MAX} tries; the date is unchanged")


def _switch(connection: psycopg.Connection[Any], opened: date) -> date | None:
    before = business_date(connection)
    require_forward(before, opened)
    if before is None:
        connection.execute(SQL["opening_entries"], {"date": opened})
    connection.execute(SQL["switch_day"], {"date": opened})
    return before
