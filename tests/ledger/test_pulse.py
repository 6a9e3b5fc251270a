"""The doors' pulse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kanjo.db import Database
from kanjo.ledger.pulse import Pulse, publish, slowest

NOON = datetime(2026, 8, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_the_slowest_door_counts(database: Database) -> None:
    """Each door's latest word counts, while it is fresh and somebody was served."""
    with database.connect(autocommit=True) as connection:
        assert slowest(connection, NOON) is None

        publish(connection, "http-1", NOON, 9_000, 10)
        publish(connection, "http-1", NOON + SECOND, 4_000, 10)
        publish(connection, "http-2", NOON, 7_000, 10)
        publish(connection, "idle", NOON + SECOND, 99_000, 0)

        assert slowest(connection, NOON) == 7_000
        assert slowest(connection, NOON + SECOND) == 4_000
        assert slowest(connection, NOON + 2 * SECOND) is None


def test_a_door_whose_clock_is_set_back_is_heard_at_once(database: Database) -> None:
    """Not when its clock is where it was, an hour later."""
    times = iter([NOON, NOON - timedelta(hours=1)])
    with database.connect(autocommit=True) as connection:
        pulse = Pulse("http-1", lambda: next(times))
        pulse.note([5_000])
        pulse.tell(connection)

        assert slowest(connection, NOON - timedelta(hours=1)) == 5_000
