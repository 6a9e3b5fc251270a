"""Law 4 over random histories: what was really lived through is accepted, and a history bent at one place is not.

KANJO_PROPERTY_EXAMPLES sets how many histories are tried, at random then; unset, the same in every run.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from told import Telling, broken

import strategies
from banks import CLIENT, MONDAY, TUESDAY, WEDNESDAY, memory_bank
from kanjo import ledger
from kanjo.check import Call, History, How
from kanjo.check.stored import Stored
from kanjo.ledger import Asked, Enquiry, Reason

_EXAMPLES = os.environ.get("KANJO_PROPERTY_EXAMPLES")
TRIED = settings(max_examples=int(_EXAMPLES or 150), derandomize=_EXAMPLES is None, deadline=None)

wishes = st.lists(st.one_of(strategies.instructions, strategies.instructions, st.none()), min_size=3, max_size=25)
"""None: the next date opens."""


def lived(openings: list[tuple[int, ledger.Status]], runs: list[tuple[int, int, list]], wishes: list) -> Telling:
    """A small bank's two or three days, one customer after another."""
    bank = memory_bank()
    for account, (balance_yen, status) in zip(strategies.ACCOUNTS, openings, strict=False):
        bank.account(account, balance_yen, status=status)
    for days, priority, rows in runs:
        bank.items(bank.run(TUESDAY if days else MONDAY, priority=priority), rows)
    telling = Telling(bank)
    dates = iter((TUESDAY, WEDNESDAY))
    for wish in wishes:
        if wish is not None:
            telling.ask(wish)
        elif (opened := next(dates, None)) is not None:
            bank.open(opened)
    return telling


def stretched(telling: Telling, draw: random.Random) -> None:
    """Callers may have asked earlier and heard later than they did: that excludes no order."""
    for call in telling.calls:
        call.asked_us = max(0, call.asked_us - draw.choice([0, 0, 15, 60]))
        call.ended_us += draw.choice([0, 0, 15, 60])


@settings(TRIED)
@given(strategies.openings, strategies.runs, wishes, st.randoms(use_true_random=False))
def test_what_was_lived_through_is_accepted(
    openings: list, runs: list, wishes: list[Asked | None], draw: random.Random
) -> None:
    """No check cries, at true times and at vaguer ones, with and without the answers of some."""
    telling = lived(openings, runs, wishes)
    assert broken(telling.history(CLIENT), telling.stored()) == {}

    stretched(telling, draw)
    for call in telling.calls:
        if draw.random() < 0.3:
            call.told, call.how = None, draw.choice([None, How.UNKNOWN, How.FAILED])

    assert broken(telling.history(CLIENT), telling.stored()) == {}


Bend = Callable[[Telling, Stored, random.Random], History]


def _some(calls: list[Call], draw: random.Random) -> Call:
    assume(calls)
    return draw.choice(calls)


def _decided(telling: Telling) -> list[Call]:
    """Calls with a decision under a key."""
    no_decision = {Reason.KEY_REUSED, Reason.ITEM_STUCK, Reason.DAY_NOT_OPEN}
    return [
        call
        for call in telling.calls
        if call.told is not None and not isinstance(call.asked, Enquiry) and call.told.reason not in no_decision
    ]


def _replace(call: Call, **told: object) -> None:
    assert call.told is not None
    call.told = msgspec.structs.replace(call.told, **told)


def lose_an_outcome(telling: Telling, stored: Stored, draw: random.Random) -> History:
    """What a caller was told is not stored."""
    call = _some(_decided(telling), draw)
    stored.requests[:] = [row for row in stored.requests if row.key != call.asked.key]  # type: ignore[union-attr]
    return telling.history(CLIENT)


def lose_a_call(telling: Telling, stored: Stored, draw: random.Random) -> History:
    """What is stored was asked by nobody: all calls of a key are cut out."""
    key = _some(_decided(telling), draw).asked.key  # type: ignore[union-attr]
    telling.calls[:] = [call for call in telling.calls if isinstance(call.asked, Enquiry) or call.asked.key != key]
    return telling.history(CLIENT)


def double_an_entry(telling: Telling, stored: Stored, draw: random.Random) -> History:
    """The ledger has an entry of the key that its caller was not told of."""
    call = _some([call for call in _decided(telling) if call.told and call.told.entries], draw)
    account, sequence, amount_yen, balance_yen = call.told.entries[-1]  # type: ignore[union-attr]
    key = (call.asked.client, call.asked.key)  # type: ignore[union-attr]
    stored.caused[key].append((account, sequence + 1, amount_yen, balance_yen + amount_yen))
    return telling.history()


def tell_another_reason(telling: Telling, stored: Stored, draw: random.Random) -> History:
    """Accepted instead of refused, or the other way round."""
    call = _some(_decided(telling), draw)
    accepted = call.told is not None and call.told.reason == Reason.ACCEPTED
    _replace(call, reason=Reason.INSUFFICIENT_FUNDS if accepted else Reason.ACCEPTED)
    return telling.history()


