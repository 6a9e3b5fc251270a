"""Random values of the ledger, all in one place: a small bank, its items, and what its customers ask."""

from __future__ import annotations

from hypothesis import strategies as st

from banks import CLIENT, CREDIT, DEBIT, key, number
from kanjo import ledger
from kanjo.ledger import Asked, Status

ACCOUNTS = [number(index) for index in range(1, 5)]
"""Few, so that what happens meets on them; the last is not open at the beginning."""

amounts_yen = st.integers(1, 120)
accounts = st.sampled_from(ACCOUNTS)
statuses = st.sampled_from([Status.OPEN, Status.OPEN, Status.OPEN, Status.DEBIT_STOPPED, Status.FROZEN])
openings = st.lists(st.tuples(st.integers(0, 200), statuses), min_size=3, max_size=3)
"""Balance and status of each account that is open at the beginning."""
item_rows = st.tuples(accounts, st.sampled_from([CREDIT, DEBIT, DEBIT]), amounts_yen)
runs = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([20, 40, 60]), st.lists(item_rows, max_size=6)), max_size=4
)
"""Days after Monday, priority, items."""
_keys = st.integers(0, 7).map(key)


def _two_accounts() -> st.SearchStrategy[tuple[int, int]]:
    return st.permutations(ACCOUNTS).map(lambda order: (order[0], order[1]))


instructions: st.SearchStrategy[Asked] = st.one_of(
    st.builds(ledger.deposit, st.just(CLIENT), _keys, accounts, amounts_yen),
    st.builds(ledger.withdrawal, st.just(CLIENT), _keys, accounts, amounts_yen),
    st.builds(
        lambda named, pair, yen: ledger.transfer(CLIENT, named, pair[0], pair[1], yen),
        _keys,
        _two_accounts(),
        amounts_yen,
    ),
    st.builds(ledger.PlaceHold, client=st.just(CLIENT), key=_keys, account=accounts, amount_yen=amounts_yen),
    st.builds(
        ledger.CaptureHold,
        client=st.just(CLIENT),
        key=_keys,
        hold=_keys,
        amount_yen=st.none() | amounts_yen,
    ),
    st.builds(ledger.ReleaseHold, client=st.just(CLIENT), key=_keys, hold=_keys),
    st.builds(ledger.Reverse, client=st.just(CLIENT), key=_keys, original=_keys),
    st.builds(
        ledger.ChangeAccount,
        client=st.just(CLIENT),
        key=_keys,
        account=accounts,
        status=st.none() | st.sampled_from(list(Status)),
        floor_yen=st.none() | st.integers(-100, 100),
    ),
    st.builds(ledger.OpenAccount, client=st.just(CLIENT), key=_keys, account=accounts, product=st.just(1)),
    st.builds(ledger.Enquiry, accounts),
)
"""Keys come from a small set, so that replays, reused keys and references to each other happen often."""
