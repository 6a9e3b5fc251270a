"""Holds (オーソリ) on both stores: placed, captured in part or whole, released, expired (rules C-4, O-6)."""

from __future__ import annotations

import pytest

from banks import CLIENT, CREDIT, DEBIT, MONDAY, TUESDAY, WEDNESDAY, Bank, answer, key, number, prove, reasons
from kanjo import ledger
from kanjo.errors import Refused
from kanjo.ledger import CaptureHold, ChangeAccount, Code, HoldStatus, PlaceHold, Reason, ReleaseHold, Status

A, B = number(1), number(2)
HOLD = key("hold")


def _place(bank: Bank, amount_yen: int = 60, *, expires_on=None) -> ledger.Outcome:  # type: ignore[no-untyped-def]
    return answer(bank, PlaceHold(client=CLIENT, key=HOLD, account=A, amount_yen=amount_yen, expires_on=expires_on))


def _capture(name: object, amount_yen: int | None = None, credit: int = int(Code.HOLD_SETTLEMENT)) -> CaptureHold:
    return CaptureHold(client=CLIENT, key=key(name), hold=HOLD, amount_yen=amount_yen, credit=credit)


def test_a_hold_reduces_what_is_available_and_not_the_balance(bank: Bank) -> None:
    """C-1, C-4: neither online nor an item can spend it; no entry is made."""
    bank.account(A, 100)
    assert _place(bank).accepted
    shown = ledger.enquire(bank.store, A)
    assert (shown.balance_yen, shown.held_yen, shown.available_yen, shown.sequence) == (100, 60, 40, 1)
    assert answer(bank, ledger.withdrawal(CLIENT, key(1), A, 41)).reason == Reason.INSUFFICIENT_FUNDS
    run = bank.run(MONDAY)
    bank.items(run, [(A, DEBIT, 41), (A, DEBIT, 40)])
    ledger.settle(bank.store, [A])
    assert reasons(bank, run) == {1: Reason.INSUFFICIENT_FUNDS, 2: Reason.ACCEPTED}


@pytest.mark.parametrize(("amount_yen", "left_yen"), [(None, 40), (60, 40), (25, 75)])
def test_a_hold_is_captured_whole_or_in_part(bank: Bank, amount_yen: int | None, left_yen: int) -> None:
    """What is not taken is free again; a hold is captured once."""
    bank.account(A, 100)
    _place(bank)
    taken = answer(bank, _capture(1, amount_yen))
    assert taken.accepted and taken.reference == HOLD
    assert bank.balances()[A] == (left_yen, 0, 2)
    assert bank.holds() == {HOLD: HoldStatus.CAPTURED}
    assert answer(bank, _capture(2)).reason == Reason.HOLD_NOT_OPEN
    assert answer(bank, _capture(1, amount_yen)).replayed
    prove(bank)


def test_a_capture_may_go_to_another_account(bank: Bank) -> None:
    """A merchant of the same bank is paid by the capture itself, after Before on both accounts."""
    bank.account(A, 100)
    bank.account(B)
    bank.items(bank.run(MONDAY), [(B, CREDIT, 1)])
    _place(bank)
    assert answer(bank, _capture(1, credit=B)).accepted
    assert {account: found.balance_yen for account, found in bank.balances().items()} == {A: 40, B: 61}
    prove(bank)


def test_more_than_the_hold_is_not_captured(bank: Bank) -> None:
    """The hold stays open."""
    bank.account(A, 100)
    _place(bank)
    assert answer(bank, _capture(1, 61)).reason == Reason.HOLD_EXCEEDED
    assert bank.balances()[A] == (100, 60, 1)


def test_c_4_a_capture_is_never_refused_for_funds(bank: Bank) -> None:
    """Even where money went that the hold should have kept, as by a floor; also through a debit stop."""
    bank.account(A, 100)
    _place(bank)
    if hasattr(bank, "owner"):
        bank.owner.execute("UPDATE ledger.account SET floor = 90")
    else:
        bank.store.tables.accounts[A].floor_yen = 90
    answer(bank, ChangeAccount(client=CLIENT, key=key(1), account=A, status=Status.DEBIT_STOPPED))
    assert answer(bank, _capture(2)).accepted
    assert bank.balances()[A].balance_yen == 40


