"""Accounts with more due than one small commit settles, at a door: rules O-8 and O-9, law 3."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_batcher import DEADLINE_S, opener, results, wait_for

from banks import CLIENT, CREDIT, DEBIT, MONDAY, PostgresBank, key, memory_bank, number, prove, terminate
from kanjo import ledger
from kanjo.ledger import Answer, Batcher, Enquiry, Outcome, PostgresStore, Reason, Snapshot, deposit, transfer
from kanjo.ledger import batcher as batcher_module

LONG, MERCHANT, OTHER = number(1), number(2), number(3)


@pytest.fixture
def town(postgres: PostgresBank) -> PostgresBank:
    """Three accounts of 1,000 yen."""
    for account in (LONG, MERCHANT, OTHER):
        postgres.account(account, 1_000)
    return postgres


def pile_up(bank: PostgresBank, due: dict[int, int]) -> int:
    """So many credits of a yen are due on these accounts; returns the run."""
    run = bank.run(MONDAY)
    bank.items(run, [(account, CREDIT, 1) for account, count in due.items() for _ in range(count)])
    return run


def commits(bank: PostgresBank) -> list[dict[int, int]]:
    """How many items of each account were settled by each commit, in their order."""
    found: dict[int, dict[int, int]] = {}
    for commit, account, count in bank.owner.execute(
        "SELECT xmin::text::bigint, account, count(*) FROM ledger.result GROUP BY 1, 2 ORDER BY 1, 2"
    ):
        found.setdefault(commit, {})[account] = count
    return list(found.values())


def asked(name: object, account: int) -> ledger.Post:
    return deposit(CLIENT, key(name), account, 1)


class Gate:
    """Opens stores; the thread that settles, or the one that posts, comes through only once the gate is open."""

    def __init__(self, bank: PostgresBank, thread: str) -> None:
        self.open = threading.Event()
        self.opened: list[PostgresStore] = []
        self._open_store = opener(bank.database)
        self._thread = thread

    def __call__(self) -> PostgresStore:
        if threading.current_thread().name == self._thread:
            assert self.open.wait(DEADLINE_S)
        self.opened.append(self._open_store())
        return self.opened[-1]


def accepted(found: Answer) -> Outcome:
    assert isinstance(found, Outcome) and found.accepted, found
    return found


@pytest.mark.parametrize("threads", [1, 2])
def test_o_8_an_account_with_much_due_does_not_hold_up_the_others(
    town: PostgresBank, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While 20,000 items of one account are settled, others are answered, behind commits of 500 items at most; its own
    callers come behind all items.
    """
    monkeypatch.setattr(batcher_module, "QUIET_S", 60.0)
    pile_up(town, {LONG: 20_000})
    with Batcher(opener(town.database), threads=threads) as batcher:
        slow = [batcher.submit(asked("slow", LONG)), batcher.submit(transfer(CLIENT, key("t"), LONG, MERCHANT, 1))]
        late: Future[Answer] | None = None
        meanwhile = 0
        while not any(future.done() for future in slow):
            for answer in results([batcher.submit(asked((meanwhile, place), place)) for place in (MERCHANT, OTHER)]):
                accepted(answer)
            meanwhile += not any(future.done() for future in slow)
            late = late or batcher.submit(asked("late", LONG))
        assert late is not None
        found = [accepted(answer) for answer in results([*slow, late])]

    assert meanwhile >= 2
    assert all(outcome.touched[0].sequence >= 20_001 for outcome in found)
    assert [sum(commit.values()) for commit in commits(town)] == [500] * 40
    prove(town)


