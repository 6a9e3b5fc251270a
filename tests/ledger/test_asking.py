"""Doors on an event loop, and how threads share out what waits: design 4, C-2, O-9."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from test_batcher import GatedStore, deposit, opener, wait_for

from banks import CLIENT, PostgresBank, key, number
from kanjo import ledger
from kanjo.ledger import Asked, Batcher, NotDecided, Outcome, Overloaded, StoreFailed

DEADLINE_S = 30
T = TypeVar("T")


async def soon(awaitable: Awaitable[T]) -> T:
    """Its result, or a failure at the deadline."""
    return await asyncio.wait_for(awaitable, DEADLINE_S)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop go round until it holds, or fail at the deadline."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0)


def idle(batcher: Batcher, threads: int) -> None:
    """Wait until so many of its threads have nothing to do."""
    wait_for(lambda: batcher._idle == threads)


def test_many_tasks_are_answered_with_what_was_committed(postgres: PostgresBank) -> None:
    """Each gets the outcome of its own key, in rounds as they come."""
    accounts = [postgres.account(number(place)) for place in range(10)]
    keys = [uuid4() for _ in range(640)]

    async def caller(place: int) -> list[ledger.Answer]:
        return [await batcher.ask(ledger.deposit(CLIENT, one, accounts[one.int % 10], 3)) for one in keys[place::32]]

    async def all_callers() -> list[list[ledger.Answer]]:
        return await soon(asyncio.gather(*map(caller, range(32))))

    with Batcher(opener(postgres.database)) as batcher:
        found = [answer for answers in asyncio.run(all_callers()) for answer in answers]

    assert {one.key for one in found if isinstance(one, Outcome) and one.accepted} == set(keys)
    assert sum(account.balance_yen for account in postgres.balances().values()) == 640 * 3


def test_what_a_round_of_the_loop_asks_goes_into_one_commit() -> None:
    """The first to ask does not go alone: those who ask in the same round are there when the thread wakes."""
    store = GatedStore()
    store.gate.set()
    sizes: list[int] = []

    async def ask_all() -> None:
        await soon(asyncio.gather(*(batcher.ask(deposit(place % 10)) for place in range(50))))

    with Batcher(lambda: store, threads=1, on_batch=lambda count, _: sizes.append(count)) as batcher:
        idle(batcher, 1)
        asyncio.run(ask_all())

    assert sizes == [50]


def test_a_batch_disturbs_the_loop_once() -> None:
    """All its answers are handed over together."""
    store = GatedStore()
    store.gate.set()
    calls = []

    async def ask_all() -> None:
        loop = asyncio.get_running_loop()
        call = loop.call_soon_threadsafe

        def noted(*arguments: Any) -> Any:
            calls.append(arguments)
            return call(*arguments)

        loop.call_soon_threadsafe = noted  # type: ignore[method-assign]
        await soon(asyncio.gather(*(batcher.ask(deposit(place % 10)) for place in range(50))))
        loop.call_soon_threadsafe = call  # type: ignore[method-assign]

    with Batcher(lambda: store, threads=1) as batcher:
        idle(batcher, 1)
        asyncio.run(ask_all())

    assert len(calls) == 1


def test_o_9_a_poisoned_one_fails_alone(postgres: PostgresBank) -> None:
    """Its neighbours in the batch are answered, and it is told."""
    accounts = [postgres.account(number(place), 100) for place in range(10)]
    postgres.poison(accounts[3])

    async def ask_all() -> list[ledger.Answer]:
        asked = [ledger.deposit(CLIENT, key(account), account, 5) for account in accounts]
        return await soon(asyncio.gather(*map(batcher.ask, asked)))

    with Batcher(opener(postgres.database)) as batcher:
        found = asyncio.run(ask_all())

    assert isinstance(found.pop(3), NotDecided)
    assert all(isinstance(one, Outcome) and one.accepted for one in found)


def test_a_store_that_fails_is_told_to_every_task() -> None:
    """Nobody is left waiting."""

    def open_store() -> ledger.MemoryStore:
        raise ZeroDivisionError("down")

    async def ask_all() -> list[Any]:
        asking = (batcher.ask(deposit(place)) for place in range(5))
        return await soon(asyncio.gather(*asking, return_exceptions=True))

    with Batcher(open_store) as batcher:
        found = asyncio.run(ask_all())

    assert [type(one) for one in found] == [StoreFailed] * 5


def test_c_2_those_for_whom_there_is_no_room_are_told() -> None:
    """The first ten are taken and answered; the others may send their keys again."""
    store = GatedStore()

    async def ask_all() -> list[Any]:
        first = asyncio.ensure_future(batcher.ask(deposit(0)))
        await until(lambda: store.at_gate == 1)
        asking = [asyncio.ensure_future(batcher.ask(deposit(place % 10))) for place in range(15)]
        await until(lambda: sum(one.done() for one in asking) == 5)
        store.gate.set()
        await soon(first)
        return await soon(asyncio.gather(*asking, return_exceptions=True))

    with Batcher(lambda: store, threads=1, waiting_max=10) as batcher:
        found = asyncio.run(ask_all())

    assert [isinstance(one, Outcome) for one in found] == [True] * 10 + [False] * 5
    assert all(isinstance(one, Overloaded) for one in found[10:])


def test_closing_answers_the_tasks_that_wait() -> None:
    """Who comes behind that is told that the door closes."""
    store = GatedStore()
    batcher = Batcher(lambda: store, threads=2)

    async def ask_all() -> list[Any]:
        loop = asyncio.get_running_loop()
        asking = [asyncio.ensure_future(batcher.ask(deposit(place % 10))) for place in range(100)]
        await until(lambda: store.at_gate > 0)
        closing = loop.run_in_executor(None, batcher.close)
        await until(lambda: batcher._closing)
        late = asyncio.ensure_future(batcher.ask(deposit(0)))
        store.gate.set()
        await soon(closing)
        return await soon(asyncio.gather(*asking, late, return_exceptions=True))

    found = asyncio.run(ask_all())

    assert all(isinstance(one, Outcome) for one in found[:-1])
    assert isinstance(found[-1], StoreFailed)


def test_a_cancelled_task_harms_nobody() -> None:
    """Before its turn it costs no posting; in the middle of it it is decided all the same; its neighbours go on."""
    store = GatedStore()

    async def ask_all() -> list[ledger.Answer]:
        taken = asyncio.ensure_future(batcher.ask(deposit(0, 1)))
        await until(lambda: store.at_gate == 1)
        waiting, kept = (asyncio.ensure_future(batcher.ask(deposit(0, amount_yen))) for amount_yen in (10, 100))
        await until(lambda: len(batcher._lanes) == 2)
        taken.cancel()
        waiting.cancel()
        await asyncio.sleep(0)
        assert taken.cancelled() and waiting.cancelled()
        store.gate.set()
        return [await soon(kept), await soon(batcher.ask(ledger.Enquiry(number(0))))]

    with Batcher(lambda: store, threads=1) as batcher:
        kept, snapshot = asyncio.run(ask_all())

    assert isinstance(kept, Outcome) and kept.accepted
    assert isinstance(snapshot, ledger.Snapshot)
    assert snapshot.balance_yen == 101


def test_a_loop_that_went_away_harms_nobody() -> None:
    """Its answers are dropped; the thread serves the next."""
    store = GatedStore()

    async def ask_and_leave() -> None:
        asyncio.ensure_future(batcher.ask(deposit(0)))  # noqa: RUF006 - given up on purpose
        await until(lambda: store.at_gate == 1)

    with Batcher(lambda: store, threads=1) as batcher:
        asyncio.run(ask_and_leave())
        store.gate.set()
        assert isinstance(batcher.post(deposit(1)), Outcome)


def ask_together(batcher: Batcher, asked: list[Asked]) -> list[ledger.Answer]:
    """Ask all in one round of a loop."""

    async def ask_all() -> list[ledger.Answer]:
        return await soon(asyncio.gather(*map(batcher.ask, asked)))

    return asyncio.run(ask_all())


@pytest.mark.parametrize(("count", "expected"), [(10, [10]), (16, [16]), (60, [30, 30])])
def test_idle_threads_share_out_what_waits(count: int, expected: list[int]) -> None:
    """One works out decisions while the database is busy with those of the other; too few are not worth it."""
    store = GatedStore()
    for place in range(10, 60):
        store.tables.accounts[number(place)] = ledger.Account(number(place), 0, 0, 0, 0, 1, 1)
    sizes: list[int] = []

    async def ask_all() -> None:
        asking = asyncio.gather(*(batcher.ask(deposit(place)) for place in range(count)))
        await until(lambda: store.at_gate == len(expected))
        store.gate.set()
        await soon(asking)

    with Batcher(lambda: store, threads=2, on_batch=lambda count, _: sizes.append(count)) as batcher:
        idle(batcher, 2)
        asyncio.run(ask_all())

    assert sizes == expected


def test_who_names_an_account_of_a_batch_goes_with_it() -> None:
    """A merchant's whole crowd goes into one commit instead of one behind the other."""
    store = GatedStore()
    store.gate.set()
    sizes: list[int] = []
    with Batcher(lambda: store, threads=2, on_batch=lambda count, _: sizes.append(count)) as batcher:
        idle(batcher, 2)
        ask_together(batcher, [deposit(0) for _ in range(60)])

    assert sizes == [60]


