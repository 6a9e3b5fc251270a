"""What one posting works on: the Book is what was loaded under locks, the Changes are what will be saved.

Both are plain values without a database, so that a decision can be tested and replayed (law 6).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from enum import IntEnum
from typing import NamedTuple, TypeAlias
from uuid import UUID

import msgspec

from kanjo.ledger.account import Account, Word, is_account
from kanjo.ledger.instruction import Movement
from kanjo.ledger.outcome import Outcome

Key: TypeAlias = tuple[str, UUID]
"""Client and key."""


class LawBroken(Exception):
    """An invariant of the ledger does not hold; the database transaction must not commit. Names the law."""


RequestEntry: TypeAlias = tuple[int, int, int, int, int, int]
"""An entry that a request caused: the place of its outcome in the changes, account, sequence, signed amount, balance
after it, contra.
"""


class Phase(Word):
    """When the items of a run are settled (design 6); only pre-business items are ordered before online."""

    PRE_BUSINESS = 1
    EARLY = 2
    IN_BUSINESS = 3


class ItemKind(IntEnum):
    """The closed set of what an item can do to its one account (O-7, R-10)."""

    CREDIT = 1
    DEBIT = 2


class MandateState(IntEnum):
    """What the originator's mandate list, if one counts for the run, says of a debit item (A.6)."""

    NOT_ASKED = 0
    ACTIVE = 1
    STOPPED = 2
    MISSING = 3


class HoldStatus(Word):
    OPEN = 1
    CAPTURED = 2
    RELEASED = 3
    EXPIRED = 4


class Run(msgspec.Struct, frozen=True):
    """The facts of order of a run (O-1): they never change once registered, save that it may be cancelled."""

    run: int
    due: date
    phase: int
    priority: int
    cancelled: bool = False
    originator: str | None = None

    @property
    def rank(self) -> tuple[int, date, int, int]:
        """The place of its items on an account: pre-business first, then O-1's order."""
        return (0 if self.phase == Phase.PRE_BUSINESS else 1, self.due, self.priority, self.run)


class Item(NamedTuple):
    """One pending item of one account; `amount_yen` is positive, the kind says which way it moves."""

    account: int
    run: int
    item: int
    kind: int
    amount_yen: int
    customer: str | None = None


class StuckItem(msgspec.Struct, frozen=True):
    """An item that holds its account, and the error that it met (O-9)."""

    account: int
    run: int
    item: int
    error: str


class Hold(msgspec.Struct):
    """Money set aside under its placing key; a working copy."""

    client: str
    key: UUID
    account: int
    amount_yen: int
    expires_on: date | None
    placed_on: date
    status: int = int(HoldStatus.OPEN)
    captured_yen: int = 0
    ended_on: date | None = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a posting needs loaded. `accounts` ascending and unique; `also` names the early and in-business runs
    whose items a worker may settle here besides all that is due (a door passes none). `items_max` bounds each account's
    items, or, for `together`, those of all accounts (O-8).
    """

    accounts: list[int]
    keys: list[Key] = []
    holds: list[Key] = []
    reversals: list[Key] = []
    closing: list[int] = []
    also: list[int] = []
    items_max: int
    together: bool = False

    @property
    def all_items_max(self) -> int:
        """What bounds the items of all accounts: who shares a commit with many must not wait for the dues of each."""
        return self.items_max if self.together else 4 * self.items_max


class Book(msgspec.Struct, kw_only=True):
    """Everything a decision may look at, loaded under the locks of O-10.

    `items` stand in the order they must be settled, account by account; `unfinished` are accounts of which more is
    due than was loaded (O-8); `stuck` are items that hold their account (O-9); `verdicts` are outcomes that an operator
    gives.
    """

    date: date
    accounts: dict[int, Account]
    items: list[Item] = []
    runs: dict[int, Run] = {}
    unfinished: set[int] = set()
    stuck: set[tuple[int, int]] = set()
    mandates: dict[tuple[int, int], MandateState] = {}
    expiring: dict[int, list[Hold]] = {}
    holds: dict[Key, Hold] = {}
    requests: dict[Key, Outcome] = {}
    reversed: set[Key] = set()
    with_runs: set[int] = set()
    verdicts: dict[tuple[int, int], int] = {}


class Results(msgspec.Struct):
    """Outcomes of items, in columns."""

    account: list[int] = []
    run: list[int] = []
    item: list[int] = []
    reason: list[int] = []
    sequence: list[int] = []
    balance_yen: list[int] = []


class ItemEntries(msgspec.Struct):
    """Entries that items caused, in columns; their contra is the run's suspense."""

    account: list[int] = []
    sequence: list[int] = []
    amount_yen: list[int] = []
    balance_yen: list[int] = []
    run: list[int] = []
    item: list[int] = []
    value_date: list[date] = []


class NewAccount(msgspec.Struct, frozen=True):
    account: Account
    name_kana: str


class Changes(msgspec.Struct, kw_only=True):
    """All that one posting writes, each list for one statement."""

    date: date
    accounts: dict[int, Account] = {}
    item_entries: ItemEntries = msgspec.field(default_factory=ItemEntries)
    request_entries: list[RequestEntry] = []
    results: Results = msgspec.field(default_factory=Results)
    outcomes: list[Outcome] = []
    opened: list[NewAccount] = []
    changed: list[Account] = []
    holds_placed: list[Hold] = []
    holds_ended: list[Hold] = []
    by_before: bool = True

    def internal_entries(self) -> Iterator[tuple[int, Movement]]:
        """Movements between two codes of the chart, each with the place of its cause in `outcomes`."""
        for place, outcome in enumerate(self.outcomes):
            if not outcome.reason:
                for movement in outcome.movements:
                    if not is_account(movement.debit) and not is_account(movement.credit):
                        yield place, movement
