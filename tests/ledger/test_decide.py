"""The decision alone: reasons, order, holds, mandates, and the properties that the laws name (law 6: no I/O here)."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banks import CLIENT, CREDIT, DEBIT, MONDAY, TUESDAY, WEDNESDAY, MemoryBank, key, memory_bank, number, prove
from kanjo import ledger
from kanjo.ledger import (
    Account,
    Answer,
    Asked,
    HoldStatus,
    Item,
    LawBroken,
    Movement,
    Outcome,
    Phase,
    Reason,
    Run,
    Snapshot,
    Status,
    Touch,
    deposit,
    transfer,
    withdrawal,
)
from kanjo.ledger.book import Book, Changes, Hold, MandateState
from kanjo.ledger.decide import decide
from strategies import ACCOUNTS, instructions, openings, runs

A, B = number(1), number(2)


def _account(
    account: int, balance_yen: int = 0, *, held_yen: int = 0, floor_yen: int = 0, status: Status = Status.OPEN
) -> Account:
    return Account(account, balance_yen, held_yen, floor_yen, 7, int(status), 1)


def _book(*accounts: Account, today: date = TUESDAY, items: list[Item] | None = None, **more: Any) -> Book:
    runs = {
        1: Run(1, MONDAY, int(Phase.PRE_BUSINESS), 40),
        2: Run(2, TUESDAY, int(Phase.PRE_BUSINESS), 40),
        3: Run(3, MONDAY, int(Phase.IN_BUSINESS), 40),
        4: Run(4, MONDAY, int(Phase.PRE_BUSINESS), 40, cancelled=True),
    }
    return Book(date=today, accounts={one.account: one for one in accounts}, items=items or [], runs=runs, **more)


def _reason(answers: list[Answer | None]) -> Reason:
    [found] = answers
    assert isinstance(found, Outcome)
    return found.reason


@pytest.mark.parametrize(
    ("status", "mandate", "balance_yen", "credit", "debit"),
    [
        (None, MandateState.STOPPED, 0, Reason.ACCOUNT_UNKNOWN, Reason.ACCOUNT_UNKNOWN),
        (Status.CLOSED, MandateState.STOPPED, 0, Reason.ACCOUNT_CLOSED, Reason.ACCOUNT_CLOSED),
        (Status.FROZEN, MandateState.STOPPED, 0, Reason.ACCOUNT_FROZEN, Reason.ACCOUNT_FROZEN),
        (Status.DEBIT_STOPPED, MandateState.MISSING, 0, Reason.ACCEPTED, Reason.DEBIT_STOPPED),
        (Status.OPEN, MandateState.STOPPED, 0, Reason.ACCEPTED, Reason.MANDATE_STOPPED),
        (Status.OPEN, MandateState.MISSING, 0, Reason.ACCEPTED, Reason.NO_MANDATE),
        (Status.OPEN, MandateState.ACTIVE, 0, Reason.ACCEPTED, Reason.INSUFFICIENT_FUNDS),
        (Status.OPEN, MandateState.NOT_ASKED, 0, Reason.ACCEPTED, Reason.INSUFFICIENT_FUNDS),
        (Status.OPEN, MandateState.ACTIVE, 10, Reason.ACCEPTED, Reason.ACCEPTED),
    ],
)
def test_c_1_the_order_of_reasons_of_an_item(
    status: Status | None, mandate: MandateState, balance_yen: int, credit: Reason, debit: Reason
) -> None:
    """Unknown or closed, frozen, debit-stopped or mandate stopped, no mandate, short; a credit is asked no mandate."""
    for kind, expected in ((CREDIT, credit), (DEBIT, debit)):
        accounts = [] if status is None else [_account(A, balance_yen, status=status)]
        mandates = {(1, 1): mandate} if kind == DEBIT else {}
        changes, _ = decide(_book(*accounts, items=[Item(A, 1, 1, kind, 10)], mandates=mandates), ())
        assert changes.results.reason == [expected]


@pytest.mark.parametrize(
    ("debited", "credited", "expected"),
    [
        (None, Status.FROZEN, Reason.ACCOUNT_UNKNOWN),
        (Status.FROZEN, None, Reason.ACCOUNT_UNKNOWN),
        (Status.FROZEN, Status.CLOSED, Reason.ACCOUNT_CLOSED),
        (Status.DEBIT_STOPPED, Status.FROZEN, Reason.ACCOUNT_FROZEN),
        (Status.DEBIT_STOPPED, Status.OPEN, Reason.DEBIT_STOPPED),
        (Status.OPEN, Status.FROZEN, Reason.ACCOUNT_FROZEN),
        (Status.OPEN, Status.DEBIT_STOPPED, Reason.INSUFFICIENT_FUNDS),
    ],
)
def test_c_1_the_order_of_reasons_of_a_transfer(
    debited: Status | None, credited: Status | None, expected: Reason
) -> None:
    """Over both accounts: the first reason of C-1's order that holds for either; shortage last. Nothing moves."""
    accounts = [
        _account(account, 5, status=status) for account, status in ((A, debited), (B, credited)) if status is not None
    ]
    changes, answers = decide(_book(*accounts), [transfer(CLIENT, key(1), A, B, 10)])
    assert _reason(answers) == expected
    assert changes.accounts == {} and changes.request_entries == []
    assert [(account.balance_yen, account.sequence) for account in accounts] == [(5, 7)] * len(accounts)


