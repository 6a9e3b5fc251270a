"""The seam between decisions and where they are kept: one protocol, obeyed by PostgreSQL and by an in-memory twin."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import Protocol

import msgspec

from kanjo.ledger.book import Book, Changes, Item, Key, Phase, Run, StuckItem, Wanted
from kanjo.ledger.stretch import StretchBook, StretchChanges, StretchWanted


class Conflict(Exception):
    """Two postings met (a deadlock, the same key at once): nothing was saved; do it again, it is decided afresh."""


class OutcomeUnknown(Exception):
    """The connection was lost while committing, or the commit is not where the policy wants it: the caller must repeat
    the key to learn the one true outcome.

    `committing` is False when it was lost before that: then nothing happened, and the key is free.
    """

    def __init__(self, message: str = "", *, committing: bool = True) -> None:
        super().__init__(message)
        self.committing = committing


class StoreFailed(Exception):
    """The store cannot work at all just now (disk full, rights): nobody's fault among those who ask."""


class StoreAway(StoreFailed):
    """It cannot be reached or takes no writes (shutting down, a standby): it comes back, or another takes over."""


class CommitTooWeak(StoreFailed):
    """An answer would leave before the commit is where this server wants it: nothing is posted."""


NOT_POISON = (Conflict, OutcomeUnknown, StoreFailed)
"""Errors that say nothing about an instruction or item (O-9)."""


class Day(msgspec.Struct, frozen=True):
    """The business date, which cannot change while the unit lives, and the runs that are not closed."""

    date: date | None
    runs: dict[int, Run]


def is_due(run: Run, today: date) -> bool:
    """O-4: pre-business items are due from the moment their date opens, whatever the run's state but cancelled."""
    return run.phase == Phase.PRE_BUSINESS and run.due <= today and not run.cancelled


def due_runs(day: Day, wanted: Wanted) -> list[Run]:
    """The runs whose items a posting settles, in O-1's order: all that is due, and those a worker may add."""
    assert day.date is not None
    today = day.date
    also = set(wanted.also)
    return sorted((run for run in day.runs.values() if is_due(run, today) or run.run in also), key=lambda run: run.rank)


def bounded(rows: Sequence[Item], wanted: Wanted, held: Collection[int]) -> tuple[list[Item], set[int]]:
    """Cut what was loaded, account by account, to the bounds of O-8, and name the accounts that have more.

    One row beyond the bound was asked for, of each account. Those that a stuck item holds are bounded by themselves, or
    what waits behind it would fill the bound, and nobody else's turn would ever come (O-9).
    """
    if len(rows) <= wanted.items_max:
        return list(rows), set()
    kept: list[Item] = []
    unfinished: set[int] = set()
    counts: dict[int, int] = {}
    left = wanted.all_items_max
    for row in rows:
        account = row[0]
        counts[account] = count = counts.get(account, 0) + 1
        if count > wanted.items_max or (not left and account not in held):
            unfinished.add(account)
        else:
            kept.append(row)
            left -= account not in held
    return kept, unfinished


class Unit(Protocol):
    """One database transaction on one cell. Calls come in the order of O-10: day, load, save or finish."""

    def day(self) -> Day:
        """Take the shared day lock, then read the date and the open runs."""

    def take_day(self) -> None:
        """Take the day lock for oneself, for a short while; Conflict when postings hold it for longer than that."""

    def accounts_behind(self, reversals: Sequence[Key], holds: Sequence[Key]) -> set[int]:
        """The accounts of the originals and holds that instructions refer to."""

    def load(self, day: Day, wanted: Wanted) -> Book:
        """Lock the accounts ascending, then read all that a decision on them needs."""

    def load_today(self, wanted: Wanted) -> Book | None:
        """`day` and `load` in one round trip when as much is due as lately; None when no date is open."""

    def save(self, changes: Changes) -> None:
        """Write the changes, one statement a table."""

    def finish(self, changes: Changes) -> None:
        """Write the changes and commit, in one round trip; the unit is at its end."""

    def load_stretch(self, day: Day, wanted: StretchWanted) -> StretchBook | None:
        """Lock the next accounts of a slice ascending and read what is due on them; None when the slice has no more, or
        its run is closed.
        """

    def save_stretch(self, changes: StretchChanges) -> None:
        """Write what a worker did, one statement a table."""

    def mark_stuck(self, item: Item, error: str) -> None:
        """Let this item hold its account (O-9)."""

    def take_stuck(self, run: int, item: int) -> int | None:
        """End that; returns the account, None when the item was not stuck."""

    def list_stuck(self, runs: Sequence[int]) -> list[StuckItem]:
        """What is stuck of these runs."""


class Store(Protocol):
    def unit(self) -> AbstractContextManager[Unit]:
        """Begin a unit; commits when the block ends, undoes everything when it raises.

        Raises Conflict or OutcomeUnknown in place of the database's own errors of these kinds.
        """
