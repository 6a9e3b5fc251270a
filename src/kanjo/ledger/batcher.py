"""Natural batching for doors (design 4): what arrives while a commit is under way is taken by the next, all of it.

No timer and no wait when idle. An account with more due than one small commit may settle does not hold up the others:
what is asked of it goes to a lane of its own, which one thread at a time works off while the rest is answered.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import NamedTuple

import structlog

from kanjo.db.explain import PASSING
from kanjo.errors import KanjoError
from kanjo.ledger.doubt import PATIENCE_S, until_known
from kanjo.ledger.instruction import Asked
from kanjo.ledger.outcome import Answer
from kanjo.ledger.post import ITEMS_MAX, post_once
from kanjo.ledger.postgres import PostgresStore
from kanjo.ledger.pulse import Pulse
from kanjo.ledger.store import Conflict, OutcomeUnknown, Store, StoreAway, StoreFailed
from kanjo.ledger.tickets import Awaited, Blocked, Called, Promised, Ticket, wake

_LOG = structlog.get_logger()
FAST_ITEMS_MAX = 500
"""A commit for everybody settles at most so many items of an account (O-8): about 10 ms of everybody's time."""
SHARE_MIN = 16
"""Fewer are not shared out among threads: what a commit costs by itself would outweigh working side by side."""


class Overloaded(Exception):
    """The queue is full: nothing was decided or stored, the same key may be sent again (C-2)."""


