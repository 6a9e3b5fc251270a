"""The decision: what is due is settled first, then the instructions are decided, all without I/O (law 6).

One pure function for doors and workers alike (design 4): a door brings instructions, a worker brings none. `decide`
changes the book's working copies of accounts and returns what must be saved.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import assert_never
from uuid import UUID

import msgspec

from kanjo.ledger.account import Account, Status
from kanjo.ledger.book import (
    Book,
    Changes,
    Hold,
    HoldStatus,
    ItemKind,
    Key,
    LawBroken,
    MandateState,
    NewAccount,
    Phase,
)
from kanjo.ledger.instruction import (
    REVERSIBLE,
    Asked,
    CaptureHold,
    ChangeAccount,
    Enquiry,
    Keyed,
    Movement,
    OpenAccount,
    PlaceHold,
    Post,
    ReleaseHold,
    Reverse,
)
from kanjo.ledger.outcome import Answer, Outcome, Snapshot, Touch, legs
from kanjo.ledger.reason import Reason

_OPEN = int(Status.OPEN)  # looking up a member of an enumeration costs as much as the rest of what it is compared for
_MANDATE_REASON = {MandateState.STOPPED: Reason.MANDATE_STOPPED, MandateState.MISSING: Reason.NO_MANDATE}


def decide(book: Book, instructions: Sequence[Asked]) -> tuple[Changes, list[Answer | None]]:
    """Settle the book's items, then decide the instructions in the order given.

    An instruction on an account of which more is due than was loaded gets None: it is decided in a later commit that
    finds nothing left (O-8). Whatever stands behind it, on one of its accounts or on its key, waits with it.
    """
    changes = Changes(date=book.date)
    held_up = settle(book, changes)
    waiting: set[Key | int] = set(book.unfinished)
    answers = [_answer(book, changes, held_up, waiting, instruction) for instruction in instructions]
    return changes, answers


def settle(book: Book, changes: Changes) -> set[int]:
    """Decide the book's items in their order; returns the accounts that a stuck item holds (O-9)."""
    held_up: set[int] = set()
    results, entries = changes.results, changes.item_entries
    accounts, stuck, mandates, expiring = book.accounts, book.stuck, book.mandates, book.expiring
    verdicts = book.verdicts
    run_number, cancelled, value_date = -1, False, book.date
    expired_before = book.date
    for number, run, item, kind, amount_yen, _ in book.items:
        if held_up and number in held_up:
            continue
        if stuck and (run, item) in stuck:
            held_up.add(number)
            continue
        if run != run_number:
            run_number, facts = run, book.runs[run]
            cancelled, value_date = facts.cancelled, facts.due
            # only pre-business items of an earlier date stand ahead of what this date has brought
            expired_before = value_date if facts.phase == Phase.PRE_BUSINESS else book.date
        account = accounts.get(number)
        if expiring and number in expiring and account is not None:
            _expire(book, changes, account, expired_before)
        if account is None:
            sequence = balance_yen = 0
        else:
            sequence, balance_yen = account.sequence, account.balance_yen
        results.account.append(number)
        results.run.append(run)
        results.item.append(item)
        results.sequence.append(sequence)
        results.balance_yen.append(balance_yen)
        if cancelled or (verdicts and (run, item) in verdicts):
            results.reason.append(verdicts.get((run, item), Reason.CANCELLED))
            continue
        signed_yen = amount_yen if kind == ItemKind.CREDIT else -amount_yen
        mandate = mandates.get((run, item), MandateState.NOT_ASKED) if mandates else MandateState.NOT_ASKED
        reason = _item_reason(account, signed_yen, mandate)
        results.reason.append(reason)
        if reason:
            continue
        assert account is not None
        account.sequence = sequence = sequence + 1
        account.balance_yen = balance_yen = balance_yen + signed_yen
        changes.accounts[number] = account
        entries.account.append(number)
        entries.sequence.append(sequence)
        entries.amount_yen.append(signed_yen)
        entries.balance_yen.append(balance_yen)
        entries.run.append(run)
        entries.item.append(item)
        entries.value_date.append(value_date)
    for number in list(expiring):
        if number not in held_up and number not in book.unfinished and number in accounts:
            _expire(book, changes, accounts[number], book.date)
    book.unfinished -= held_up  # a later commit would not get further there
    return held_up


