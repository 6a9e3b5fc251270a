"""What customers notice: how long they wait while a cut runs beside them, or while one account has very much due."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar, TypeAlias

import numpy as np

from kanjo.bench.bank import Bank
from kanjo.bench.bench import Bench
from kanjo.bench.cutting import WORKERS, require, settle_s
from kanjo.bench.figure import Aim, percentile_99
from kanjo.bench.hand import Hand
from kanjo.bench.serving import WARM_S
from kanjo.bench.task import Crowd, Done, Rest, Served, Settle, Waited, Withdraw

PER_S = 500.0
"""The load that is offered: what a bank of a few million accounts sees at its busiest."""
QUIET_S = 10.0
Window: TypeAlias = tuple[float, float]
"""From when until when (s, the machine's monotonic clock)."""


def p99_ms(served: Served, windows: Sequence[Window]) -> float:
    """The 99th percentile of the waits of all who came in these times."""
    require(served.failed == 0, f"{served.failed} of {len(served.waits_us)} transactions were not accepted")
    pairs = list(zip(served.came_s, served.waits_us, strict=True))
    waits_us = [wait_us for from_s, until_s in windows for came_s, wait_us in pairs if from_s <= came_s < until_s]
    require(len(waits_us) > 0, "nobody came")
    return percentile_99(waits_us) / 1000


class _Beside(Bench):
    """Customers come to a door; who has come in the meantime is what is looked at."""

    _bank: Bank
    _door: Hand

    def _open_door(self, accounts: int) -> None:
        """Let them in, so long before anybody counts as in all benches of a door."""
        self._door.ask(Crowd(accounts=accounts, per_s=PER_S), Done)
        time.sleep(self.ground.seconds(WARM_S, least=0.1))

    def _waits_ms(self, windows: Sequence[Window]) -> float:
        """Send them home; how long 99 of 100 of those times waited at most."""
        return p99_ms(self._door.ask(Rest(), Served), windows)

    def _quiet_ms(self, accounts: int, seconds: float) -> float:
        """The same of so many seconds in which nothing else is done."""
        self._bank.tidy()
        self._open_door(accounts)
        began_s = time.monotonic()
        time.sleep(seconds)
        return self._waits_ms([(began_s, time.monotonic())])


class Before(_Beside):
    """Online's 99th percentile while two workers cut 500,000 items, many settled by Before; yardstick: without them."""

    name: ClassVar[str] = "before"
    unit: ClassVar[str] = "ms"
    aim: ClassVar[Aim] = Aim(better="lower", must=3.0, aim=1.5)
    ACCOUNTS: ClassVar[int] = 500_000

    def prepare(self) -> None:
        self._bank = self.ground.bank(self.ground.size(self.ACCOUNTS))
        self._door = self.ground.hire(self._bank.database)
        self._workers = [self.ground.hire(self._bank.database) for _ in range(WORKERS)]
        settle_s(self._bank, self._workers, self._bank.payday(self._bank.numbers[:100]))  # they are connected by it

    def subject(self) -> float:
        run = self._bank.payday(self._bank.shuffled())
        self._open_door(len(self._bank.numbers))
        began_s = time.monotonic()
        seconds = settle_s(self._bank, self._workers, run)
        return self._waits_ms([(began_s, began_s + seconds)])

    def yardstick(self) -> float:
        return self._quiet_ms(len(self._bank.numbers), self.ground.seconds(QUIET_S))


class _Long(_Beside):
    """Accounts on which 100,000 items are pending when their owner draws money (O-8)."""

    ITEMS: ClassVar[int] = 100_000

    def prepare(self) -> None:
        self._bank = self.ground.bank(self.ground.size(self.ITEMS))
        self._door = self.ground.hire(self._bank.database)
        self._worker = self.ground.hire(self._bank.database)
        self._door.ask(Withdraw(int(self._bank.numbers[0])), Waited)
        settle_s(self._bank, [self._worker], self._bank.payday(self._bank.numbers[:100]))

    def _pile_up(self, count: int) -> tuple[int, list[int]]:
        """The last so many accounts get all the items each; returns the run and those accounts."""
        accounts = self._bank.numbers[-count:]
        return self._bank.payday(np.repeat(accounts, len(self._bank.numbers))), accounts.tolist()

    def _close(self, run: int) -> None:
        settle_s(self._bank, [self._worker], run)


class Long(_Long):
    """Items a second until the withdrawal is answered; yardstick: on as many accounts, by one worker's slices."""

    name: ClassVar[str] = "long"
    unit: ClassVar[str] = "items/s"
    aim: ClassVar[Aim] = Aim(better="higher", must=0.3, aim=1.0)

    def subject(self) -> float:
        run, [account] = self._pile_up(1)
        waited = self._door.ask(Withdraw(account), Waited)
        self._close(run)
        return len(self._bank.numbers) / (waited.ended_s - waited.began_s)

    def yardstick(self) -> float:
        run = self._bank.payday(self._bank.shuffled())
        settled = self._worker.ask(Settle(run), Done)
        require(settled.items == len(self._bank.numbers), f"the worker settled {settled.items} items")
        return settled.items / settled.settling_s


class LongOthers(_Long):
    """The 99th percentile of others at the same door while five such accounts are settled, one after the other;
    yardstick: the same callers for as long, nothing pending.

    One account is through within a second or two, in which some 500 come: the hundredth part of them is five, and
    any pause of the disk would be the figure.
    """

    name: ClassVar[str] = "long-others"
    unit: ClassVar[str] = "ms"
    aim: ClassVar[Aim] = Aim(better="lower", must=3.0, aim=1.0)
    PILES: ClassVar[int] = 5

    def subject(self) -> float:
        run, accounts = self._pile_up(self.PILES)
        self._open_door(len(self._bank.numbers) - self.PILES)
        waited = [self._door.ask(Withdraw(account), Waited) for account in accounts]
        windows = [(one.began_s, one.ended_s) for one in waited]
        found_ms = self._waits_ms(windows)
        self._seconds = sum(until_s - from_s for from_s, until_s in windows)
        self._close(run)
        return found_ms

    def yardstick(self) -> float:
        """As long as the last subject took, so that as many waits are looked at: a subject comes first of all."""
        return self._quiet_ms(len(self._bank.numbers) - self.PILES, self._seconds)
