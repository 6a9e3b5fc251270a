"""A worker's stretch: columns decide as `settle` does, spans stand for results, and what is not plain is left alone."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from banks import CREDIT, DEBIT, MONDAY, TUESDAY, PostgresBank, number
from kanjo import db, ledger
from kanjo.check.prove import prove_in
from kanjo.ledger.account import Account, Status
from kanjo.ledger.book import Book, Changes, Item, Phase, Run
from kanjo.ledger.decide import settle
from kanjo.ledger.reason import Reason
from kanjo.ledger.stretch import (
    NO_PLAIN,
    SAFE_AMOUNT_YEN,
    SAFE_YEN,
    Plain,
    StretchBook,
    decide_plain,
    decide_stretch,
    is_safe,
)

RUN = Run(7, TUESDAY, Phase.PRE_BUSINESS, 50)
yen = st.integers(-(SAFE_YEN - 1), SAFE_YEN - 1) | st.integers(-1_000, 1_000)
rows = st.lists(
    st.tuples(
        st.none() | st.sampled_from(Status),
        st.sampled_from([CREDIT, DEBIT]),
        st.integers(1, SAFE_AMOUNT_YEN - 1) | st.integers(1, 1_000),
        yen,
        st.integers(0, 1_000) | st.integers(0, SAFE_YEN - 1),
        yen,
        st.integers(0, 2**40),
    ),
    max_size=12,
)


@given(rows)
def test_columns_decide_as_items_are_decided_one_by_one(
    given_rows: list[tuple[int | None, int, int, int, int, int, int]],
) -> None:
    """The same reasons, sequences, balances and amounts as `settle`, for every state of an account (C-1)."""
    accounts: dict[int, Account] = {}
    items: list[Item] = []
    columns: list[list[int]] = []
    for index, (status, kind, amount, balance, held, floor, sequence) in enumerate(given_rows):
        account = number(index + 1)
        items.append(Item(account, RUN.run, index + 1, kind, amount))
        if status is not None:
            accounts[account] = Account(account, balance, held, floor, sequence, int(status), 1)
        facts = [balance, held, floor, sequence, int(status)] if status is not None else [0] * 5
        columns.append([account, index + 1, kind, amount, *facts])
    names = ("account", "item", "kind", "amount_yen", "balance_yen", "held_yen", "floor_yen", "sequence", "status")
    table = np.array(columns, np.int64).reshape(len(columns), len(names))
    plain = Plain(run=RUN.run, due=RUN.due, **{name: table[:, place] for place, name in enumerate(names)})

    changes = Changes(date=TUESDAY)
    settle(Book(date=TUESDAY, accounts=accounts, items=items, runs={RUN.run: RUN}), changes)
    found = decide_plain(plain)

    entries, results = changes.item_entries, changes.results
    accepted = found.accepted
    assert accepted.account.tolist() == entries.account
    assert accepted.item.tolist() == entries.item
    assert accepted.sequence.tolist() == entries.sequence
    assert accepted.balance_yen.tolist() == entries.balance_yen
    assert found.signed_yen.tolist() == entries.amount_yen
    refused = [place for place, reason in enumerate(results.reason) if reason]
    assert found.refused.item.tolist() == [results.item[place] for place in refused]
    assert found.reason.tolist() == [results.reason[place] for place in refused]
    assert found.refused.sequence.tolist() == [results.sequence[place] for place in refused]
    assert found.refused.balance_yen.tolist() == [results.balance_yen[place] for place in refused]
    assert found.credited_yen == sum(amount for amount in entries.amount_yen if amount > 0)
    assert found.debited_yen == -sum(amount for amount in entries.amount_yen if amount < 0)


def test_what_could_leave_64_bits_is_not_plain() -> None:
    """Its sums are made by Python's integers, which do not wrap."""
    amounts = np.array([1, SAFE_AMOUNT_YEN, 1, 1])
    balances = np.array([5, 5, SAFE_YEN, -SAFE_YEN])

    assert is_safe(amounts, balances).tolist() == [True, False, False, False]