def _item_reason(account: Account | None, signed_yen: int, mandate: MandateState) -> int:
    """C-1's order of reasons: unknown or closed, frozen, stopped, no mandate, short."""
    standing = _standing(account, signed_yen)
    if standing or signed_yen > 0:
        return standing
    assert account is not None
    if mandate > MandateState.ACTIVE:
        return _MANDATE_REASON[mandate]
    if account.balance_yen + signed_yen - account.held_yen - account.floor_yen < 0:
        return Reason.INSUFFICIENT_FUNDS
    return Reason.ACCEPTED


def _expire(book: Book, changes: Changes, account: Account, before: date) -> None:
    """End the account's holds that expired before `before` opened: ahead of that date's first item (O-6)."""
    staying = []
    for hold in book.expiring[account.account]:
        if hold.status == HoldStatus.OPEN and hold.expires_on is not None and hold.expires_on < before:
            _end_hold(book, changes, account, hold, HoldStatus.EXPIRED)
        else:
            staying.append(hold)
    book.expiring[account.account] = staying


def _end_hold(book: Book, changes: Changes, account: Account, hold: Hold, status: HoldStatus) -> None:
    account.held_yen -= hold.amount_yen
    if account.held_yen < 0:
        raise LawBroken(f"law 1: held amount of account {account.account} would fall below zero")
    hold.status, hold.ended_on = int(status), book.date
    book.holds[(hold.client, hold.key)] = hold
    changes.accounts[account.account] = account
    changes.holds_ended.append(hold)


def _answer(book: Book, changes: Changes, held_up: set[int], waiting: set[Key | int], asked: Asked) -> Answer | None:
    """`waiting` has the accounts and keys on which somebody waits."""
    if isinstance(asked, Enquiry):
        return None if asked.account in waiting else _snapshot(book, held_up, asked.account)
    own = (asked.client, asked.key)
    fingerprint = asked.fingerprint()
    known = book.requests.get(own)
    if known is not None:
        if known.fingerprint == fingerprint:
            return msgspec.structs.replace(known, replayed=True)
        return _outcome(book, asked, fingerprint, Reason.KEY_REUSED)
    movements, named = _plan(book, asked)
    if waiting and not (waiting.isdisjoint(named) and waiting.isdisjoint(_keys(asked))):
        waiting.update(named)
        waiting.add(own)
        return None
    if held_up and not held_up.isdisjoint(named):
        return _outcome(book, asked, fingerprint, Reason.ITEM_STUCK)
    touched = tuple([_touch(number, book.accounts.get(number)) for number in named])
    reason = _decide_one(book, changes, asked, movements)
    outcome = _outcome(book, asked, fingerprint, reason, movements, touched)
    changes.outcomes.append(outcome)
    book.requests[own] = outcome
    return outcome


def _snapshot(book: Book, held_up: set[int], number: int) -> Snapshot:
    account = book.accounts.get(number)
    if account is None or number in held_up:
        reason = Reason.ACCOUNT_UNKNOWN if account is None else Reason.ITEM_STUCK
        return Snapshot(account=number, business_date=book.date, reason=reason)
    return Snapshot(
        account=number,
        business_date=book.date,
        product=account.product,
        status=account.status,
        balance_yen=account.balance_yen,
        held_yen=account.held_yen,
        floor_yen=account.floor_yen,
        sequence=account.sequence,
    )


def _touch(number: int, account: Account | None) -> Touch:
    return Touch(number, account.sequence, account.balance_yen) if account is not None else Touch(number, 0, 0)


def _outcome(
    book: Book,
    asked: Keyed,
    fingerprint: UUID,
    reason: Reason,
    movements: tuple[Movement, ...] = (),
    touched: tuple[Touch, ...] = (),
) -> Outcome:
    value_date: date | None = book.date
    run = 0
    reference = None
    match asked:
        case Post():
            value_date = asked.value_date or book.date
            run = asked.run
        case Reverse():
            reference = asked.original
            original = book.requests.get((asked.client, asked.original))
            value_date = original.value_date if original else book.date
        case CaptureHold() | ReleaseHold():
            reference = asked.hold
    return Outcome(
        client=asked.client,
        key=asked.key,
        fingerprint=fingerprint,
        kind=asked.kind,
        reason=reason,
        business_date=book.date,
        value_date=value_date,
        run=run,
        reference=reference,
        movements=movements,
        touched=touched,
    )


