"""The lines of a recorded history (docs/reference/history.md): what was asked and what was answered, to JSON and back.

Times are integer microseconds of the clock that the first line names; accounts are integers, codes of the chart below
10,000 stand where an account could stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, assert_never
from uuid import UUID

import msgspec
from msgspec import Meta

from kanjo.ledger import (
    Answer,
    Asked,
    CaptureHold,
    ChangeAccount,
    Code,
    Enquiry,
    Kind,
    Movement,
    NotDecided,
    OpenAccount,
    OutcomeUnknown,
    Overloaded,
    PlaceHold,
    Post,
    Reason,
    ReleaseHold,
    Reverse,
    Snapshot,
    Status,
)

ENQUIRY = "enquiry"
"""The kind of an enquiry; all others are the ledger's own words."""
NO_ACCOUNT = frozenset({Reason.KEY_REUSED, Reason.DAY_NOT_OPEN, Reason.ITEM_STUCK})
"""Answers that looked at no account's figures (C-2)."""

Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
Account: TypeAlias = Annotated[int, Meta(ge=10_000_000, le=99_999_999_999)]
Yen: TypeAlias = Annotated[int, Meta(ge=-(2**62), le=2**62)]
DecidedOn: TypeAlias = tuple[Account, Count, Yen]
"""Account, last sequence and balance before the decision (O-2)."""
EntryTold: TypeAlias = tuple[Account, Count, Yen, Yen]
"""Account, sequence, signed amount, balance after it."""


class How(Enum):
    """How a call ended that brought no answer of the ledger."""

    UNKNOWN = "unknown"
    """The connection was lost while committing, or the caller gave up: it may have happened."""
    FAILED = "failed"
    """The store failed; nothing is believed of that, it counts as unknown."""
    OVERLOADED = "overloaded"
    """The door took nothing in: nothing was decided (C-2)."""
    NOT_DECIDED = "not-decided"
    """The program failed on this instruction alone: nothing was decided (O-9)."""


SURELY_NOTHING = frozenset({How.OVERLOADED, How.NOT_DECIDED})
"""Ends that promise that this call decided nothing."""


class _Line(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="line",
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,
):
    pass


class HeadLine(_Line, frozen=True, kw_only=True, tag="history"):
    """The first line. `complete` names the clients whose every request stands in the histories that are checked."""

    version: Literal[1]
    clock: Annotated[str, Meta(min_length=1, max_length=200)]
    complete: tuple[str, ...] = ()


class AskedLine(_Line, frozen=True, kw_only=True, tag="asked"):
    """Written before the call is made. `number` joins it to its end; the rest is the instruction, flat."""

    number: Count
    at_us: Count
    caller: str
    kind: str
    client: str | None = None
    key: UUID | None = None
    account: Account | None = None
    movements: tuple[Movement, ...] = ()
    amount_yen: Yen | None = None
    original: UUID | None = None
    hold: UUID | None = None
    credit: Count | None = None
    expires_on: date | None = None
    run: Count = 0
    value_date: date | None = None
    product: Count | None = None
    status: Status | None = None
    floor_yen: Yen | None = None
    name_kana: str = ""


class AnsweredLine(_Line, frozen=True, kw_only=True, tag="answered"):
    """Written when the caller has the answer. `touched` is what it was decided on, for an enquiry what it showed."""

    number: Count
    at_us: Count
    outcome: Literal["accepted", "refused"]
    reason: str | None = None
    replayed: bool = False
    resolved: bool = False
    business_date: date | None = None
    value_date: date | None = None
    touched: tuple[DecidedOn, ...] = ()
    entries: tuple[EntryTold, ...] = ()


class EndedLine(_Line, frozen=True, kw_only=True, tag="ended"):
    """Written when the call ended without an answer."""

    number: Count
    at_us: Count
    how: How


Line: TypeAlias = HeadLine | AskedLine | AnsweredLine | EndedLine


def asked_line(asked: Asked, *, number: int, at_us: int, caller: str) -> AskedLine:
    """The instruction as the history keeps it: whole, so that its fingerprint can be made again."""
    if isinstance(asked, Enquiry):
        return AskedLine(number=number, at_us=at_us, caller=caller, kind=ENQUIRY, account=asked.account)
    content: dict[str, Any]
    match asked:
        case Post():
            content = {"movements": asked.movements, "run": asked.run, "value_date": asked.value_date}
        case Reverse():
            content = {"original": asked.original}
        case PlaceHold():
            content = {"account": asked.account, "amount_yen": asked.amount_yen, "expires_on": asked.expires_on}
        case CaptureHold():
            content = {"hold": asked.hold, "amount_yen": asked.amount_yen, "credit": asked.credit}
        case ReleaseHold():
            content = {"hold": asked.hold}
        case OpenAccount():
            content = {
                "account": asked.account,
                "product": asked.product,
                "floor_yen": asked.floor_yen,
                "name_kana": asked.name_kana,
            }
        case ChangeAccount():
            content = {"account": asked.account, "status": asked.status, "floor_yen": asked.floor_yen}
        case _:
            assert_never(asked)
    return AskedLine(
        number=number,
        at_us=at_us,
        caller=caller,
        kind=asked.kind.word,
        client=asked.client,
        key=asked.key,
        **content,
    )