def test_o_8_commits_are_large_while_nobody_else_comes(town: PostgresBank, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the first, which others may share."""
    monkeypatch.setattr(batcher_module, "QUIET_S", -1.0)
    run = pile_up(town, {LONG: 12_000})
    with Batcher(opener(town.database)) as batcher:
        accepted(batcher.post(asked("slow", LONG)))

    assert commits(town) == [{LONG: 500}, {LONG: 5_000}, {LONG: 5_000}, {LONG: 1_500}]
    assert all(result.before for result in town.results(run).values())


def test_a_payees_callers_do_not_wait_behind_the_payers_items(town: PostgresBank) -> None:
    """Whoever has much due may pay a merchant: only the payer's account waits to be settled."""
    gate = Gate(town, "batcher-settler")
    pile_up(town, {LONG: 2_000})
    with Batcher(gate, threads=1) as batcher:
        payment = batcher.submit(transfer(CLIENT, key("payment"), LONG, MERCHANT, 2_500))
        wait_for(lambda: len(batcher._lanes.slow) == 1)
        other_payment = batcher.submit(asked("of the payer", LONG))
        for place in range(3):
            accepted(batcher.post(asked(place, MERCHANT)))
        assert not payment.done() and not other_payment.done()
        gate.open.set()
        paid, of_payer = results([payment, other_payment])

    assert accepted(paid).touched[0].sequence >= 2_001
    assert accepted(of_payer).touched[0].sequence >= 2_001
    prove(town)


def test_o_8_long_accounts_take_turns(town: PostgresBank, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit each, so that the short ones among them need not wait for the longest."""
    monkeypatch.setattr(batcher_module, "QUIET_S", 60.0)
    gate = Gate(town, "batcher-settler")
    pile_up(town, {LONG: 2_000, MERCHANT: 1_500, OTHER: 1_000})
    with Batcher(gate, threads=1) as batcher:
        callers = [batcher.submit(asked(account, account)) for account in (LONG, MERCHANT, OTHER)]
        wait_for(lambda: len(batcher._lanes.slow) == 3)
        gate.open.set()
        found = [accepted(answer) for answer in results(callers)]

    alone = [account for commit in commits(town) for account in commit if len(commit) == 1][-6:]
    assert alone == [LONG, MERCHANT, OTHER, LONG, MERCHANT, LONG]
    assert [outcome.touched[0].sequence for outcome in found] == [2_001, 1_501, 1_001]


def test_o_8_many_long_accounts_share_the_bound_of_a_commit(town: PostgresBank) -> None:
    """40 callers, 600 items due for each: the commit that all of them share settles 2,000, the others 500 at most."""
    accounts = [town.account(number(place)) for place in range(100, 140)]
    gate = Gate(town, "batcher-0")
    pile_up(town, dict.fromkeys(accounts, 600))
    with Batcher(gate, threads=1) as batcher:
        callers = [batcher.submit(asked(account, account)) for account in accounts]
        gate.open.set()
        found = [accepted(answer) for answer in results(callers)]

    assert all(outcome.touched[0].sequence == 600 for outcome in found)
    sizes = sorted(sum(commit.values()) for commit in commits(town))
    assert sizes[-1] == 2_000
    assert sizes[-2] <= 600
    prove(town)


def test_closing_answers_those_who_wait_for_their_items(town: PostgresBank) -> None:
    """Their account is settled to its end before the door is closed."""
    gate = Gate(town, "batcher-settler")
    pile_up(town, {LONG: 2_000})
    batcher = Batcher(gate)
    caller = batcher.submit(asked("slow", LONG))
    wait_for(lambda: len(batcher._lanes.slow) == 1)
    closer = threading.Thread(target=batcher.close)
    closer.start()
    wait_for(lambda: batcher._closing)
    gate.open.set()
    closer.join(DEADLINE_S)

    assert caller.done() and accepted(caller.result()).touched[0].sequence == 2_001
    assert all(store.connection.closed for store in gate.opened)


def test_a_line_lost_while_settling_costs_nobody_an_answer(town: PostgresBank) -> None:
    """What was not committed is settled on another line."""
    lost: list[PostgresStore] = []

    def open_store() -> PostgresStore:
        store = opener(town.database)()
        if threading.current_thread().name == "batcher-settler" and not lost:
            lost.append(store)
            terminate(town.owner, store.connection)
        return store

    pile_up(town, {LONG: 2_000})
    with Batcher(open_store) as batcher:
        found = accepted(batcher.post(asked("slow", LONG)))

    assert lost and found.touched[0].sequence == 2_001
    prove(town)


def test_o_9_a_poison_item_deep_in_a_long_account_holds_that_account_alone(town: PostgresBank) -> None:
    """Those before it are settled, its callers are refused, others served."""
    run = town.run(MONDAY)
    town.items(run, [(LONG, DEBIT, 1)] * 900 + [(LONG, CREDIT, 2_000)] + [(LONG, DEBIT, 1)] * 900)
    town.cure(LONG, 2**63 - 1_000)
    with Batcher(opener(town.database)) as batcher:
        held = batcher.submit(asked("slow", LONG))
        accepted(batcher.post(asked("other", OTHER)))
        found = held.result(DEADLINE_S)

    assert isinstance(found, Outcome) and found.reason == Reason.ITEM_STUCK
    assert town.stuck() == {(run, 901)}
    assert list(town.results(run)) == list(range(1, 901))


def test_whoever_refers_to_a_long_account_waits_for_it_too(town: PostgresBank) -> None:
    """A capture names the hold and not its account: it is decided behind all items all the same."""
    hold = ledger.PlaceHold(client=CLIENT, key=key("hold"), account=LONG, amount_yen=10)
    accepted(ledger.post(town.store, [hold])[0])
    pile_up(town, {LONG: 1_600, OTHER: 600})
    with Batcher(opener(town.database)) as batcher:
        capture = batcher.submit(ledger.CaptureHold(client=CLIENT, key=key("take"), hold=key("hold")))
        other = batcher.submit(asked("other", OTHER))
        taken, _ = (accepted(answer) for answer in results([capture, other]))

    assert taken.touched[0].sequence == 1_601
    prove(town)


@given(
    due=st.lists(st.integers(0, 12), min_size=4, max_size=4),
    pairs=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=25),
    threads=st.integers(1, 3),
)
def test_law_3_whatever_is_asked_at_once_is_decided_behind_all_that_is_due(
    due: list[int], pairs: Sequence[tuple[int, int]], threads: int
) -> None:
    """Transfers, deposits and enquiries on accounts of which some have more due than a small commit settles."""
    bank = memory_bank()
    bank.open(MONDAY)
    accounts = [bank.account(number(place), 100) for place in range(4)]
    run = bank.run(MONDAY)
    bank.items(run, [(account, CREDIT, 1) for account, count in zip(accounts, due, strict=True) for _ in range(count)])
    wanted: list[ledger.Asked] = []
    for place, (one, other) in enumerate(pairs):
        if one != other:
            wanted.append(transfer(CLIENT, key(place), accounts[one], accounts[other], 1))
        else:
            wanted.append(Enquiry(accounts[one]) if place % 2 else asked(place, accounts[one]))
    with pytest.MonkeyPatch.context() as patch, closing(_Door(patch, bank.store, threads)) as door:
        found = results([door.batcher.submit(one) for one in wanted])

    least = {account: 1 + count for account, count in zip(accounts, due, strict=True)}
    for answer in found:
        if isinstance(answer, Snapshot):
            assert answer.sequence >= least[answer.account]
        else:
            assert all(touch.sequence >= least[touch.account] for touch in accepted(answer).touched)
    named = {account for one in wanted for account in one.accounts()}
    settled = {bank.tables.items[place].account for place in bank.tables.items if place[1:] in bank.tables.results}
    assert settled == {account for account in named if least[account] > 1}
    prove(bank)


class _Door:
    """A batcher whose small commits settle three items of an account."""

    def __init__(self, patch: pytest.MonkeyPatch, store: ledger.MemoryStore, threads: int) -> None:
        patch.setattr(batcher_module, "FAST_ITEMS_MAX", 3)
        patch.setattr(batcher_module, "QUIET_S", 60.0)
        self.batcher = Batcher(lambda: store, threads=threads)

    def close(self) -> None:
        self.batcher.close()
