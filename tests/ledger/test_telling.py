"""Callers who are called back on the door's own threads, and tell the next from there: design 4, C-2, O-9."""

from __future__ import annotations

import threading
from typing import Any

from test_batcher import DEADLINE_S, GatedStore, deposit, opener, wait_for

from banks import CLIENT, PostgresBank, key, number
from kanjo import ledger
from kanjo.ledger import Answer, Asked, Batcher, NotDecided, Outcome, Overloaded, StoreFailed
from kanjo.ledger.batcher import _Lanes
from kanjo.ledger.tickets import Called

Heard = Answer | Exception


class Caller:
    """Tells one after the other, each when the one before is answered."""

    def __init__(self, batcher: Batcher, asked: list[Asked]) -> None:
        self.heard: list[Heard] = []
        self.done = threading.Event()
        self._batcher = batcher
        self._left = iter(asked)
        self._next()

    def _hear(self, heard: Heard) -> None:
        self.heard.append(heard)
        self._next()

    def _next(self) -> None:
        asked = next(self._left, None)
        if asked is None:
            self.done.set()
        else:
            self._batcher.tell(asked, self._hear)


def test_many_callers_are_answered_with_what_was_committed(postgres: PostgresBank) -> None:
    """Each hears the outcomes of its own keys, in its own order."""
    accounts = [postgres.account(number(place)) for place in range(10)]
    asked = [
        [ledger.deposit(CLIENT, key((of, place)), accounts[(of + place) % 10], 3) for place in range(20)]
        for of in range(32)
    ]

    with Batcher(opener(postgres.database)) as batcher:
        callers = [Caller(batcher, list(one)) for one in asked]
        assert all(caller.done.wait(DEADLINE_S) for caller in callers)

    for caller, one in zip(callers, asked, strict=True):
        assert [heard.key for heard in caller.heard if isinstance(heard, Outcome)] == [each.key for each in one]
    assert sum(account.balance_yen for account in postgres.balances().values()) == 640 * 3


def test_what_those_of_a_batch_tell_next_goes_into_one_commit() -> None:
    """The first of them does not go alone."""
    store = GatedStore()
    sizes: list[int] = []

    with Batcher(lambda: store, threads=1, on_batch=lambda count, _: sizes.append(count)) as batcher:
        callers = [Caller(batcher, [deposit(0), deposit(0), deposit(0)])]
        wait_for(lambda: store.at_gate == 1)
        callers += [Caller(batcher, [deposit(place), deposit(place), deposit(place)]) for place in range(1, 10)]
        store.gate.set()
        assert all(caller.done.wait(DEADLINE_S) for caller in callers)

    assert sizes == [1, 10, 10, 9]


def test_a_caller_that_fails_on_its_answer_harms_nobody() -> None:
    """Its neighbours hear theirs, and the thread works on."""
    store = GatedStore()
    store.gate.set()
    heard: list[Heard] = []

    def fail(_: Heard) -> None:
        raise ZeroDivisionError

    with Batcher(lambda: store, threads=1) as batcher:
        batcher.tell(deposit(0), fail)
        batcher.tell(deposit(1), heard.append)
        wait_for(lambda: len(heard) == 1)
        assert isinstance(batcher.post(deposit(2)), Outcome)

    assert isinstance(heard[0], Outcome)


def test_o_9_a_poisoned_one_fails_alone(postgres: PostgresBank) -> None:
    """Its neighbours in the batch are answered, and it is told."""
    accounts = [postgres.account(number(place), 100) for place in range(10)]
    postgres.poison(accounts[3])

    with Batcher(opener(postgres.database)) as batcher:
        callers = [Caller(batcher, [ledger.deposit(CLIENT, key(account), account, 5)]) for account in accounts]
        assert all(caller.done.wait(DEADLINE_S) for caller in callers)

    heard = [one for caller in callers for one in caller.heard]
    assert [type(one) for one in heard] == [Outcome] * 3 + [NotDecided] + [Outcome] * 6


def test_a_store_that_fails_is_told_to_every_caller_once() -> None:
    """Nobody is left waiting, nobody hears twice."""

    def open_store() -> ledger.MemoryStore:
        raise ZeroDivisionError("down")

    with Batcher(open_store) as batcher:
        callers = [Caller(batcher, [deposit(place)]) for place in range(5)]
        assert all(caller.done.wait(DEADLINE_S) for caller in callers)

    assert [[type(one) for one in caller.heard] for caller in callers] == [[StoreFailed]] * 5


def test_c_2_there_is_no_more_room_on_the_doors_own_threads() -> None:
    """What is told from an answer counts as what waits; the eleventh may send its key again."""
    store = GatedStore()
    heard: list[Heard] = []
    refused: list[Exception] = []

    def tell_many(_: Heard) -> None:
        for place in range(15):
            try:
                batcher.tell(deposit(place % 10), heard.append)
            except Overloaded as error:
                refused.append(error)

    with Batcher(lambda: store, threads=1, waiting_max=10) as batcher:
        batcher.tell(deposit(0), tell_many)
        store.gate.set()
        wait_for(lambda: len(heard) == 10)

    assert len(refused) == 5
    assert all(isinstance(one, Outcome) for one in heard)


def test_closing_answers_what_waits_and_takes_nothing_more() -> None:
    """A caller that tells from its answer is told then that the door closes."""
    store = GatedStore()
    heard: list[Heard] = []
    late: list[Any] = []

    def tell_again(one: Heard) -> None:
        heard.append(one)
        try:
            batcher.tell(deposit(0), late.append)
        except StoreFailed as error:
            late.append(error)

    batcher = Batcher(lambda: store, threads=1)
    batcher.tell(deposit(0), tell_again)
    wait_for(lambda: store.at_gate > 0)
    batcher.tell(deposit(1), heard.append)
    closing = threading.Thread(target=batcher.close)
    closing.start()
    wait_for(lambda: batcher._closing)
    store.gate.set()
    closing.join(DEADLINE_S)

    assert [type(one) for one in heard] == [Outcome, Outcome]
    assert [type(one) for one in late] == [StoreFailed]


def test_threads_take_even_shares_of_what_waits_and_is_under_way() -> None:
    """Callers come back to the thread that answered them: whoever took all that waits would have them for ever."""
    lanes = _Lanes(batch_max=256, threads=2)
    lanes.fast = [Called(deposit(place), print) for place in range(10)]
    few = lanes.take()
    lanes.fast += [Called(deposit(place), print) for place in range(10, 64)]
    many = lanes.take()
    assert few is not None and many is not None
    lanes.give_back(few, [], set())
    rest = lanes.take()
    assert rest is not None

    assert [len(batch.tickets) for batch in (few, many, rest)] == [10, 32, 22]
