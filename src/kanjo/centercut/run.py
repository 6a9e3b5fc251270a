"""A run (センタカットの一回): what it is, where it stands, what its items came to."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal, TypeAlias, assert_never

import msgspec
import numpy as np

from kanjo.ledger import Phase

State: TypeAlias = Literal["registered", "ready", "running", "paused", "closing", "completed", "cancelled"]
Finish: TypeAlias = Literal["completed", "cancelled"]


class NewRun(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a run before its first item."""

    business: str
    due: date
    phase: Phase
    priority: int
    registered_at: datetime
    registered_on: date
    account: int | None = None
    originator: str | None = None
    reference: str = ""
    detail: dict[str, Any] = {}


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted while a run was loaded. `digest` identifies its content (R-4); amounts in yen."""

    digest: str
    items: int
    amount_yen: int
    other_bank_items: int
    other_bank_amount_yen: int
    funded_yen: int
    detail: dict[str, Any]


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """A run as stored: the ledger's facts of order and the centre cut's own. Amounts in yen."""

    run: int
    business: str
    due: date
    phase: Phase
    priority: int
    cancelled: bool
    account: int | None
    originator: str | None
    digest: str
    reference: str
    items: int
    amount_yen: int
    other_bank_items: int
    other_bank_amount_yen: int
    funded_yen: int
    detail: dict[str, Any]
    started: bool
    paused: bool
    finished: Finish | None
    note: str
    claimed_at: datetime | None
    finished_at: datetime | None

    def state(self, today: date | None) -> State:
        """R-1, derived: only what cannot be derived is stored."""
        match self.finished:
            case "completed" | "cancelled":
                return self.finished
            case None:
                pass
            case _:
                assert_never(self.finished)
        if self.cancelled:
            return "closing"
        if self.paused:
            return "paused"
        if today is None or self.due > today:
            return "registered"
        return "running" if self.claimed_at is not None else "ready"


class Items(msgspec.Struct, frozen=True, kw_only=True):
    """Items of a run in columns of one length, for one call of `Loading`.

    `item` int32 (ascending over the run), `account` int64, `amount_yen` int64 (positive); `kind` for all of them;
    `customer` normalised text for debits whose originator's mandates count, else None.
    """

    item: np.ndarray[Any, Any]
    account: np.ndarray[Any, Any]
    amount_yen: np.ndarray[Any, Any]
    kind: int
    customer: list[str] | np.ndarray[Any, Any] | None = None

    def __len__(self) -> int:
        return len(self.item)


class Slice(msgspec.Struct, frozen=True):
    """A claimed slice: what is left of a range of accounts of one run."""

    run: int
    slice: int
    next_account: int
    last_account: int
    items: int
    due: date
    is_first: bool


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What the items of a run came to so far. Amounts in yen."""

    settled: int = 0
    accepted: int = 0
    accepted_yen: int = 0
    refused: int = 0
    refused_yen: int = 0
    settled_by_before: int = 0
    credited_yen: int = 0
    debited_yen: int = 0