class Batcher:
    """Threads that post for many callers, each on a store of its own; close it, or use it in a `with` block.

    `open_store` makes a store (on a connection of its own), again after a connection was lost. `waiting_max` bounds
    what may wait, `batch_max` what one commit decides. A batch whose outcome is in doubt, or whose database is away, is
    asked again for `patience_s` before anybody hears of it. `on_batch(count, seconds)` is told of every commit. With a
    `pulse` the door publishes how long its callers wait, and an adaptive cut yields to them. Instructions that do not
    wait for each other's answers are decided in any order.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        *,
        threads: int = 2,
        waiting_max: int = 10_000,
        batch_max: int = 256,
        patience_s: float = PATIENCE_S,
        on_batch: Callable[[int, float], object] | None = None,
        pulse: Pulse | None = None,
    ) -> None:
        assert threads > 0 and waiting_max > 0 and batch_max > 0
        self.open_store = open_store
        self.waiting_max = waiting_max
        self.batch_max = batch_max
        self.patience_s = patience_s
        self.on_batch = on_batch
        self.pulse = pulse
        self._lanes = _Lanes(batch_max, threads)
        self._gathered: dict[asyncio.AbstractEventLoop, list[Awaited]] = {}
        """Asked in the present round of a loop; touched by its thread only."""
        self._told: dict[int, list[Ticket]] = {}
        """What those who hear their answers on a thread of ours tell meanwhile: it goes into the queue together."""
        self._changed = threading.Condition(threading.Lock())
        self._idle = 0
        self._closing = False
        self._impatient = threading.Event()
        """The door is closing: whoever waits for a database that is away is told so."""
        self._threads = [
            threading.Thread(target=self._work, name=f"batcher-{place}", daemon=True) for place in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, asked: Asked) -> Future[Answer]:
        """Queue it; the future gives the committed answer, or OutcomeUnknown or StoreFailed. Raises Overloaded."""
        ticket = Promised(asked)
        self._queue([ticket])
        return ticket.future

    def post(self, asked: Asked) -> Answer:
        """Wait for the committed answer. Raises Overloaded, OutcomeUnknown, StoreFailed."""
        ticket = Blocked(asked)
        self._queue([ticket])
        ticket.done.acquire()
        if ticket.error is not None:
            raise ticket.error
        assert ticket.found is not None
        return ticket.found

    def tell(self, asked: Asked, hear: Callable[[Answer | Exception], object]) -> None:
        """Queue it; `hear` is called once with the committed answer, or with OutcomeUnknown or StoreFailed, on the
        thread that posted: it must be quick and wait for nothing, but may tell more. Raises Overloaded, StoreFailed.
        """
        ticket = Called(asked, hear)
        told = self._told.get(threading.get_ident())
        if told is None:
            self._queue([ticket])
            return
        self._require_room(len(told) + 1)
        told.append(ticket)

    async def ask(self, asked: Asked) -> Answer:
        """Await the committed answer on the running event loop. Raises Overloaded, OutcomeUnknown, StoreFailed.

        Whoever is cancelled before its turn costs no posting; after that its instruction is decided all the same.
        """
        loop = asyncio.get_running_loop()
        ticket = Awaited(asked, loop)
        gathered = self._gathered.get(loop)
        if gathered is None:  # all that the loop's tasks ask in this round of it goes into the queue together
            self._gathered[loop] = [ticket]
            loop.call_soon(self._queue_gathered, loop)
        else:
            gathered.append(ticket)
        return await ticket.future

    def close(self) -> None:
        """Take nothing more, answer all that waits, end the threads and close their connections."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._impatient.set()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Batcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _queue(self, tickets: Sequence[Ticket]) -> None:
        """Queue them in one go; raises when the door is closing or there is no room for all of them."""
        with self._changed:
            self._require_room(len(tickets))
            self._lanes.fast.extend(tickets)
            if self._idle:
                self._changed.notify()

    def _require_room(self, count: int) -> None:
        if self._closing:
            raise StoreFailed("the door is closing")
        if len(self._lanes) + count > self.waiting_max:
            raise Overloaded(f"{len(self._lanes)} instructions wait already")

    def _queue_gathered(self, loop: asyncio.AbstractEventLoop) -> None:
        """On the loop's own thread. What does not go in together goes in one by one, as far as there is room."""
        gathered = self._gathered.pop(loop)
        try:
            self._queue(gathered)
        except (Overloaded, StoreFailed):
            for ticket in gathered:
                try:
                    self._queue([ticket])
                except (Overloaded, StoreFailed) as error:
                    ticket.fail(error)
                    ticket.hand_over()

    def _take(self) -> _Batch | None:
        """What has arrived; waits when there is nothing, None to end."""
        with self._changed:
            while (taken := self._lanes.take()) is None:
                if self._closing:
                    return None
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            if self._idle and self._lanes.fast:
                self._changed.notify()
            return taken

    def _work(self) -> None:
        desk = _Desk(self.open_store)
        while (taken := self._take()) is not None:
            tickets = taken.tickets
            left: list[Ticket] = []
            told: list[Ticket] = []
            self._told[threading.get_ident()] = told
            try:
                tickets = [ticket for ticket in tickets if ticket.begin()]
                if tickets:
                    left = self._post(desk, tickets, ITEMS_MAX if taken.slow else FAST_ITEMS_MAX)
            except Exception as error:
                for ticket in tickets:
                    ticket.fail(_told(error))
                wake(tickets)
            finally:
                del self._told[threading.get_ident()]
                self._return(taken, left, told)
        desk.leave()

    def _post(self, desk: _Desk, tickets: Sequence[Ticket], items_max: int) -> list[Ticket]:
        """One commit; tell everybody who has an answer, return the others."""
        began = time.perf_counter()
        asked = [ticket.asked for ticket in tickets]
        answers = until_known(
            lambda: desk.post(asked, items_max),
            patience_s=self.patience_s,
            pause=lambda seconds: not self._impatient.wait(seconds),
        )
        seconds = time.perf_counter() - began
        left = []
        told = []
        for ticket, answer in zip(tickets, answers, strict=True):
            if answer is None:
                left.append(ticket)
            else:
                ticket.answer(answer)
                told.append(ticket)
        wake(told)
        try:
            if self.on_batch is not None:
                self.on_batch(len(told), seconds)
            if self.pulse is not None:
                self._tell_pulse(self.pulse, desk, told)
        except Exception:
            _LOG.exception("an observer of batches failed")
        return left

    @staticmethod
    def _tell_pulse(pulse: Pulse, desk: _Desk, told: Sequence[Ticket]) -> None:
        now_s = time.perf_counter()
        pulse.note([int((now_s - ticket.asked_s) * 1_000_000) for ticket in told])
        if isinstance(desk.store, PostgresStore):
            pulse.tell(desk.store.connection)

    def _return(self, taken: _Batch, left: list[Ticket], told: list[Ticket]) -> None:
        with self._changed:
            self._lanes.give_back(taken, left)
            self._lanes.fast.extend(told)
            if (left or told) and self._idle:
                self._changed.notify()


