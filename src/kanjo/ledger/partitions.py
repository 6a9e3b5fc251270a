"""Partitions by month, made by the owner ahead of time (D-2): a posting or a load never waits for one to be made."""

from __future__ import annotations

from datetime import date

from kanjo.db import Database

MONTHS_AHEAD = 13
"""A file's date is resolved within a year of the business date (R-5), so a month more than a year is enough."""


def ensure_partitions(database: Database, first: date) -> int:
    """Make what is missing from the month of `first` on; returns how many were made."""
    made = 0
    with database.connect(role="owner", autocommit=True) as connection:
        connection.execute("SET lock_timeout = '2s'")
        for ahead in range(MONTHS_AHEAD + 1):
            month = date(first.year + (first.month - 1 + ahead) // 12, (first.month - 1 + ahead) % 12 + 1, 1)
            for parent in ("entry", "item"):
                row = connection.execute("SELECT ledger.ensure_partition(%s, %s)", (parent, month)).fetchone()
                made += bool(row and row[0])
    return made
