"""The doors' pulse: each publishes how quick it was, and an adaptive cut yields when one is too slow.

The clock is the caller's, so that tests and several machines decide what "now" means.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import psycopg

from kanjo.db.queries import Queries

PULSE_SQL = Queries("kanjo.ledger", "pulse.sql")
_INTEGER_MAX = 2**31 - 1
EVERY = timedelta(seconds=1)


class Pulse:
    """What one door has to say of itself: how long its callers waited since its last word, told once a second.

    `door` is unique among all processes; `now` is the door's clock.
    """

    def __init__(self, door: str, now: Callable[[], datetime]) -> None:
        self.door = door
        self._now = now
        self._lock = threading.Lock()
        self._waits_us: list[int] = []
        self._told_at = now()

    def note(self, waits_us: Iterable[int]) -> None:
        """So long did these callers wait, each from asking to the committed answer."""
        with self._lock:
            self._waits_us.extend(waits_us)

    def tell(self, connection: psycopg.Connection[Any]) -> None:
        """Publish what was noted if a second has passed; otherwise nothing."""
        now = self._now()
        with self._lock:
            if timedelta() <= now - self._told_at < EVERY or not self._waits_us:  # a clock may be set back
                return
            waits_us, self._waits_us, self._told_at = sorted(self._waits_us), [], now
        publish(connection, self.door, now, waits_us[len(waits_us) * 99 // 100], len(waits_us))


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
