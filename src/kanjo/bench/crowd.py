"""Callers at a door: many in one process, who either wait for their answers or come whether they are served or not."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from functools import partial

from kanjo.bench.bank import account_numbers
from kanjo.bench.task import Crowd, Served, Waited
from kanjo.centercut import REAL_CLOCK
from kanjo.ledger import Answer, Asked, Batcher, Outcome, deposit, new_key, transfer, withdrawal

AMOUNT_YEN = 1000


class Service:
    """A door of the ledger (`Batcher`) and the crowd in front of it."""

    def __init__(self, batcher: Batcher, client: str) -> None:
        self._batcher = batcher
        self._client = client
        self._stop = threading.Event()
        self._callers: list[_Caller] = []
        self._threads: list[threading.Thread] = []
        self._seen: list[list[tuple[float, float]]] = []
        self._failed = 0

    def begin(self, crowd: Crowd) -> None:
        """Let the crowd come."""
        assert not self._threads and not self._callers
        self._stop.clear()
        self._failed = 0
        numbers = account_numbers(crowd.accounts).tolist()
        if crowd.per_s is None:
            self._callers = [
                _Caller(self._batcher, self._asks(crowd, numbers), self._stop) for _ in range(crowd.callers)
            ]
            self._seen = [caller.seen for caller in self._callers]
            for caller in self._callers:
                caller.ask()
        else:
            self._seen = [[]]
            work = partial(self._offer, self._asks(crowd, numbers), self._seen[0], crowd.per_s)
            self._threads = [threading.Thread(target=work, daemon=True)]
            self._threads[0].start()

    def rest(self) -> Served:
        """Let each have its answer and go; what they saw."""
        self._stop.set()
        for caller in self._callers:
            caller.gone.wait()
            self._failed += caller.failed
        for thread in self._threads:
            thread.join()
        self._callers, self._threads = [], []
        seen = [pair for part in self._seen for pair in part]
        self._seen = []
        return Served([came_s for came_s, _ in seen], [int(wait_s * 1e6) for _, wait_s in seen], self._failed)

    def withdraw(self, account: int) -> Waited:
        """One withdrawal beside the crowd."""
        began_s = time.monotonic()
        self._look(self._batcher.post(withdrawal(self._client, new_key(REAL_CLOCK.now()), account, AMOUNT_YEN)))
        return Waited(began_s, time.monotonic())

    def _asks(self, crowd: Crowd, numbers: Sequence[int]) -> Iterator[Asked]:
        draw = random.Random()  # noqa: S311 - customers, not keys
        client, chance, bits, now, count = self._client, draw.random, draw.getrandbits, REAL_CLOCK.now, len(numbers)
        while True:
            key = new_key(now(), bits=bits)
            account = numbers[int(chance() * count)]
            if (
                crowd.transfers
                and chance() < 0.5
                and account != (other := crowd.merchant or numbers[int(chance() * count)])
            ):
                yield transfer(client, key, account, other, AMOUNT_YEN)
            else:
                yield (withdrawal if chance() < 0.5 else deposit)(client, key, account, AMOUNT_YEN)

    def _offer(self, asks: Iterator[Asked], seen: list[tuple[float, float]], per_s: float) -> None:
        """A stream of callers at a fixed rate. A wait counts from when the caller came, also if this thread was late:
        else a door that stands still for a second would have kept hardly anybody waiting.
        """
        draw = random.Random(1)  # noqa: S311 - customers, not keys
        waiting: list[Future[Answer]] = []
        came_s = time.monotonic()

        def note(came_s: float, future: Future[Answer]) -> None:
            seen.append((came_s, time.monotonic() - came_s))
            self._look(future.result())

        while not self._stop.is_set():
            came_s += draw.expovariate(per_s)
            while (early_s := came_s - time.monotonic()) > 0 and not self._stop.is_set():
                time.sleep(min(early_s, 0.1))
            future = self._batcher.submit(next(asks))
            future.add_done_callback(lambda done, came_s=came_s: note(came_s, done))  # type: ignore[misc]
            waiting = [left for left in waiting if not left.done()] if len(waiting) > 1000 else waiting
            waiting.append(future)
        for future in waiting:
            future.result()

    def _look(self, answer: Answer) -> None:
        self._failed += not _is_accepted(answer)


class _Caller:
    """Asks, hears the answer, asks again: on the door's own threads, so that the figure is the door's."""

    def __init__(self, batcher: Batcher, asks: Iterator[Asked], stop: threading.Event) -> None:
        self.seen: list[tuple[float, float]] = []
        self.failed = 0
        self.gone = threading.Event()
        self._tell = batcher.tell
        self._asks = asks
        self._stopped = stop.is_set
        self._came_s = 0.0

    def ask(self) -> None:
        asked = next(self._asks)
        self._came_s = time.monotonic()
        try:
            self._tell(asked, self._hear)
        except Exception:
            self.failed += 1
            self.gone.set()
            raise

    def _hear(self, heard: Answer | Exception) -> None:
        self.seen.append((self._came_s, time.monotonic() - self._came_s))
        if not _is_accepted(heard):
            self.failed += 1
        if self._stopped():
            self.gone.set()
        else:
            self.ask()


def _is_accepted(heard: Answer | Exception) -> bool:
    return isinstance(heard, Outcome) and heard.accepted