def test_c_4_a_capture_is_refused_for_a_frozen_account(bank: Bank) -> None:
    """And the hold stays open, until the account is open again."""
    bank.account(A, 100)
    _place(bank)
    answer(bank, ChangeAccount(client=CLIENT, key=key(1), account=A, status=Status.FROZEN))
    assert answer(bank, _capture(2)).reason == Reason.ACCOUNT_FROZEN
    answer(bank, ChangeAccount(client=CLIENT, key=key(3), account=A, status=Status.OPEN))
    assert answer(bank, _capture(4)).accepted


def test_c_4_a_capture_to_a_closed_account_is_refused(bank: Bank) -> None:
    """Nothing moves and the hold stays open."""
    bank.account(A, 100)
    bank.account(B)
    _place(bank)
    answer(bank, ChangeAccount(client=CLIENT, key=key(1), account=B, status=Status.CLOSED))
    assert answer(bank, _capture(2, credit=B)).reason == Reason.ACCOUNT_CLOSED
    assert bank.holds() == {HOLD: HoldStatus.OPEN}


def test_a_hold_is_released_once(bank: Bank) -> None:
    """Its money is available again; afterwards it is not open."""
    bank.account(A, 100)
    _place(bank)
    assert answer(bank, ReleaseHold(client=CLIENT, key=key(1), hold=HOLD)).accepted
    assert bank.balances()[A] == (100, 0, 1)
    assert answer(bank, ReleaseHold(client=CLIENT, key=key(2), hold=HOLD)).reason == Reason.HOLD_NOT_OPEN
    assert answer(bank, _capture(3)).reason == Reason.HOLD_NOT_OPEN


def test_an_unknown_hold_and_another_clients_hold_are_unknown(bank: Bank) -> None:
    """A key belongs to its client (C-2)."""
    bank.account(A, 100)
    assert answer(bank, _capture(1)).reason == Reason.HOLD_UNKNOWN
    _place(bank)
    assert answer(bank, ReleaseHold(client="other", key=key(2), hold=HOLD)).reason == Reason.HOLD_UNKNOWN
    assert bank.holds() == {HOLD: HoldStatus.OPEN}


def test_a_hold_beyond_what_is_available_is_refused_and_not_open(bank: Bank) -> None:
    """Its key has an outcome and there is no hold under it."""
    bank.account(A, 100)
    assert _place(bank, 101).reason == Reason.INSUFFICIENT_FUNDS
    assert answer(bank, _capture(1)).reason == Reason.HOLD_UNKNOWN


def test_placed_captured_and_reversed_in_one_batch(bank: Bank) -> None:
    """Each stands on the one before; a reversal of a capture gives the money back and not the hold."""
    bank.account(A, 100)
    asked: list[ledger.Asked] = [
        _capture("too soon"),
        PlaceHold(client=CLIENT, key=HOLD, account=A, amount_yen=60),
        _capture(1, 50),
        ledger.Reverse(client=CLIENT, key=key(2), original=key(1)),
        ReleaseHold(client=CLIENT, key=key(3), hold=HOLD),
    ]
    reasons_found = [one.reason for one in ledger.post(bank.store, asked) if isinstance(one, ledger.Outcome)]
    assert reasons_found == [Reason.HOLD_UNKNOWN, 0, 0, 0, Reason.HOLD_NOT_OPEN]
    assert bank.balances()[A] == (100, 0, 3)
    prove(bank)


def test_a_hold_expires_by_business_date(bank: Bank) -> None:
    """Good for the whole of its last date; free for whoever comes when a later date is open."""
    bank.account(A, 100)
    _place(bank, expires_on=TUESDAY)
    bank.open(TUESDAY)
    assert ledger.enquire(bank.store, A).held_yen == 60
    bank.open(WEDNESDAY)
    assert ledger.enquire(bank.store, A).held_yen == 0
    assert bank.holds() == {HOLD: HoldStatus.EXPIRED}
    assert answer(bank, _capture(1)).reason == Reason.HOLD_NOT_OPEN


