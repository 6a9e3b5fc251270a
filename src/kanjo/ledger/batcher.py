"""Natural batching for doors (design 4): what arrives while a commit is under way is taken by the next, all of it.

No timer and no wait when idle. An account with more due than one small commit may settle does not hold up the others:
what is asked of it goes to a lane of its own, which one thread at a time works off while the rest is answered.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Protocol

import structlog

from kanjo.ledger.instruction import Asked
from kanjo.ledger.outcome import Answer
from kanjo.ledger.post import ITEMS_MAX, post_once
from kanjo.ledger.postgres import PostgresStore
from kanjo.ledger.pulse import Pulse
from kanjo.ledger.store import Conflict, OutcomeUnknown, Store, StoreFailed

_LOG = structlog.get_logger()
FAST_ITEMS_MAX = 500
"""A commit for everybody settles at most so many items of an account (O-8): about 10 ms of everybody's time."""


class Overloaded(Exception):
    """The queue is full: nothing was decided or stored, the same key may be sent again (C-2)."""


class _Ticket(Protocol):
    """One instruction and whoever waits for its answer."""

    asked: Asked
    asked_s: float

    def begin(self) -> bool:
        """Whether anybody still wants it; asked before every commit that may decide it."""

    def answer(self, answer: Answer) -> None: ...

    def fail(self, error: Exception) -> None: ...


class _Promised:
    """For `submit`."""

    __slots__ = ("asked", "asked_s", "future")

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.asked_s = time.perf_counter()
        self.future: Future[Answer] = Future()

    def begin(self) -> bool:
        return self.future.running() or self.future.set_running_or_notify_cancel()

    def answer(self, answer: Answer) -> None:
        self.future.set_result(answer)

    def fail(self, error: Exception) -> None:
        self.future.set_exception(error)


class _Blocked:
    """For `post`: a bare lock, a tenth of the price of a future."""

    __slots__ = ("asked", "asked_s", "done", "error", "found")

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.asked_s = time.perf_counter()
        self.found: Answer | None = None
        self.error: Exception | None = None
        self.done = threading.Lock()
        self.done.acquire()

    def begin(self) -> bool:
        return True

    def answer(self, answer: Answer) -> None:
        self.found = answer
        self.done.release()

    def fail(self, error: Exception) -> None:
        self.error = error
        self.done.release()