def instruction_of(line: AskedLine) -> Asked:
    """The instruction again. ValueError names what is missing or cannot be."""
    if line.kind == ENQUIRY:
        return Enquiry(_needed(line.account, "account"))
    kind = _KINDS.get(line.kind)
    if kind is None:
        raise ValueError(f"{line.kind!r} is no kind of instruction")
    client, key = _needed(line.client, "client"), _needed(line.key, "key")
    match kind:
        case Kind.REVERSAL:
            return Reverse(client=client, key=key, original=_needed(line.original, "original"))
        case Kind.HOLD_PLACE:
            return PlaceHold(
                client=client,
                key=key,
                account=_needed(line.account, "account"),
                amount_yen=_needed(line.amount_yen, "amount_yen"),
                expires_on=line.expires_on,
            )
        case Kind.HOLD_CAPTURE:
            hold = _needed(line.hold, "hold")
            credit = int(Code.HOLD_SETTLEMENT) if line.credit is None else line.credit
            return CaptureHold(client=client, key=key, hold=hold, amount_yen=line.amount_yen, credit=credit)
        case Kind.HOLD_RELEASE:
            return ReleaseHold(client=client, key=key, hold=_needed(line.hold, "hold"))
        case Kind.ACCOUNT_OPEN:
            return OpenAccount(
                client=client,
                key=key,
                account=_needed(line.account, "account"),
                product=_needed(line.product, "product"),
                floor_yen=line.floor_yen or 0,
                name_kana=line.name_kana,
            )
        case Kind.ACCOUNT_CHANGE:
            account = _needed(line.account, "account")
            return ChangeAccount(client=client, key=key, account=account, status=line.status, floor_yen=line.floor_yen)
    if not line.movements:
        raise ValueError("movements are missing")
    return Post(
        client=client,
        key=key,
        kind_of=kind,
        movements=line.movements,
        run=line.run,
        value_date=line.value_date,
    )


def end_line(answer: Answer, *, number: int, at_us: int) -> AnsweredLine | EndedLine:
    """The answer as the caller got it."""
    if isinstance(answer, NotDecided):
        return EndedLine(number=number, at_us=at_us, how=How.NOT_DECIDED)
    accepted = answer.reason == Reason.ACCEPTED
    touched: Sequence[tuple[int, int, int]] = ()
    entries: Sequence[tuple[int, int, int, int]] = ()
    if isinstance(answer, Snapshot):
        value_date, replayed, resolved = None, False, False
        if answer.reason not in NO_ACCOUNT:
            touched = ((answer.account, answer.sequence, answer.balance_yen),)
    else:
        value_date, replayed, resolved = answer.value_date, answer.replayed, answer.resolved
        touched = tuple((touch.account, touch.sequence, touch.balance_yen) for touch in answer.touched)
        entries = tuple(
            (entry.account, entry.sequence, entry.amount_yen, entry.balance_yen) for entry in answer.entries
        )
    return AnsweredLine(
        number=number,
        at_us=at_us,
        outcome="accepted" if accepted else "refused",
        reason=None if accepted else answer.reason.word,
        replayed=replayed,
        resolved=resolved,
        business_date=answer.business_date,
        value_date=value_date,
        touched=tuple(touched),
        entries=tuple(entries),
    )


def how_of(error: BaseException) -> How:
    """What an exception instead of an answer says about the outcome; what is not sure is unknown."""
    match error:
        case Overloaded():
            return How.OVERLOADED
        case OutcomeUnknown() | TimeoutError():
            return How.UNKNOWN
        case Exception():
            return How.FAILED
    return How.UNKNOWN


def reason_of(line: AnsweredLine) -> Reason:
    """ValueError when the line contradicts itself."""
    if (line.outcome == "accepted") != (line.reason is None):
        raise ValueError("an accepted outcome has no reason, and a refused one has one")
    if line.reason is None:
        return Reason.ACCEPTED
    if line.reason not in _REASONS:
        raise ValueError(f"{line.reason!r} is no reason of the ledger")
    return _REASONS[line.reason]


_Value = TypeVar("_Value")
_KINDS = {kind.word: kind for kind in Kind}
_REASONS = {reason.word: reason for reason in Reason if reason}


def _needed(value: _Value | None, name: str) -> _Value:
    if value is None:
        raise ValueError(f"{name} is missing")
    return value