@given(
    counts=st.lists(st.integers(0, 4), min_size=1, max_size=8),
    unfinished_from=st.none() | st.integers(0, 7),
    items_max=st.integers(1, 9),
)
def test_o_8_a_stretch_ends_at_an_account_within_the_bound(
    counts: list[int], unfinished_from: int | None, items_max: int
) -> None:
    """Plain ones (count 0: one item) and others together: no more than the bound unless the first account alone has
    more; the slice goes on at the first account that was left alone, and the span covers just those before it.
    """
    assume(counts.count(0) <= items_max)  # no more are loaded
    accounts = [number(index + 1) for index in range(len(counts))]
    rest_items = [
        Item(account, RUN.run, 10 * index + each, CREDIT, 1)
        for index, (account, count) in enumerate(zip(accounts, counts, strict=True))
        for each in range(count)
    ]
    plain_accounts = np.array([account for account, count in zip(accounts, counts, strict=True) if not count], np.int64)
    ones = np.ones(len(plain_accounts), np.int64)
    plain = msgspec.structs.replace(
        NO_PLAIN,
        account=plain_accounts,
        item=1_000 + np.arange(len(plain_accounts)),
        **dict.fromkeys(("kind", "amount_yen", "balance_yen", "held_yen", "floor_yen", "sequence", "status"), ones),
    )
    others = [account for account, count in zip(accounts, counts, strict=True) if count]
    more = {account for account in others if unfinished_from is not None and account >= number(unfinished_from + 1)}
    book = StretchBook(
        run=RUN.run,
        accounts=accounts,
        rest=Book(
            date=TUESDAY,
            accounts={account: Account(account, 0, 0, 0, 0, 1, 1) for account in others},
            items=rest_items,
            runs={RUN.run: RUN},
            unfinished=set(more),
        ),
        plain=plain,
        held=set(),
        more_from=None,
        is_first=True,
    )

    changes = decide_stretch(book, items_max)

    settled = {*changes.rest.item_entries.account, *changes.plain.accepted.account.tolist()}
    first = accounts[0]
    assert changes.settled <= max(items_max, counts[0])
    if first in more:
        assert (settled, changes.next_account, changes.span) == ({first}, first, None)
        return
    left = [account for account in accounts if account not in settled]
    assert changes.next_account == (left[0] if left else None)
    assert settled == {account for account in accounts if not left or account < left[0]}
    assert settled.isdisjoint(more)
    if changes.span is None:  # every item has a result of its own
        assert not len(changes.plain.accepted.account)
        return
    assert (changes.span.first, changes.span.last) == (first, max(settled))
    assert changes.span.items == len(changes.plain.accepted.account)


@pytest.fixture
def bank(server: db.Database) -> Iterator[PostgresBank]:
    with db.scratch(server, "stretch", template=server.name) as database:
        ledger.ensure_partitions(database, MONDAY)
        bank = PostgresBank(database)
        bank.open(MONDAY)
        yield bank
        bank.quit()


def _sweep(bank: PostgresBank, run: int, first: int, last: int, items_max: int = 5_000) -> list[int]:
    """Settle a slice as workers do; how many items each commit settled."""
    steps = []
    next_account: int | None = first
    while next_account is not None:
        with bank.store.unit() as unit:
            wanted = ledger.StretchWanted(run=run, first=next_account, last=last, also=[], items_max=items_max)
            stretch = unit.load_stretch(unit.day(), wanted)
            if stretch is None:
                return steps
            settled, next_account = ledger.settle_stretch(unit, stretch, items_max)
        steps.append(settled)
    return steps


def test_one_row_stands_for_all_that_a_commit_accepted(bank: PostgresBank) -> None:
    """Only what was refused, or came first by Before, has a result of its own; outcomes are told all the same."""
    accounts = [bank.account(number(index), 100) for index in range(1, 41)]
    bank.owner.execute("UPDATE ledger.account SET status = 3 WHERE account = %s", (accounts[30],))
    run = bank.run(MONDAY)
    bank.items(run, [(account, CREDIT, 10) for account in accounts])
    ledger.enquire(bank.store, accounts[4])

    assert _sweep(bank, run, accounts[0], accounts[-1], items_max=16) == [15, 16, 8]

    rows = bank.owner.execute("SELECT account, reason, before FROM ledger.result ORDER BY account").fetchall()
    assert rows == [(accounts[4], Reason.ACCEPTED, True), (accounts[30], Reason.ACCOUNT_FROZEN, False)]
    spans = bank.owner.execute(
        "SELECT items, credited, debited, beside FROM ledger.span ORDER BY last_account"
    ).fetchall()
    assert spans == [(15, 150, 0, []), (15, 150, 0, []), (8, 80, 0, [])]
    results = bank.results(run)
    assert len(results) == 40
    assert (results[1].reason, results[1].sequence, results[1].balance_yen) == (Reason.ACCEPTED, 1, 100)


