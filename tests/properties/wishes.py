"""Random wishes of customers and rows of runs, and how the program is asked for them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from model import Said, Wish

from banks import CLIENT, MONDAY, key, number
from kanjo import ledger
from kanjo.ledger import Answer, Asked, Outcome, Snapshot, Status

POOL = [number(index) for index in range(1, 5)]
"""Few, so that what happens meets on them; the last is not open at first."""

pool = st.sampled_from([*POOL[:3] * 3, POOL[3]])
yens = st.integers(1, 120)
choices = st.integers(0, 30)
"""Chooses a key or a run; what it means is up to the machine, which knows those there are."""
days = st.integers(0, 3)
"""From the current date on."""
statuses = st.sampled_from([*["open"] * 8, "debit-stopped", "frozen", "closed"])
rows = st.lists(st.tuples(pool, yens), min_size=1, max_size=6)

_two = st.permutations(POOL)
moves: st.SearchStrategy[Wish] = st.one_of(
    st.tuples(st.just("deposit"), choices, pool, yens),
    st.tuples(st.just("withdraw"), choices, pool, yens),
    _two.flatmap(lambda two: st.tuples(st.just("transfer"), choices, st.just(two[0]), st.just(two[1]), yens)),
    st.tuples(st.just("reverse"), choices, choices),
    st.tuples(st.just("ask"), pool),
)
holds: st.SearchStrategy[Wish] = st.one_of(
    st.tuples(st.just("hold"), choices, pool, yens, st.none() | days),
    st.tuples(st.just("hold"), choices, pool, yens, days),
    st.tuples(st.just("capture"), choices, choices, st.none() | yens),
    st.tuples(st.just("release"), choices, choices),
)
changes: st.SearchStrategy[Wish] = st.one_of(
    st.tuples(st.just("status"), choices, pool, statuses),
    st.tuples(st.just("floor"), choices, pool, st.integers(-100, 50)),
    st.tuples(st.just("open"), choices, pool),
)
wishes = st.one_of(moves, moves, holds, holds, moves, changes)


def asked(wish: Wish) -> Asked:
    """The instruction that says it."""
    match wish:
        case ("ask", account):
            return ledger.Enquiry(account)
        case ("deposit", name, account, yen):
            return ledger.deposit(CLIENT, key(name), account, yen)
        case ("withdraw", name, account, yen):
            return ledger.withdrawal(CLIENT, key(name), account, yen)
        case ("transfer", name, one, other, yen):
            return ledger.transfer(CLIENT, key(name), one, other, yen)
        case ("hold", name, account, yen, last):
            expires_on = None if last is None else MONDAY + timedelta(days=last)
            return ledger.PlaceHold(
                client=CLIENT, key=key(name), account=account, amount_yen=yen, expires_on=expires_on
            )
        case ("capture", name, hold, yen):
            return ledger.CaptureHold(client=CLIENT, key=key(name), hold=key(hold), amount_yen=yen)
        case ("release", name, hold):
            return ledger.ReleaseHold(client=CLIENT, key=key(name), hold=key(hold))
        case ("reverse", name, original):
            return ledger.Reverse(client=CLIENT, key=key(name), original=key(original))
        case ("status", name, account, word):
            status = Status.of(word)
            assert isinstance(status, Status)
            return ledger.ChangeAccount(client=CLIENT, key=key(name), account=account, status=status)
        case ("floor", name, account, yen):
            return ledger.ChangeAccount(client=CLIENT, key=key(name), account=account, floor_yen=yen)
        case ("open", name, account):
            return ledger.OpenAccount(client=CLIENT, key=key(name), account=account, product=1)
    raise AssertionError(wish)


def said(answer: Answer) -> Said:
    """An answer as the model words it."""
    if isinstance(answer, Snapshot):
        status: Any = Status(answer.status).word if answer.status else ""
        return (answer.reason.word, answer.balance_yen, answer.held_yen, answer.floor_yen, answer.sequence, status)
    assert isinstance(answer, Outcome), answer
    lines = tuple((line.account, line.sequence, line.amount_yen, line.balance_yen) for line in answer.entries)
    return (answer.reason.word, answer.replayed, lines)
