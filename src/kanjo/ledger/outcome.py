"""What the ledger answers: outcomes, which are stored and answered again, and snapshots, which are not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TypeAlias
from uuid import UUID

import msgspec

from kanjo.ledger.account import ACCOUNT_MIN
from kanjo.ledger.instruction import Kind, Movement
from kanjo.ledger.reason import NOT_STORED, Reason


class Touch(msgspec.Struct, frozen=True, array_like=True):
    """What a decision stood on (O-2): the account's last sequence and its balance before the decision."""

    account: int
    sequence: int
    balance_yen: int


class EntryLine(msgspec.Struct, frozen=True, array_like=True):
    """One entry as an answer shows it: signed amount and the balance after it."""

    account: int
    sequence: int
    amount_yen: int
    balance_yen: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The one outcome of a key. `reason` is ACCEPTED or says why not; `replayed` when it was decided earlier, and then
    `resolved` when that may have been in this very call: its commit was in doubt, and this was found by the key.
    """

    client: str
    key: UUID
    fingerprint: UUID
    kind: Kind
    reason: Reason
    business_date: date | None
    value_date: date | None = None
    run: int = 0
    reference: UUID | None = None
    movements: tuple[Movement, ...] = ()
    touched: tuple[Touch, ...] = ()
    replayed: bool = False
    resolved: bool = False

    @property
    def accepted(self) -> bool:
        return not self.reason

    @property
    def is_stored(self) -> bool:
        """Whether it is a decision, kept under its key for ever."""
        return not self.reason or self.reason not in NOT_STORED

    @property
    def entries(self) -> tuple[EntryLine, ...]:
        """The entries it made, recomputed from what it was decided on: equal for ever, stored once."""
        if not self.accepted:
            return ()
        at = {touch.account: (touch.sequence, touch.balance_yen) for touch in self.touched}
        lines = []
        for account, amount_yen, _ in legs(self.movements):
            sequence, balance_yen = at[account]
            at[account] = (sequence + 1, balance_yen + amount_yen)
            lines.append(EntryLine(account, sequence + 1, amount_yen, balance_yen + amount_yen))
        return tuple(lines)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to an enquiry: the account as it stands after all that was due (BV-14).

    A `reason` other than ACCEPTED says why there is no account to show; the figures are zero then.
    """

    account: int
    business_date: date | None
    reason: Reason = Reason.ACCEPTED
    product: int = 0
    status: int = 0
    balance_yen: int = 0
    held_yen: int = 0
    floor_yen: int = 0
    sequence: int = 0

    @property
    def available_yen(self) -> int:
        return self.balance_yen - self.held_yen - self.floor_yen


class NotDecided(msgspec.Struct, frozen=True, kw_only=True):
    """The program failed on this instruction alone (O-9): nothing is stored, the key is free, operators see why."""

    message: str


Answer: TypeAlias = Outcome | Snapshot | NotDecided


def legs(movements: Sequence[Movement]) -> list[tuple[int, int, int]]:
    """Customer entries of movements in posting order: (account, signed amount in yen, contra)."""
    found = []
    for movement in movements:
        debit, credit, amount_yen = movement.debit, movement.credit, movement.amount_yen
        if debit >= ACCOUNT_MIN:
            found.append((debit, -amount_yen, credit))
        if credit >= ACCOUNT_MIN:
            found.append((credit, amount_yen, debit))
    return found
