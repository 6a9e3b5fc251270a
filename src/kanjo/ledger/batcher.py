"""Natural batching for doors (design 4): what arrives while a commit is under way is taken by the next, all of it.

No timer and no wait when idle. An account with more due than one small commit may settle does not hold up the others:
what is asked of it waits beside them, while a thread of its own settles that account and no other. Then it is asked
like all the rest, and finds nothing left.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from types import TracebackType
from typing import NamedTuple, TypeVar

import structlog

from kanjo.db.explain import PASSING
from kanjo.errors import KanjoError
from kanjo.ledger.doubt import PATIENCE_S, until_known
from kanjo.ledger.instruction import REFERRING, Asked
from kanjo.ledger.outcome import Answer
from kanjo.ledger.post import ITEMS_MAX, post_once, settle_some
from kanjo.ledger.postgres import PostgresStore
from kanjo.ledger.pulse import Pulse
from kanjo.ledger.store import Conflict, OutcomeUnknown, Store, StoreAway, StoreFailed
from kanjo.ledger.tickets import Awaited, Blocked, Called, Promised, Ticket, wake

_LOG = structlog.get_logger()
FAST_ITEMS_MAX = 500
"""While others are served a commit settles at most so many items of an account (O-8): 10 ms of everybody's time."""
QUIET_S = 0.1
"""Nobody else is served when nothing was asked for so long; then commits are large."""
SHARE_MIN = 16
"""Fewer are not shared out among threads: what a commit costs by itself would outweigh working side by side."""