def tell_another_balance(telling: Telling, stored: Stored, draw: random.Random) -> History:
    """Of a decision or of an enquiry."""
    call = _some([call for call in telling.calls if call.told is not None and call.told.touched], draw)
    (account, sequence, balance_yen), *others = call.told.touched  # type: ignore[union-attr]
    _replace(call, touched=((account, sequence, balance_yen + draw.choice([-1, 1])), *others))
    return telling.history()


def tell_another_date(telling: Telling, stored: Stored, draw: random.Random) -> History:
    """A decision is told with a date that is not its own."""
    call = _some(_decided(telling), draw)
    dates = {MONDAY, TUESDAY, WEDNESDAY} - {call.told.business_date}  # type: ignore[union-attr]
    _replace(call, business_date=draw.choice(sorted(dates)))
    return telling.history()


def show_a_stale_account(telling: Telling, stored: Stored, draw: random.Random) -> History:
    """An enquiry shows a true state of the past, after the entry behind it was answered or had to be settled."""
    stale = []
    for place, call in enumerate(telling.calls):
        if isinstance(call.asked, Enquiry) and call.told is not None and call.told.touched:
            [(account, sequence, _)] = call.told.touched
            earlier = {
                (entry[0], entry[1])
                for one in telling.calls[:place]
                if one.told is not None
                for entry in one.told.entries
            }
            if (account, sequence) in earlier:
                stale.append(call)
    call = _some(stale, draw)
    [(account, sequence, _)] = call.told.touched  # type: ignore[union-attr]
    before = {(row[0], row[1]): row[2] for row in stored.entries.tolist()}
    _replace(call, touched=((account, sequence - 1, before.get((account, sequence - 1), 0)),))
    return telling.history()


def pass_an_item(telling: Telling, stored: Stored, draw: random.Random) -> History:
    """An item that was due is stored behind an answer, or not at all."""
    passed = [
        (row, sequence)
        for call in telling.calls
        if call.told is not None and call.told.business_date is not None
        for account, sequence, _ in call.told.touched
        for row, item in enumerate(stored.items.tolist())
        if item[0] == account and item[1] <= call.told.business_date.toordinal()
    ]
    assume(passed)
    row, sequence = draw.choice(passed)
    stored.items[row, 2] = draw.choice([sequence + 1, -1])
    return telling.history()


def turn_time_round(telling: Telling, stored: Stored, draw: random.Random) -> History:
    """Two calls, of which the later saw what the earlier left, change their places in time."""
    pairs = [
        (one, other)
        for place, one in enumerate(telling.calls)
        for other in telling.calls[place + 1 :]
        if one.told is not None and other.told is not None and not one.told.replayed and not other.told.replayed
        for entry in one.told.entries
        for touch in other.told.touched
        if entry[0] == touch[0] and touch[1] >= entry[1]
    ]
    assume(pairs)
    one, other = draw.choice(pairs)
    one.asked_us, other.asked_us = other.asked_us, one.asked_us
    one.ended_us, other.ended_us = other.ended_us, one.ended_us
    return telling.history()


def decide_twice(telling: Telling, stored: Stored, draw: random.Random) -> History:
    """A repeated call is told that it was the one that decided."""
    call = _some([call for call in _decided(telling) if call.told is not None and not call.told.replayed], draw)
    again = Call(0, 99, 0, "bob", call.asked, telling.now_us, telling.now_us + 5, call.told)
    telling.calls.append(again)
    return telling.history()


def move_the_date_back(telling: Telling, stored: Stored, draw: random.Random) -> History:
    """Somebody is told an earlier date after all others were answered."""
    last = telling.bank.tables.business_date[""]
    assume(last > MONDAY and telling.calls)
    account = draw.choice(strategies.ACCOUNTS)
    told = msgspec.structs.replace(telling.ask(Enquiry(account)).told)
    telling.now_us += 10
    telling.calls.append(Call(0, 99, 0, "bob", Enquiry(account), telling.now_us, telling.now_us + 5, told))
    _replace(telling.calls[-1], business_date=MONDAY)
    return telling.history()


BENDS: tuple[Bend, ...] = (
    lose_an_outcome,
    lose_a_call,
    double_an_entry,
    tell_another_reason,
    tell_another_balance,
    tell_another_date,
    show_a_stale_account,
    pass_an_item,
    turn_time_round,
    decide_twice,
    move_the_date_back,
)


@settings(TRIED)
@given(strategies.openings, strategies.runs, wishes, st.sampled_from(BENDS), st.randoms(use_true_random=False))
def test_what_is_bent_at_one_place_is_rejected(
    openings: list, runs: list, wishes: list[Asked | None], bend: Bend, draw: random.Random
) -> None:
    """Whatever is bent in a way that no order explains, at least one check cries."""
    telling = lived(openings, runs, wishes)
    stored = telling.stored()

    history = bend(telling, stored, draw)

    assert broken(history, stored) != {}
