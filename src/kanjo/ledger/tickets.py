"""Those who wait at a door, each in a way of its own: for a future, in a thread, or on an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Protocol

import structlog

from kanjo.ledger.instruction import Asked
from kanjo.ledger.outcome import Answer

_LOG = structlog.get_logger()


class Ticket(Protocol):
    """One instruction and whoever waits for its answer."""

    asked: Asked
    asked_s: float

    def begin(self) -> bool:
        """Whether anybody still wants it; asked before every commit that may decide it."""

    def answer(self, answer: Answer) -> None: ...

    def fail(self, error: Exception) -> None: ...


class Promised:
    """A future of any thread's."""

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


class Blocked:
    """A thread that stands still: a bare lock, a tenth of the price of a future."""

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


class Called:
    """Whoever wants to be called back, at the price of the call. On the thread that posted."""

    __slots__ = ("asked", "asked_s", "hear")

    def __init__(self, asked: Asked, hear: Callable[[Answer | Exception], object]) -> None:
        self.asked = asked
        self.asked_s = time.perf_counter()
        self.hear = hear

    def begin(self) -> bool:
        return True

    def answer(self, answer: Answer) -> None:
        self._call(answer)

    def fail(self, error: Exception) -> None:
        self._call(error)

    def _call(self, heard: Answer | Exception) -> None:
        try:
            self.hear(heard)
        except Exception:
            _LOG.exception("a caller failed on its answer")


class Awaited:
    """A task on an event loop. Its answer lies ready until `wake` takes those of a whole batch there in one go."""

    __slots__ = ("asked", "asked_s", "error", "found", "future", "loop")

    def __init__(self, asked: Asked, loop: asyncio.AbstractEventLoop) -> None:
        self.asked = asked
        self.asked_s = time.perf_counter()
        self.loop = loop
        self.future: asyncio.Future[Answer] = loop.create_future()
        self.found: Answer | None = None
        self.error: Exception | None = None

    def begin(self) -> bool:
        return not self.future.cancelled()

    def answer(self, answer: Answer) -> None:
        self.found = answer

    def fail(self, error: Exception) -> None:
        self.error = error

    def hand_over(self) -> None:
        """On the loop's own thread: let the task go on, unless it was cancelled meanwhile."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            assert self.found is not None
            self.future.set_result(self.found)


def wake(tickets: Iterable[Ticket]) -> None:
    """Tell the tasks among those who have an answer now: one call a loop, since each disturbs the loop's thread."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Awaited]] = {}
    for ticket in tickets:
        if isinstance(ticket, Awaited):
            by_loop.setdefault(ticket.loop, []).append(ticket)
    for loop, awaited in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
            loop.call_soon_threadsafe(_hand_over, awaited)


def _hand_over(tickets: list[Awaited]) -> None:
    for ticket in tickets:
        ticket.hand_over()