T = TypeVar("T")


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
        self._taken_s = 0.0
        self._settler: threading.Thread | None = None
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
        if (settler := self._settler) is not None:
            settler.join()

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
                if self._closing and not self._lanes.slow:
                    return None
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            self._taken_s = time.perf_counter()
            if self._idle and self._lanes.fast:
                self._changed.notify()
            return taken

    def _work(self) -> None:
        desk = _Desk(self.open_store)
        while (taken := self._take()) is not None:
            tickets = taken.tickets
            left: list[Ticket] = []
            unfinished: set[int] = set()
            told: list[Ticket] = []
            self._told[threading.get_ident()] = told
            try:
                tickets = [ticket for ticket in tickets if ticket.begin()]
                if tickets:
                    left, unfinished = self._post(desk, tickets)
            except Exception as error:
                for ticket in tickets:
                    ticket.fail(_told(error))
                wake(tickets)
            finally:
                del self._told[threading.get_ident()]
                self._return(taken, left, unfinished, told)
        desk.leave()

    def _settle(self) -> None:
        """Settle the accounts with much due, a commit each in turn, until there is none."""
        desk = _Desk(self.open_store)
        while (account := self._next_long()) is not None:
            is_quiet = time.perf_counter() - self._taken_s > QUIET_S
            items_max = ITEMS_MAX if is_quiet else FAST_ITEMS_MAX
            try:
                _, finished = desk.do(partial(settle_some, accounts=[account], items_max=items_max, by_before=True))
            except Exception:
                _LOG.exception("an account with much due was not settled", account=account)
                finished = True  # whoever waits for it meets the same, and is told
            with self._changed:
                self._lanes.end_turn(account, finished)
                self._changed.notify_all()
        desk.leave()

    def _next_long(self) -> int | None:
        with self._changed:
            account = self._lanes.next_long()
            if account is None or (self._closing and not self._lanes.slow):
                self._settler = None
                return None
            return account

    def _post(self, desk: _Desk, tickets: Sequence[Ticket]) -> tuple[list[Ticket], set[int]]:
        """One commit; tell everybody who has an answer, return the others, and the accounts that have more due."""
        began = time.perf_counter()
        asked = [ticket.asked for ticket in tickets]
        unfinished: set[int] = set()

        def attempt() -> Sequence[Answer | None]:
            posted = desk.do(partial(post_once, instructions=asked, items_max=FAST_ITEMS_MAX))
            unfinished.update(posted.unfinished)
            return posted.answers

        answers = until_known(
            attempt,
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
        return left, unfinished

    @staticmethod
    def _tell_pulse(pulse: Pulse, desk: _Desk, told: Sequence[Ticket]) -> None:
        now_s = time.perf_counter()
        pulse.note([int((now_s - ticket.asked_s) * 1_000_000) for ticket in told])
        if isinstance(desk.store, PostgresStore):
            pulse.tell(desk.store.connection)

    def _return(self, taken: _Batch, left: list[Ticket], unfinished: set[int], told: list[Ticket]) -> None:
        with self._changed:
            self._lanes.give_back(taken, left, unfinished)
            self._lanes.fast.extend(told)
            if left and self._settler is None:
                self._settler = threading.Thread(target=self._settle, name="batcher-settler", daemon=True)
                self._settler.start()
            if (left or told) and self._idle:
                self._changed.notify()


class _Desk:
    """Where a thread posts: a store while all goes well, another one after anything else."""

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self.store: Store | None = None
        self._open_store = open_store

    def do(self, work: Callable[[Store], T]) -> T:
        if isinstance(self.store, PostgresStore) and self.store.connection.closed:
            self.leave()
        try:
            self.store = self.store or self._opened()
            return work(self.store)
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
    """Tickets taken for one commit, and the accounts they name."""

    tickets: list[Ticket]
    accounts: set[int]


class _Lanes:
    """What waits: the fast lane for a commit, the slow one until accounts with much due are settled. Used under the
    batcher's lock.
    """

    def __init__(self, batch_max: int, threads: int) -> None:
        self.batch_max = batch_max
        self.threads = threads
        self.under_way = 0
        """So many are in batches just now."""
        self.fast: list[Ticket] = []
        self.slow: list[Ticket] = []
        self.busy_accounts: set[int] = set()
        """Named in batches under way: another commit would only wait for their locks."""
        self._long_accounts: dict[int, None] = {}
        """Those with much due, in the order of their turns."""

    def __len__(self) -> int:
        return len(self.fast) + len(self.slow)

    def take(self) -> _Batch | None:
        """Those at the front, as many as come to each thread; whoever names an account of the batch goes with it.

        Leaves what names an account with much due to the slow lane, and what names a busy one where it stands. Callers
        come back to the thread that answered them: who takes all that waits would have the large batches for ever, and
        the other threads crumbs.
        """
        batch: list[Ticket] = []
        accounts: set[int] = set()
        staying: list[Ticket] = []
        while self.fast and not batch and not staying:
            front = self.fast[: self.batch_max]
            share = max(SHARE_MIN, -(-(len(self.fast) + self.under_way) // self.threads))
            for ticket in front:
                named = ticket.asked.accounts()
                if self._long_accounts and self._waits(ticket):
                    self.slow.append(ticket)
                elif self.busy_accounts.isdisjoint(named) and (len(batch) < share or not accounts.isdisjoint(named)):
                    batch.append(ticket)
                    accounts.update(named)
                else:
                    staying.append(ticket)
            self.fast[: len(front)] = staying
        self.busy_accounts |= accounts
        self.under_way += len(batch)
        return _Batch(batch, accounts) if batch else None

    def give_back(self, taken: _Batch, left: list[Ticket], unfinished: set[int]) -> None:
        """The batch is done; what it left waits until those accounts are settled, in front: it has waited longest.

        Who only stood behind one of those in the batch is asked again at once.
        """
        self.busy_accounts -= taken.accounts
        self.under_way -= len(taken.tickets)
        if left:
            assert unfinished, "nothing would ever call those who are left"
            self._long_accounts |= dict.fromkeys(sorted(unfinished))
            waiting = [ticket for ticket in left if isinstance(ticket.asked, REFERRING) or self._waits(ticket)]
            self.slow[:0] = waiting
            self.fast[:0] = [ticket for ticket in left if ticket not in waiting]

    def next_long(self) -> int | None:
        """The account whose turn it is to be settled."""
        return next(iter(self._long_accounts), None)

    def end_turn(self, account: int, finished: bool) -> None:
        """A commit later: it goes behind the others, or, settled, lets go who waits for no other one.

        Whoever waits by what he refers to and not by what he names is let go too early: he is sent back once more.
        """
        del self._long_accounts[account]
        if not finished:
            self._long_accounts[account] = None
            return
        going = [ticket for ticket in self.slow if not self._waits(ticket)]
        self.slow = [ticket for ticket in self.slow if self._waits(ticket)]
        self.fast[:0] = going

    def _waits(self, ticket: Ticket) -> bool:
        return not self._long_accounts.keys().isdisjoint(ticket.asked.accounts())


def _told(error: Exception) -> Exception:
    """What a caller is told: a conflict is the database's affair and never leaves this room."""
    if isinstance(error, OutcomeUnknown | StoreFailed):
        return error
    if isinstance(error, Conflict):
        return StoreFailed(f"too many postings met: {error}")
    return StoreFailed(f"the posting failed: {type(error).__name__}: {error}")