def test_doors_see_what_a_span_stands_for(bank: PostgresBank) -> None:
    """After the sweep nothing is due on its accounts; outside it everything still is."""
    accounts = [bank.account(number(index), 100) for index in range(1, 11)]
    run = bank.run(MONDAY)
    bank.items(run, [(account, CREDIT, 10) for account in accounts])
    _sweep(bank, run, accounts[2], accounts[6])

    balances = [ledger.enquire(bank.store, account).balance_yen for account in accounts]

    assert balances == [110] * 10
    before = {item for item, result in bank.results(run).items() if result.before}
    assert before == {1, 2, 8, 9, 10}


def test_o_9_a_stuck_account_stands_beside_the_span_and_is_settled_once_it_is_free(bank: PostgresBank) -> None:
    """Its neighbours are settled, it is not; a second sweep settles it alone, and nobody twice."""
    accounts = [bank.account(number(index), 100) for index in range(1, 8)]
    run = bank.run(MONDAY)
    bank.items(run, [(account, CREDIT, 10) for account in accounts])
    bank.owner.execute(
        "INSERT INTO ledger.stuck_item (cell, account, run, item, error) VALUES (0, %s, %s, 4, 'bad')",
        (accounts[3], run),
    )

    assert _sweep(bank, run, accounts[0], accounts[-1]) == [6]
    assert sorted(bank.results(run)) == [1, 2, 3, 5, 6, 7]
    bank.owner.execute("DELETE FROM ledger.stuck_item")
    assert _sweep(bank, run, accounts[0], accounts[-1], items_max=2) == [0, 1, 0, 0]

    assert sorted(bank.results(run)) == [1, 2, 3, 4, 5, 6, 7]
    assert bank.owner.execute("SELECT beside FROM ledger.span").fetchall() == [([accounts[3]],)]
    assert {entry.account for entry in bank.entries()} == set(accounts)
    assert len([entry for entry in bank.entries() if entry.item is not None]) == 7


def test_o_1_an_account_with_items_of_two_runs_takes_them_in_order(bank: PostgresBank) -> None:
    """The later run is swept first: on shared accounts the items of the other stand ahead of its own."""
    accounts = [bank.account(number(index)) for index in range(1, 6)]
    early, late = bank.run(MONDAY, priority=10), bank.run(MONDAY, priority=90)
    bank.items(late, [(account, DEBIT, 30) for account in accounts])
    bank.items(early, [(account, CREDIT, 30) for account in accounts[1:3]])

    _sweep(bank, late, accounts[0], accounts[-1])

    short, paid = Reason.INSUFFICIENT_FUNDS, Reason.ACCEPTED
    assert [bank.results(late)[item].reason for item in range(1, 6)] == [short, paid, paid, short, short]
    assert {result.reason for result in bank.results(early).values()} == {paid}
    assert _sweep(bank, early, accounts[0], accounts[-1]) == [0]


def test_a_stretch_reads_no_item_of_a_closed_run_and_none_beyond_its_slice(bank: PostgresBank) -> None:
    """Neighbours stay unlocked and untouched."""
    accounts = [bank.account(number(index), 100) for index in range(1, 6)]
    run = bank.run(MONDAY)
    bank.items(run, [(account, CREDIT, 10) for account in accounts])

    _sweep(bank, run, accounts[1], accounts[2])

    rows = bank.owner.execute("SELECT account FROM ledger.account WHERE sequence > 0 AND balance = 110 ORDER BY 1")
    assert [account for (account,) in rows] == accounts[1:3]


def test_the_check_agrees_with_spans(bank: PostgresBank) -> None:
    """Rule K-1 on a bank whose items were swept."""
    accounts = [bank.account(number(index), 100) for index in range(1, 6)]
    run = bank.run(MONDAY)
    bank.items(run, [(account, CREDIT, 10) for account in accounts])
    _sweep(bank, run, accounts[0], accounts[-1], items_max=2)

    with bank.database.connect(role="owner") as owner:
        found = {one.name: one.ok for law in prove_in(owner).laws for one in law.checks}

    assert found["spans"] and found["results"] and found["item_entries"] and found["results_decided_on"]