def test_a_hold_that_would_have_expired_is_not_captured(bank: Bank) -> None:
    """The capture itself is what finds it expired; in one commit the hold ends once."""
    bank.account(A, 100)
    _place(bank, expires_on=MONDAY)
    bank.open(TUESDAY)
    assert answer(bank, _capture(1)).reason == Reason.HOLD_NOT_OPEN
    assert bank.balances()[A] == (100, 0, 1)


def test_a_hold_that_is_over_before_it_begins_is_refused(bank: Bank) -> None:
    """Its last date is past."""
    bank.account(A, 100)
    bank.open(TUESDAY)
    assert _place(bank, expires_on=MONDAY).reason == Reason.HOLD_EXPIRED
    assert bank.holds() == {}


def test_o_6_expiry_stands_between_a_carried_item_and_todays(bank: Bank) -> None:
    """Monday's item meets the hold, Tuesday's does not, though both are settled on Tuesday, in steps of one."""
    bank.account(A, 100)
    _place(bank, expires_on=MONDAY)
    old, new = bank.run(MONDAY), bank.run(TUESDAY)
    bank.items(old, [(A, DEBIT, 50), (A, DEBIT, 40)])
    bank.items(new, [(A, DEBIT, 60)])
    bank.open(TUESDAY)
    assert ledger.settle(bank.store, [A], items_max=1) == 3
    assert reasons(bank, old) == {1: Reason.INSUFFICIENT_FUNDS, 2: Reason.ACCEPTED}
    assert reasons(bank, new) == {1: Reason.ACCEPTED}
    assert bank.balances()[A].balance_yen == 0


def test_c_5_a_hold_look_up_settles_first(bank: Bank) -> None:
    """What is due on the account is settled, more than one commit of it too, and the answer says where it stood."""
    bank.account(A, 100)
    bank.account(B, 100)
    _place(bank, expires_on=TUESDAY)
    run = bank.run(TUESDAY)
    bank.items(run, [(A, CREDIT, 1)] * (ledger.ITEMS_MAX + 1) + [(B, CREDIT, 1)])
    bank.open(TUESDAY)
    found = ledger.look_up_hold(bank.store, CLIENT, HOLD)
    assert found == ledger.HoldFound(
        account=ledger.show_account(A),
        amount_yen=60,
        captured_yen=0,
        status="open",
        placed_on=MONDAY,
        expires_on=TUESDAY,
        ended_on=None,
        business_date=TUESDAY,
        sequence=ledger.ITEMS_MAX + 2,
        balance_yen=ledger.ITEMS_MAX + 101,
    )
    assert bank.balances()[B].balance_yen == 100
    prove(bank)


def test_c_5_a_look_up_finds_the_hold_expired(bank: Bank) -> None:
    """Nobody has touched the account since its last date: the look-up itself ends it."""
    bank.account(A, 100)
    _place(bank, expires_on=MONDAY)
    bank.open(TUESDAY)
    found = ledger.look_up_hold(bank.store, CLIENT, HOLD)
    assert (found.status, found.ended_on, found.business_date) == ("expired", TUESDAY, TUESDAY)
    assert bank.holds() == {HOLD: HoldStatus.EXPIRED}


def test_a_captured_hold_says_how_much_was_taken(bank: Bank) -> None:
    """The part taken and the date it ended on."""
    bank.account(A, 100)
    _place(bank)
    answer(bank, _capture(1, 25))
    found = ledger.look_up_hold(bank.store, CLIENT, HOLD)
    assert (found.status, found.amount_yen, found.captured_yen, found.ended_on) == ("captured", 60, 25, MONDAY)
    assert (found.sequence, found.balance_yen) == (2, 75)


def test_no_hold_is_found_under_a_foreign_key_or_by_another_client(bank: Bank) -> None:
    """Keys are unique per client (C-2); a refused hold is none."""
    bank.account(A, 10)
    assert _place(bank, 60).reason == Reason.INSUFFICIENT_FUNDS
    answer(bank, PlaceHold(client=CLIENT, key=key("other"), account=A, amount_yen=5))
    for client, name in ((CLIENT, "hold"), ("elsewhere", "other")):
        with pytest.raises(Refused) as caught:
            ledger.look_up_hold(bank.store, client, key(name))
        assert caught.value.code == "hold-unknown"