@pytest.mark.parametrize(("amount_yen", "expected"), [(60, Reason.ACCEPTED), (61, Reason.INSUFFICIENT_FUNDS)])
@pytest.mark.parametrize(("balance_yen", "held_yen", "floor_yen"), [(100, 30, 10), (0, 40, -100), (60, 0, 0)])
def test_c_1_available_is_balance_less_held_less_floor(
    balance_yen: int, held_yen: int, floor_yen: int, amount_yen: int, expected: Reason
) -> None:
    """To the yen, for items, withdrawals and holds alike; a negative floor is an overdraft (C-6)."""
    account = _account(A, balance_yen, held_yen=held_yen, floor_yen=floor_yen)
    copy = msgspec.structs.replace
    changes, _ = decide(_book(copy(account), items=[Item(A, 1, 1, DEBIT, amount_yen)]), ())
    assert changes.results.reason == [expected]
    asked: list[Asked] = [
        withdrawal(CLIENT, key(1), A, amount_yen),
        ledger.PlaceHold(client=CLIENT, key=key(1), account=A, amount_yen=amount_yen),
    ]
    for one in asked:
        assert _reason(decide(_book(copy(account)), [one])[1]) == expected


def test_several_movements_are_checked_in_the_order_given() -> None:
    """Money that arrives by an earlier movement may leave by a later one, not the other way about."""
    forth, back = Movement(A, B, 50), Movement(B, A, 50)

    def post(movements: tuple[Movement, ...]) -> Reason:
        asked = ledger.Post(client=CLIENT, key=key(1), kind_of=ledger.Kind.TRANSFER, movements=movements)
        return _reason(decide(_book(_account(A, 50), _account(B)), [asked])[1])

    assert (post((forth, back)), post((back, forth))) == (Reason.ACCEPTED, Reason.INSUFFICIENT_FUNDS)


def test_o_2_a_refusal_stores_every_account_it_touched() -> None:
    """Sequence and balance before the decision, ascending, zero for one that is not there."""
    _, answers = decide(_book(_account(B, 30)), [transfer(CLIENT, key(1), B, A, 10)])
    [found] = answers
    assert isinstance(found, Outcome)
    assert (found.touched, found.business_date) == ((Touch(A, 0, 0), Touch(B, 7, 30)), TUESDAY)


def test_items_are_settled_before_instructions_and_instructions_in_order() -> None:
    """Each stands on what was decided before it in the same batch."""
    book = _book(_account(A, 0), items=[Item(A, 1, 1, CREDIT, 100)])
    changes, answers = decide(book, [withdrawal(CLIENT, key(1), A, 70), withdrawal(CLIENT, key(2), A, 70)])
    assert [found.reason for found in answers if isinstance(found, Outcome)] == [0, Reason.INSUFFICIENT_FUNDS]
    assert changes.accounts[A].balance_yen == 30


def test_a_cancelled_run_gives_its_items_that_outcome() -> None:
    """R-3: whatever the account's state; nothing moves, and what it stood on is stored."""
    changes, _ = decide(_book(_account(A, 5), items=[Item(A, 4, 1, CREDIT, 100), Item(B, 4, 2, DEBIT, 1)]), ())
    assert changes.results.reason == [Reason.CANCELLED] * 2
    assert (changes.results.sequence, changes.results.balance_yen) == ([7, 0], [5, 0])
    assert changes.accounts == {} and changes.item_entries.account == []


