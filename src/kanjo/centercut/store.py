"""The seam to where runs and slices are kept; bound to a unit of the ledger, so that a claim is the transaction that
settles it. PostgreSQL and an in-memory twin obey it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Protocol

from kanjo.centercut.memory import MemoryRuns
from kanjo.centercut.postgres import PostgresRuns
from kanjo.centercut.run import Counted, Finish, Items, NewRun, RunRow, Slice, Totals
from kanjo.ledger import Item, MemoryUnit, PostgresUnit, Reason, Unit


class Runs(Protocol):
    """Runs and slices within one unit of the ledger."""

    def today(self) -> date | None:
        """The business date as it is just now, without the lock that a posting takes."""

    def register(self, new: NewRun) -> int:
        """Number a new run; its items follow."""

    def add_items(self, run: int, new: NewRun, items: Items) -> None:
        """Store items of the run."""

    def end_loading(self, run: int, counted: Counted) -> None:
        """Store what was counted while loading."""

    def lock_digest(self, digest: str) -> None:
        """Wait for a load of the same content under way, so that one of the two finds the other (R-4)."""

    def find_digest(self, run: int, digest: str) -> int | None:
        """Another run with this digest that is not cancelled."""

    def find_alike(self, run: int, new: NewRun, amount_yen: int) -> int | None:
        """Another live run of the same business, originator, date and total."""

    def make_slices(self, run: int, new: NewRun, items_max: int) -> None:
        """Cut the run's accounts into ranges of about `items_max` items."""

    def claim(self, runs: Sequence[int] | None) -> Slice | None:
        """Lock a slice that may be settled now; None when there is none that nobody else has."""

    def first_claim(self, run: int, at: datetime) -> None:
        """The run is running from now on (R-1)."""

    def advance_slice(self, claimed: Slice, next_account: int) -> None:
        """All accounts before this one are settled."""

    def released(self) -> list[int]:
        """Runs whose items a worker settles besides what is due."""

    def end_slice(self, claimed: Slice) -> None:
        """Nothing is left to do in it."""

    def reopen_slices(self, account: int) -> None:
        """Let workers look at the account again in every run that is not finished: what a stuck item held is free."""

    def open_slices(self, run: int) -> int:
        """How many slices of the run are not done."""

    def wait_for_slices(self, run: int) -> int:
        """Wait until nobody holds a slice of the run; how many are not done then. Conflict when one is held long."""

    def lock_run(self, run: int) -> None:
        """Keep everybody else from closing or changing the run."""

    def rows(self, runs: Sequence[int] | None, *, unfinished: bool = False) -> list[RunRow]:
        """Runs by number; all of them for None. `unfinished`: without those that are over."""

    def totals(self, row: RunRow) -> Totals:
        """What the run's items came to, in yen."""

    def counts(self, runs: Sequence[int]) -> dict[int, Totals]:
        """Settled, accepted, refused and settled by Before, without amounts."""

    def item(self, row: RunRow, item: int) -> tuple[Item, Reason | None] | None:
        """One item and its outcome, if it has one."""

    def set_started(self, runs: Sequence[int]) -> None: ...

    def set_paused(self, run: int, paused: bool) -> None: ...

    def set_cancelled(self, run: int) -> None: ...

    def set_finished(self, run: int, finished: Finish, at: datetime, note: str) -> None:
        """The run is closed: the ledger looks at it no more."""

    def set_detail(self, run: int, detail: dict[str, Any]) -> None:
        """Add to what the business remembers of the run."""


def runs_in(unit: Unit) -> Runs:
    """The runs of the database that the unit works on."""
    if isinstance(unit, PostgresUnit):
        return PostgresRuns(unit)
    assert isinstance(unit, MemoryUnit)
    return MemoryRuns(unit)