class Batcher:
    """Threads that post for many callers, each on a store of its own; close it, or use it in a `with` block.

    `open_store` makes a store (on a connection of its own), again after a connection was lost. `waiting_max` bounds
    what may wait, `batch_max` what one commit decides. `on_batch(count, seconds)` is told of every commit. With a
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
        on_batch: Callable[[int, float], object] | None = None,
        pulse: Pulse | None = None,
    ) -> None:
        assert threads > 0 and waiting_max > 0 and batch_max > 0
        self.open_store = open_store
        self.waiting_max = waiting_max
        self.batch_max = batch_max
        self.on_batch = on_batch
        self.pulse = pulse
        self._lanes = _Lanes(batch_max)
        self._changed = threading.Condition(threading.Lock())
        self._idle = 0
        self._closing = False
        self._threads = [
            threading.Thread(target=self._work, name=f"batcher-{place}", daemon=True) for place in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, asked: Asked) -> Future[Answer]:
        """Queue it; the future gives the committed answer, or OutcomeUnknown or StoreFailed. Raises Overloaded."""
        ticket = _Promised(asked)
        self._queue(ticket)
        return ticket.future

    def post(self, asked: Asked) -> Answer:
        """Wait for the committed answer. Raises Overloaded, OutcomeUnknown, StoreFailed."""
        ticket = _Blocked(asked)
        self._queue(ticket)
        ticket.done.acquire()
        if ticket.error is not None:
            raise ticket.error
        assert ticket.found is not None
        return ticket.found

    def close(self) -> None:
        """Take nothing more, answer all that waits, end the threads and close their connections."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Batcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _queue(self, ticket: _Ticket) -> None:
        with self._changed:
            if self._closing:
                raise StoreFailed("the door is closing")
            if len(self._lanes) >= self.waiting_max:
                raise Overloaded(f"{self.waiting_max} instructions wait already")
            self._lanes.fast.append(ticket)
            if self._idle:
                self._changed.notify()

    def _take(self) -> tuple[list[_Ticket], bool] | None:
        """What has arrived, and whether it is of the slow lane; waits when there is nothing, None to end."""
        with self._changed:
            while (taken := self._lanes.take()) is None:
                if self._closing:
                    return None
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            return taken

    def _work(self) -> None:
        store: Store | None = None
        while (taken := self._take()) is not None:
            tickets, slow = taken
            left: list[_Ticket] = []
            try:
                tickets = [ticket for ticket in tickets if ticket.begin()]
                if tickets:
                    store = store or self._opened()
                    left = self._post(store, tickets, ITEMS_MAX if slow else FAST_ITEMS_MAX)
                    if isinstance(store, PostgresStore) and store.connection.closed:
                        _close(store)
                        store = None
            except Exception as error:
                for ticket in tickets:
                    ticket.fail(_told(error))
                _close(store)
                store = None
            finally:
                self._return(left, slow)
        _close(store)

    def _opened(self) -> Store:
        try:
            return self.open_store()
        except Exception as error:
            raise StoreFailed(f"the database cannot be reached: {error}") from error

    def _post(self, store: Store, tickets: Sequence[_Ticket], items_max: int) -> list[_Ticket]:
        """One commit; tell everybody who has an answer, return the others."""
        began = time.perf_counter()
        answers = post_once(store, [ticket.asked for ticket in tickets], items_max=items_max)
        seconds = time.perf_counter() - began
        left = []
        for ticket, answer in zip(tickets, answers, strict=True):
            if answer is None:
                left.append(ticket)
            else:
                ticket.answer(answer)
        try:
            if self.on_batch is not None:
                self.on_batch(len(tickets) - len(left), seconds)
            if self.pulse is not None:
                self._tell_pulse(self.pulse, store, tickets, left)
        except Exception:
            _LOG.exception("an observer of batches failed")
        return left

    @staticmethod
    def _tell_pulse(pulse: Pulse, store: Store, tickets: Sequence[_Ticket], left: Sequence[_Ticket]) -> None:
        now_s = time.perf_counter()
        waiting = {id(ticket) for ticket in left}
        pulse.note(int((now_s - ticket.asked_s) * 1_000_000) for ticket in tickets if id(ticket) not in waiting)
        if isinstance(store, PostgresStore):
            pulse.tell(store.connection)

    def _return(self, left: list[_Ticket], slow: bool) -> None:
        if left or slow:
            with self._changed:
                self._lanes.give_back(left, slow)
                if self._idle:
                    self._changed.notify()


class _Lanes:
    """What waits: the fast lane, and the slow lane of accounts with much due. Used under the batcher's lock."""

    def __init__(self, batch_max: int) -> None:
        self.batch_max = batch_max
        self.fast: list[_Ticket] = []
        self.slow: list[_Ticket] = []
        self.slow_accounts: set[int] = set()
        self.slow_taken = False
        self.slow_last = False

    def __len__(self) -> int:
        return len(self.fast) + len(self.slow)

    def take(self) -> tuple[list[_Ticket], bool] | None:
        """The next batch, the lanes in turn; the slow one by one thread at a time."""
        if not (self.slow_last and self.fast) and (batch := self._take_slow()):
            return batch, True
        if batch := self._take_fast():
            self.slow_last = False
            return batch, False
        batch = self._take_slow()
        return (batch, True) if batch else None

    def _take_slow(self) -> list[_Ticket]:
        if self.slow_taken or not self.slow:
            return []
        self.slow_taken = self.slow_last = True
        self.slow, batch = self.slow[self.batch_max :], self.slow[: self.batch_max]
        return batch

    def _take_fast(self) -> list[_Ticket]:
        """Leaves what names a slow account to the slow lane, so that nobody else waits for that account's lock."""
        while self.fast:
            self.fast, batch = self.fast[self.batch_max :], self.fast[: self.batch_max]
            if not self.slow_accounts:
                return batch
            staying: list[_Ticket] = []
            for ticket in batch:
                (staying if self.slow_accounts.isdisjoint(ticket.asked.accounts()) else self.slow).append(ticket)
            if staying:
                return staying
        return []

    def give_back(self, left: list[_Ticket], slow: bool) -> None:
        """What one commit could not finish goes to the front of the slow lane: it has waited longest."""
        self.slow[:0] = left
        if slow:
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


def _close(store: Store | None) -> None:
    if isinstance(store, PostgresStore):
        store.connection.close()