def test_a_stuck_item_holds_what_stands_behind_it_and_nothing_else() -> None:
    """O-9: what stands before it settles, its account's instructions are refused, others are decided."""
    items = [Item(A, 1, 1, CREDIT, 1), Item(A, 1, 2, CREDIT, 1), Item(A, 1, 3, CREDIT, 1), Item(B, 1, 4, CREDIT, 1)]
    book = _book(_account(A, 5), _account(B, 5), items=items, stuck={(1, 2)}, unfinished={A})
    asked: list[Asked] = [deposit(CLIENT, key(1), A, 1), deposit(CLIENT, key(2), B, 1), ledger.Enquiry(A)]
    changes, answers = decide(book, asked)
    assert changes.results.item == [1, 4]
    assert [found.reason for found in answers if found] == [Reason.ITEM_STUCK, Reason.ACCEPTED, Reason.ITEM_STUCK]  # type: ignore[union-attr]
    assert [outcome.key for outcome in changes.outcomes] == [key(2)]


def _hold(expires_on: date | None, amount_yen: int = 40) -> Hold:
    return Hold(CLIENT, key("hold"), A, amount_yen, expires_on, MONDAY)


def _with_hold(hold: Hold, today: date, items: list[Item]) -> tuple[Changes, Book]:
    book = _book(
        _account(A, 100, held_yen=hold.amount_yen),
        today=today,
        items=items,
        expiring={A: [hold]} if hold.expires_on and hold.expires_on < today else {},
    )
    return decide(book, ())[0], book


def test_o_6_a_hold_expires_before_the_first_item_of_a_later_date() -> None:
    """Last good on Monday: Tuesday's first item finds the money free."""
    changes, _ = _with_hold(_hold(MONDAY), TUESDAY, [Item(A, 2, 1, DEBIT, 100)])
    assert changes.results.reason == [Reason.ACCEPTED]
    assert [hold.status for hold in changes.holds_ended] == [HoldStatus.EXPIRED]


def test_o_6_a_carried_over_item_still_meets_the_hold_of_its_own_date() -> None:
    """Monday's item, settled on Tuesday, is short as it would have been on Monday; Tuesday's is not."""
    changes, _ = _with_hold(_hold(MONDAY), TUESDAY, [Item(A, 1, 1, DEBIT, 100), Item(A, 2, 1, DEBIT, 100)])
    assert changes.results.reason == [Reason.INSUFFICIENT_FUNDS, Reason.ACCEPTED]


def test_o_6_an_in_business_item_of_an_earlier_date_meets_today() -> None:
    """It is behind all that today brought, with or without a pre-business item of today between."""
    late = Item(A, 3, 1, DEBIT, 61)
    for items in ([late], [Item(A, 2, 1, CREDIT, 1), late]):
        changes, _ = _with_hold(_hold(MONDAY), TUESDAY, items)
        assert changes.results.reason[-1] == Reason.ACCEPTED


def test_a_hold_expires_also_where_nothing_is_pending() -> None:
    """Whoever comes to the account finds the money free."""
    changes, book = _with_hold(_hold(MONDAY), WEDNESDAY, [])
    assert book.accounts[A].held_yen == 0 and len(changes.holds_ended) == 1


def test_a_hold_larger_than_what_is_held_breaks_law_1() -> None:
    """An invariant that does not hold stops the transaction and names the law."""
    book = _book(_account(A, 100, held_yen=1), expiring={A: [_hold(MONDAY)]})
    with pytest.raises(LawBroken, match="law 1"):
        decide(book, ())


def _bank(opening: list[tuple[int, Status]], given_runs: list[Any]) -> MemoryBank:
    """A bank on Monday, with runs of Monday and Tuesday."""
    bank = memory_bank()
    for account, (balance_yen, status) in zip(ACCOUNTS, opening, strict=False):
        bank.account(account, balance_yen, status=status)
    for days, priority, rows in given_runs:
        bank.items(bank.run((MONDAY, TUESDAY)[days], priority=priority), rows)
    return bank


def _same(found: Answer, first: Answer) -> bool:
    return (
        isinstance(found, Outcome)
        and isinstance(first, Outcome)
        and found == msgspec.structs.replace(first, replayed=True)
    )