def test_what_names_a_busy_account_waits_without_its_neighbours() -> None:
    """The second thread would only wait for the first's lock, and all of its batch with it."""
    store = GatedStore()
    with Batcher(lambda: store, threads=2) as batcher:
        idle(batcher, 2)
        first = batcher.submit(deposit(0))
        wait_for(lambda: store.at_gate == 1)
        held, free = batcher.submit(deposit(0, 10)), batcher.submit(deposit(1, 100))
        wait_for(lambda: store.at_gate == 2)
        assert [ticket.asked.movements[0].amount_yen for ticket in batcher._lanes.fast] == [10]  # type: ignore[union-attr]
        store.gate.set()
        assert all(isinstance(one.result(DEADLINE_S), Outcome) for one in (first, held, free))

    assert [store.tables.accounts[number(place)].balance_yen for place in (0, 1)] == [11, 100]


def test_a_hot_account_on_several_threads_loses_nothing(postgres: PostgresBank) -> None:
    """Transfers to one merchant and among others, from many tasks: all are decided, and the money is there."""
    merchant = postgres.account(number(99))
    accounts = [postgres.account(number(place), 10_000) for place in range(20)]

    async def caller(place: int) -> None:
        for turn in range(20):
            one = accounts[(place + turn) % 20]
            other = merchant if turn % 2 else accounts[(place + turn + 7) % 20]
            answer = await batcher.ask(ledger.transfer(CLIENT, uuid4(), one, other, 1))
            assert isinstance(answer, Outcome) and answer.accepted

    async def all_callers() -> None:
        await soon(asyncio.gather(*map(caller, range(40))))

    with Batcher(opener(postgres.database), threads=3) as batcher:
        asyncio.run(all_callers())

    assert postgres.balances()[merchant].balance_yen == 400
    assert sum(account.balance_yen for account in postgres.balances().values()) == 200_000