def _plan(book: Book, asked: Keyed) -> tuple[tuple[Movement, ...], tuple[int, ...]]:
    """The movements the instruction comes to, and every account it touches, each once, ascending."""
    if isinstance(asked, Post):
        return asked.movements, _once(asked.accounts())
    movements: tuple[Movement, ...] = ()
    named = set(asked.accounts())
    match asked:
        case Reverse():
            original = book.requests.get((asked.client, asked.original))
            if original is not None:
                named.update(touch.account for touch in original.touched)
                if original.accepted:
                    movements = tuple(
                        Movement(movement.credit, movement.debit, movement.amount_yen)
                        for movement in reversed(original.movements)
                    )
        case CaptureHold() | ReleaseHold():
            hold = book.holds.get((asked.client, asked.hold))
            if hold is not None:
                named.add(hold.account)
                if isinstance(asked, CaptureHold):
                    movements = (Movement(hold.account, asked.credit, asked.amount_yen or hold.amount_yen),)
    return movements, _once(named)


def _once(accounts: Collection[int]) -> tuple[int, ...]:
    """Each of them once, ascending."""
    return tuple(sorted(set(accounts)) if len(accounts) > 1 else accounts)


def _keys(asked: Keyed) -> tuple[Key, ...]:
    """The keys whose outcomes this one stands on: its own, and that of the original or hold it refers to."""
    match asked:
        case Reverse():
            return (asked.client, asked.key), (asked.client, asked.original)
        case CaptureHold() | ReleaseHold():
            return (asked.client, asked.key), (asked.client, asked.hold)
    return ((asked.client, asked.key),)


def _decide_one(book: Book, changes: Changes, asked: Keyed, movements: tuple[Movement, ...]) -> Reason:
    """Decide one new instruction and, when accepted, apply it to the book."""
    match asked:
        case Post():
            return _move(book, changes, movements)
        case Reverse():
            return _reverse(book, changes, asked, movements)
        case PlaceHold():
            return _place_hold(book, changes, asked)
        case CaptureHold() | ReleaseHold():
            return _end_by_client(book, changes, asked, movements)
        case OpenAccount():
            return _open_account(book, changes, asked)
        case ChangeAccount():
            return _change_account(book, changes, asked)
    assert_never(asked)


def _move(book: Book, changes: Changes, movements: tuple[Movement, ...], *, funds_are_held: bool = False) -> Reason:
    """All movements or none. Reasons in C-1's order over all accounts, shortage last."""
    accounts = book.accounts
    steps = legs(movements)
    found = [
        standing
        for number, signed_yen, _ in steps
        if (standing := _standing(accounts.get(number), signed_yen, is_capture=funds_are_held))
    ]
    if found:
        return Reason(min(found))
    if not funds_are_held and _is_short(accounts, steps):
        return Reason.INSUFFICIENT_FUNDS
    outcome = len(changes.outcomes)  # where the outcome will stand that this is decided for
    for number, signed_yen, contra in steps:
        account = accounts[number]
        account.sequence = sequence = account.sequence + 1
        account.balance_yen = balance_yen = account.balance_yen + signed_yen
        changes.accounts[number] = account
        changes.request_entries.append((outcome, number, sequence, signed_yen, balance_yen, contra))
    return Reason.ACCEPTED


def _is_short(accounts: Mapping[int, Account], steps: Sequence[tuple[int, int, int]]) -> bool:
    """Whether one of the steps, in their order, would take more than is available there by then."""
    left_yen: dict[int, int] = {}
    for number, signed_yen, _ in steps:
        before_yen = left_yen[number] if number in left_yen else accounts[number].available_yen
        left_yen[number] = after_yen = before_yen + signed_yen
        if signed_yen < 0 and after_yen < 0:
            return True
    return False