@settings(max_examples=150, deadline=None)
@given(opening=openings, given_runs=runs, asked=st.lists(instructions, max_size=12), items_max=st.integers(1, 4))
def test_law_1_and_3_money_is_conserved_and_sequences_have_no_gap(
    opening: list[tuple[int, Status]], given_runs: list[Any], asked: list[Asked], items_max: int
) -> None:
    """Laws 1 and 3, and held amounts equal open holds, whatever customers and runs do, in steps of any size."""
    bank = _bank(opening, given_runs)
    ledger.post(bank.store, asked[:6], items_max=items_max)
    bank.open(TUESDAY)
    ledger.post(bank.store, asked[6:], items_max=items_max)
    ledger.settle(bank.store, ACCOUNTS, items_max=items_max)
    prove(bank)
    held = dict.fromkeys(bank.balances(), 0)
    for hold in bank.tables.holds.values():
        held[hold.account] += hold.amount_yen if hold.status == HoldStatus.OPEN else 0
    assert {account: found.held_yen for account, found in bank.balances().items()} == held
    assert len(bank.tables.results) == len(bank.tables.items)
    order = [(entry.account, entry.value_date) for entry in bank.entries() if entry.run]
    assert order == sorted(order)


@settings(max_examples=150, deadline=None)
@given(opening=openings, given_runs=runs, asked=st.lists(instructions, max_size=10))
def test_law_2_asked_again_the_first_outcome_is_answered(
    opening: list[tuple[int, Status]], given_runs: list[Any], asked: list[Asked]
) -> None:
    """Law 2: the whole batch again changes nothing and answers every stored outcome again, also on the next day."""
    bank = _bank(opening, given_runs)
    first = ledger.post(bank.store, asked)
    ledger.settle(bank.store, ACCOUNTS)
    before = (bank.entries(), bank.balances(), bank.requests(), bank.holds())
    again = ledger.post(bank.store, asked)
    assert (bank.entries(), bank.balances(), bank.requests(), bank.holds()) == before
    for found, one in zip(again, first, strict=True):
        if isinstance(one, Snapshot):
            assert isinstance(found, Snapshot)
        elif isinstance(one, Outcome) and one.reason == Reason.KEY_REUSED:
            assert isinstance(found, Outcome) and found.reason == Reason.KEY_REUSED
        else:
            assert _same(found, one) or found == one  # a duplicate within the batch is a replay both times


@settings(max_examples=200, deadline=None)
@given(
    opening=openings,
    given_runs=runs,
    earlier=st.lists(instructions, max_size=5),
    asked=st.lists(instructions, min_size=1, max_size=6),
    items_max=st.integers(1, 5),
)
def test_o_6_batch_first_and_batch_last_are_equal(
    opening: list[tuple[int, Status]], given_runs: list[Any], earlier: list[Asked], asked: list[Asked], items_max: int
) -> None:
    """Law 3: whether a worker settled the date's items before or after customers came, every outcome is the same."""
    found = []
    for when in ("on Monday and first", "first", "last"):
        bank = _bank(opening, given_runs)
        if when == "on Monday and first":
            ledger.settle(bank.store, ACCOUNTS)
        ledger.post(bank.store, earlier)
        if when == "on Monday and first":
            ledger.settle(bank.store, ACCOUNTS)
        bank.open(TUESDAY)
        if when != "last":
            ledger.settle(bank.store, ACCOUNTS)
        # one by one: each is a commit of its own, as if they came over the day
        answers = [ledger.post(bank.store, [one], items_max=items_max)[0] for one in asked]
        ledger.settle(bank.store, ACCOUNTS)
        results = {
            place: (result.reason, result.sequence, result.balance_yen) for place, result in bank.tables.results.items()
        }
        entries = [
            entry._replace(date=entry.value_date) for entry in bank.entries()
        ]  # carried over: booked later (O-5)
        found.append((answers, results, bank.balances(), entries, bank.holds()))
    assert found[0] == found[1] == found[2]


@settings(max_examples=100, deadline=None)
@given(opening=openings, given_runs=runs, asked=st.lists(instructions, max_size=8), items_max=st.integers(1, 3))
def test_steps_of_any_size_come_to_the_same(
    opening: list[tuple[int, Status]], given_runs: list[Any], asked: list[Asked], items_max: int
) -> None:
    """O-8: bounding the steps of a batch changes no outcome of it."""
    found = []
    for bound in (items_max, 5_000):
        bank = _bank(opening, given_runs)
        answers = ledger.post(bank.store, asked, items_max=bound)
        ledger.settle(bank.store, ACCOUNTS, items_max=bound)
        found.append((answers, bank.entries(), bank.balances(), bank.requests()))
    assert found[0] == found[1]
