"""What the ledger can be asked to do. Each instruction but an enquiry bears a key, unique per client (C-2)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from hashlib import blake2b
from typing import ClassVar, TypeAlias
from uuid import UUID

import msgspec

from kanjo.ledger.account import ACCOUNT_MAX, ACCOUNT_MIN, Status, Word, is_account
from kanjo.ledger.chart import Code
from kanjo.ledger.key import uuid_of

AMOUNT_MAX_YEN = 10**15
"""No single movement is larger; a thousand times what a Zengin trailer can hold."""

_CONTENT = msgspec.msgpack.Encoder()
_CODES = frozenset(map(int, Code))
HOLD_CREDIT = int(Code.HOLD_SETTLEMENT)
"""Where captured money goes unless said otherwise."""


class Kind(Word):
    """What an entry or a request is; stored, so the numbers never change meaning."""

    DEPOSIT = 1
    WITHDRAWAL = 2
    TRANSFER = 3
    REVERSAL = 4
    HOLD_PLACE = 5
    HOLD_CAPTURE = 6
    HOLD_RELEASE = 7
    ACCOUNT_OPEN = 8
    ACCOUNT_CHANGE = 9
    OPENING = 10
    ITEM_CREDIT = 11
    ITEM_DEBIT = 12
    RUN_FUNDING = 13
    RUN_CLOSING = 14
    GIVEN_BACK = 15


REVERSIBLE = frozenset({Kind.DEPOSIT, Kind.WITHDRAWAL, Kind.TRANSFER, Kind.HOLD_CAPTURE})
"""C-3: online transactions only; what a run posted is undone by its business."""


class Movement(msgspec.Struct, frozen=True, array_like=True):
    """`amount_yen` leaves `debit` and arrives at `credit`; each is an account number or a `Code`."""

    debit: int
    credit: int
    amount_yen: int

    def __post_init__(self) -> None:
        if not 0 < self.amount_yen <= AMOUNT_MAX_YEN:
            raise ValueError(f"an amount is 1 to {AMOUNT_MAX_YEN} yen, found {self.amount_yen}")
        if self.debit == self.credit:
            raise ValueError("money moves between two different places")
        for place in (self.debit, self.credit):
            if place > ACCOUNT_MAX or not (is_account(place) or place in _CODES):
                raise ValueError(f"{place} is neither an account number nor a code of the chart")


class Instruction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The head of every instruction that is answered once and for ever."""

    client: str
    key: UUID

    kind_fixed: ClassVar[Kind]

    @property
    def kind(self) -> Kind:
        return self.kind_fixed

    def accounts(self) -> Sequence[int]:
        """The accounts named in it; those behind a reference are found by the store."""
        return ()

    def fingerprint(self) -> UUID:
        """A digest of the content: the same key with another fingerprint is refused (law 2).

        Fields at their defaults are left out, so that a field added later does not change what was stored.
        """
        content = _CONTENT.encode((self.kind, self))
        return uuid_of(blake2b(content, digest_size=16).digest())


class Post(Instruction, frozen=True, kw_only=True):
    """Move money: all movements or none, in the order given."""

    kind_of: Kind
    movements: tuple[Movement, ...]
    run: int = 0
    value_date: date | None = None

    @property
    def kind(self) -> Kind:
        return self.kind_of

    def accounts(self) -> Sequence[int]:
        named = []
        for movement in self.movements:  # asked three times of each transaction, so no calls and no pairs
            if movement.debit >= ACCOUNT_MIN:
                named.append(movement.debit)
            if movement.credit >= ACCOUNT_MIN:
                named.append(movement.credit)
        return named


class Reverse(Instruction, frozen=True, kw_only=True):
    """Undo an earlier transaction of the same client, whole and once, with its value date (C-3)."""

    kind_fixed = Kind.REVERSAL
    original: UUID


class PlaceHold(Instruction, frozen=True, kw_only=True):
    """Set money aside (オーソリ); expires when a date later than `expires_on` opens."""

    kind_fixed = Kind.HOLD_PLACE
    account: int
    amount_yen: int
    expires_on: date | None = None

    def __post_init__(self) -> None:
        if not 0 < self.amount_yen <= AMOUNT_MAX_YEN:
            raise ValueError(f"an amount is 1 to {AMOUNT_MAX_YEN} yen, found {self.amount_yen}")

    def accounts(self) -> Sequence[int]:
        return (self.account,)


class CaptureHold(Instruction, frozen=True, kw_only=True):
    """Take the held money or a part of it; what is not taken is released (C-4)."""

    kind_fixed = Kind.HOLD_CAPTURE
    hold: UUID
    amount_yen: int | None = None
    credit: int = HOLD_CREDIT

    def __post_init__(self) -> None:
        if self.credit == HOLD_CREDIT:  # msgspec omits a default by identity: an equal number would be another content
            msgspec.structs.force_setattr(self, "credit", HOLD_CREDIT)
        if self.amount_yen is not None and not 0 < self.amount_yen <= AMOUNT_MAX_YEN:
            raise ValueError(f"an amount is 1 to {AMOUNT_MAX_YEN} yen, found {self.amount_yen}")

    def accounts(self) -> Sequence[int]:
        return (self.credit,) if is_account(self.credit) else ()


class ReleaseHold(Instruction, frozen=True, kw_only=True):
    """Give the held money back to the account's own use."""

    kind_fixed = Kind.HOLD_RELEASE
    hold: UUID


class OpenAccount(Instruction, frozen=True, kw_only=True):
    """Open an account with a balance of zero."""

    kind_fixed = Kind.ACCOUNT_OPEN
    account: int
    product: int
    floor_yen: int = 0
    name_kana: str = ""

    def accounts(self) -> Sequence[int]:
        return (self.account,)


class ChangeAccount(Instruction, frozen=True, kw_only=True):
    """Set an account's status or its floor; closing is the status `closed` and is for good (C-4)."""

    kind_fixed = Kind.ACCOUNT_CHANGE
    account: int
    status: Status | None = None
    floor_yen: int | None = None

    def accounts(self) -> Sequence[int]:
        return (self.account,)


class Enquiry(msgspec.Struct, frozen=True):
    """Read one account; settles first like everything else (C-5, BV-14). Nothing is stored for it."""

    account: int

    def accounts(self) -> Sequence[int]:
        return (self.account,)


REFERRING = (Reverse, CaptureHold, ReleaseHold)
"""What touches accounts that it does not name."""
Keyed: TypeAlias = Post | Reverse | PlaceHold | CaptureHold | ReleaseHold | OpenAccount | ChangeAccount
Asked: TypeAlias = Keyed | Enquiry


def deposit(client: str, key: UUID, account: int, amount_yen: int, *, contra: int = Code.CASH) -> Post:
    """Money comes in over `contra`."""
    return Post(client=client, key=key, kind_of=Kind.DEPOSIT, movements=(Movement(int(contra), account, amount_yen),))


def withdrawal(client: str, key: UUID, account: int, amount_yen: int, *, contra: int = Code.CASH) -> Post:
    """Money goes out over `contra`."""
    movements = (Movement(account, int(contra), amount_yen),)
    return Post(client=client, key=key, kind_of=Kind.WITHDRAWAL, movements=movements)


def transfer(client: str, key: UUID, debit: int, credit: int, amount_yen: int) -> Post:
    """Between two accounts of this bank, all or nothing."""
    return Post(client=client, key=key, kind_of=Kind.TRANSFER, movements=(Movement(debit, credit, amount_yen),))