def _standing(account: Account | None, signed_yen: int, *, is_capture: bool = False) -> int:
    """What the account's state alone forbids; a capture passes a debit stop (C-4)."""
    if account is None:
        return Reason.ACCOUNT_UNKNOWN
    if account.status != _OPEN:
        if account.status == Status.CLOSED:
            return Reason.ACCOUNT_CLOSED
        if account.status == Status.FROZEN:
            return Reason.ACCOUNT_FROZEN
        if signed_yen < 0 and not is_capture:
            return Reason.DEBIT_STOPPED
    return 0


def _reverse(book: Book, changes: Changes, asked: Reverse, movements: tuple[Movement, ...]) -> Reason:
    original = book.requests.get((asked.client, asked.original))
    if original is None:
        return Reason.ORIGINAL_UNKNOWN
    if not original.accepted or original.kind not in REVERSIBLE:
        return Reason.NOT_REVERSIBLE
    if (asked.client, asked.original) in book.reversed:
        return Reason.ALREADY_REVERSED
    reason = _move(book, changes, movements)
    if not reason:
        book.reversed.add((asked.client, asked.original))
    return reason


def _place_hold(book: Book, changes: Changes, asked: PlaceHold) -> Reason:
    account = book.accounts.get(asked.account)
    reason = Reason(_standing(account, -1))
    if reason:
        return reason
    assert account is not None
    if asked.expires_on is not None and asked.expires_on < book.date:
        return Reason.HOLD_EXPIRED
    if account.available_yen < asked.amount_yen:
        return Reason.INSUFFICIENT_FUNDS
    hold = Hold(asked.client, asked.key, asked.account, asked.amount_yen, asked.expires_on, book.date)
    account.held_yen += asked.amount_yen
    changes.accounts[account.account] = account
    changes.holds_placed.append(hold)
    book.holds[(asked.client, asked.key)] = hold
    return Reason.ACCEPTED


def _end_by_client(
    book: Book, changes: Changes, asked: CaptureHold | ReleaseHold, movements: tuple[Movement, ...]
) -> Reason:
    hold = book.holds.get((asked.client, asked.hold))
    if hold is None:
        return Reason.HOLD_UNKNOWN
    if hold.status != HoldStatus.OPEN:
        return Reason.HOLD_NOT_OPEN
    account = book.accounts[hold.account]
    if isinstance(asked, ReleaseHold):
        _end_hold(book, changes, account, hold, HoldStatus.RELEASED)
        return Reason.ACCEPTED
    if movements[0].amount_yen > hold.amount_yen:
        return Reason.HOLD_EXCEEDED
    reason = _move(book, changes, movements, funds_are_held=True)
    if not reason:
        hold.captured_yen = movements[0].amount_yen
        _end_hold(book, changes, account, hold, HoldStatus.CAPTURED)
    return reason


def _open_account(book: Book, changes: Changes, asked: OpenAccount) -> Reason:
    if asked.account in book.accounts:
        return Reason.ACCOUNT_EXISTS
    if asked.floor_yen > 0:
        return Reason.INSUFFICIENT_FUNDS
    account = Account(asked.account, 0, 0, asked.floor_yen, 0, int(Status.OPEN), asked.product)
    book.accounts[asked.account] = account
    changes.opened.append(NewAccount(account, asked.name_kana))
    return Reason.ACCEPTED


def _change_account(book: Book, changes: Changes, asked: ChangeAccount) -> Reason:
    account = book.accounts.get(asked.account)
    if account is None:
        return Reason.ACCOUNT_UNKNOWN
    if account.status == Status.CLOSED:
        return Reason.ACCOUNT_CLOSED
    closing = asked.status == Status.CLOSED
    if closing and (account.balance_yen or account.held_yen or account.account in book.with_runs):
        return Reason.ACCOUNT_NOT_EMPTY
    if asked.floor_yen is not None:
        if account.balance_yen - account.held_yen < asked.floor_yen:
            return Reason.INSUFFICIENT_FUNDS
        account.floor_yen = asked.floor_yen
    if asked.status is not None:
        account.status = int(asked.status)
    changes.accounts[account.account] = account
    changes.changed.append(account)
    return Reason.ACCEPTED
