"""Callers at a door: many in one process, who either wait for their answers or come whether they are served or not."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
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
        self._threads: list[threading.Thread] = []
        self._seen: list[list[tuple[float, float]]] = []
        self._failed = 0

    def begin(self, crowd: Crowd) -> None:
        """Let the crowd come."""
        assert not self._threads
        self._stop.clear()
        self._failed = 0
        numbers = account_numbers(crowd.accounts).tolist()
        if crowd.per_s is None:
            callers = [self._asks(crowd, numbers) for _ in range(crowd.callers)]
            self._seen = [[] for _ in callers]
            work: Callable[[], object] = partial(asyncio.run, self._call_all(callers))
        else:
            self._seen = [[]]
            work = partial(self._offer, self._asks(crowd, numbers), self._seen[0], crowd.per_s)
        self._threads = [threading.Thread(target=work, daemon=True)]
        for thread in self._threads:
            thread.start()

    def rest(self) -> Served:
        """Let each have its answer and go; what they saw."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._threads = []
        seen = [pair for part in self._seen for pair in part]
        self._seen = []
        return Served([came_s for came_s, _ in seen], [int(wait_s * 1e6) for _, wait_s in seen], self._failed)

    def withdraw(self, account: int) -> Waited:
        """One withdrawal beside the crowd."""
        began_s = time.monotonic()
        self._look(self._batcher.post(withdrawal(self._client, new_key(REAL_CLOCK.now()), account, AMOUNT_YEN)))
        return Waited(began_s, time.monotonic())

    def _asks(self, crowd: Crowd, numbers: Sequence[int]) -> Iterator[Asked]:
        draw = random.Random(new_key(REAL_CLOCK.now()).int)  # noqa: S311 - customers, not keys
        client, chance, bits, now = self._client, draw.random, draw.getrandbits, REAL_CLOCK.now
        while True:
            key = new_key(now(), bits=bits)
            account = draw.choice(numbers)
            if crowd.transfers and chance() < 0.5 and account != (other := crowd.merchant or draw.choice(numbers)):
                yield transfer(client, key, account, other, AMOUNT_YEN)
            else:
                yield (withdrawal if chance() < 0.5 else deposit)(client, key, account, AMOUNT_YEN)

    async def _call_all(self, callers: Sequence[Iterator[Asked]]) -> None:
        """All callers on one event loop, as the doors to come have them."""
        await asyncio.gather(*map(self._call, callers, self._seen))

    async def _call(self, asks: Iterator[Asked], seen: list[tuple[float, float]]) -> None:
        """One caller: asks, waits, asks again."""
        clock, ask = time.monotonic, self._batcher.ask
        while not self._stop.is_set():
            asked = next(asks)
            came_s = clock()
            answer = await ask(asked)
            seen.append((came_s, clock() - came_s))
            self._look(answer)

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
        if not (isinstance(answer, Outcome) and answer.accepted):
            self._failed += 1