class _Desk:
    """Where a thread posts: a store while all goes well, another one after anything else."""

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self.store: Store | None = None
        self._open_store = open_store

    def post(self, asked: Sequence[Asked], items_max: int) -> Sequence[Answer | None]:
        if isinstance(self.store, PostgresStore) and self.store.connection.closed:
            self.leave()
        try:
            self.store = self.store or self._opened()
            return post_once(self.store, asked, items_max=items_max)
        except Exception:
            self.leave()
            raise

    def leave(self) -> None:
        store, self.store = self.store, None
        if isinstance(store, PostgresStore):
            store.close()

    def _opened(self) -> Store:
        try:
            return self._open_store()
        except Exception as error:
            passes = isinstance(error, KanjoError) and error.code in PASSING
            raise (StoreAway if passes else StoreFailed)(f"the database cannot be reached: {error}") from error


class _Batch(NamedTuple):
    """Tickets taken for one commit, and the accounts they name; of the slow lane or not."""

    tickets: list[Ticket]
    accounts: set[int]
    slow: bool


class _Lanes:
    """What waits: the fast lane, and the slow lane of accounts with much due. Used under the batcher's lock."""

    def __init__(self, batch_max: int, threads: int) -> None:
        self.batch_max = batch_max
        self.threads = threads
        self.under_way = 0
        """So many of the fast lane are in batches just now."""
        self.fast: list[Ticket] = []
        self.slow: list[Ticket] = []
        self.busy_accounts: set[int] = set()
        """Named in batches of the fast lane under way: another commit would only wait for their locks."""
        self.slow_accounts: set[int] = set()
        self.slow_taken = False
        self.slow_last = False

    def __len__(self) -> int:
        return len(self.fast) + len(self.slow)

    def take(self) -> _Batch | None:
        """The next batch, the lanes in turn; the slow one by one thread at a time."""
        if not (self.slow_last and self.fast) and (batch := self._take_slow()):
            return batch
        if batch := self._take_fast():
            self.slow_last = False
            return batch
        return self._take_slow()

    def _take_slow(self) -> _Batch | None:
        if self.slow_taken or not self.slow:
            return None
        self.slow_taken = self.slow_last = True
        self.slow, batch = self.slow[self.batch_max :], self.slow[: self.batch_max]
        return _Batch(batch, set(), slow=True)

    def _take_fast(self) -> _Batch | None:
        """Those at the front, as many as come to each thread; whoever names an account of the batch goes with it.

        Leaves what names a slow account to the slow lane, and what names a busy one where it stands. Callers come back
        to the thread that answered them: who takes all that waits would have the large batches for ever, and the other
        threads crumbs.
        """
        batch: list[Ticket] = []
        accounts: set[int] = set()
        staying: list[Ticket] = []
        while self.fast and not batch and not staying:
            front = self.fast[: self.batch_max]
            share = max(SHARE_MIN, -(-(len(self.fast) + self.under_way) // self.threads))
            for ticket in front:
                named = ticket.asked.accounts()
                if not self.slow_accounts.isdisjoint(named):
                    self.slow.append(ticket)
                elif self.busy_accounts.isdisjoint(named) and (len(batch) < share or not accounts.isdisjoint(named)):
                    batch.append(ticket)
                    accounts.update(named)
                else:
                    staying.append(ticket)
            self.fast[: len(front)] = staying
        self.busy_accounts |= accounts
        self.under_way += len(batch)
        return _Batch(batch, accounts, slow=False) if batch else None

    def give_back(self, taken: _Batch, left: list[Ticket]) -> None:
        """The batch is done; what it could not finish goes to the front of the slow lane: it has waited longest."""
        self.busy_accounts -= taken.accounts
        if not taken.slow:
            self.under_way -= len(taken.tickets)
        self.slow[:0] = left
        if taken.slow:
            self.slow_taken = False
            self.slow_accounts.clear()
            left = self.slow
        for ticket in left:
            self.slow_accounts.update(ticket.asked.accounts())


def _told(error: Exception) -> Exception:
    """What a caller is told: a conflict is the database's affair and never leaves this room."""
    if isinstance(error, OutcomeUnknown | StoreFailed):
        return error
    if isinstance(error, Conflict):
        return StoreFailed(f"too many postings met: {error}")
    return StoreFailed(f"the posting failed: {type(error).__name__}: {error}")
