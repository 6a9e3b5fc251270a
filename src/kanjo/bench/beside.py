"""What customers notice: how long they wait while a cut runs beside them, or while one account has very much due."""

from __future__ import annotations

import time
from typing import ClassVar

import numpy as np

from kanjo.bench.bench import Bench
from kanjo.bench.cutting import WORKERS, require, settle_s
from kanjo.bench.figure import Aim, percentile_99
from kanjo.bench.task import Crowd, Done, Rest, Served, Settle, Waited, Withdraw

PER_S = 500.0
"""The load that is offered: what a bank of a few million accounts sees at its busiest."""
QUIET_S = 10.0
WARM_S = 1.0


def p99_ms(served: Served, from_s: float, until_s: float) -> float:
    """The 99th percentile of the waits of those who came in that time."""
    require(served.failed == 0, f"{served.failed} of {len(served.waits_us)} transactions were not accepted")
    pairs = zip(served.came_s, served.waits_us, strict=True)
    waits_us = [wait_us for came_s, wait_us in pairs if from_s <= came_s < until_s]
    require(len(waits_us) > 0, "nobody came")
    return percentile_99(waits_us) / 1000


class Before(Bench):
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
        self._open_doors()
        began_s = time.monotonic()
        seconds = settle_s(self._bank, self._workers, run)
        return p99_ms(self._door.ask(Rest(), Served), began_s, began_s + seconds)

    def yardstick(self) -> float:
        self._bank.tidy()
        self._open_doors()
        began_s = time.monotonic()
        time.sleep(self.ground.seconds(QUIET_S))
        return p99_ms(self._door.ask(Rest(), Served), began_s, time.monotonic())

    def _open_doors(self) -> None:
        self._door.ask(Crowd(accounts=len(self._bank.numbers), per_s=PER_S), Done)
        time.sleep(self.ground.seconds(WARM_S, least=0.1))


class _Long(Bench):
    """An account on which 100,000 items are pending when its owner draws money (O-8)."""

    ACCOUNTS: ClassVar[int] = 100_000

    def prepare(self) -> None:
        self._bank = self.ground.bank(self.ground.size(self.ACCOUNTS))
        self._door = self.ground.hire(self._bank.database)
        self._worker = self.ground.hire(self._bank.database)
        self._door.ask(Withdraw(int(self._bank.numbers[0])), Waited)
        settle_s(self._bank, [self._worker], self._bank.payday(self._bank.numbers[:100]))

    def _pile_up(self) -> tuple[int, int]:
        """One account gets all the items; returns the run and the account, the last one."""
        account = int(self._bank.numbers[-1])
        return self._bank.payday(np.full(len(self._bank.numbers), account, np.int64)), account

    def _close(self, run: int) -> None:
        settle_s(self._bank, [self._worker], run)


class Long(_Long):
    """Items a second until the withdrawal is answered; yardstick: on as many accounts, by one worker's slices."""

    name: ClassVar[str] = "long"
    unit: ClassVar[str] = "items/s"
    aim: ClassVar[Aim] = Aim(better="higher", must=0.3, aim=1.0)

    def subject(self) -> float:
        run, account = self._pile_up()
        waited = self._door.ask(Withdraw(account), Waited)
        self._close(run)
        return len(self._bank.numbers) / (waited.ended_s - waited.began_s)

    def yardstick(self) -> float:
        run = self._bank.payday(self._bank.shuffled())
        settled = self._worker.ask(Settle(run), Done)
        require(settled.items == len(self._bank.numbers), f"the worker settled {settled.items} items")
        return settled.items / settled.settling_s


class LongOthers(_Long):
    """The 99th percentile of others at the same door meanwhile; yardstick: the same callers, nothing pending."""

    name: ClassVar[str] = "long-others"
    unit: ClassVar[str] = "ms"
    aim: ClassVar[Aim] = Aim(better="lower", must=3.0, aim=1.0)

    def subject(self) -> float:
        run, account = self._pile_up()
        self._open_doors()
        waited = self._door.ask(Withdraw(account), Waited)
        found_ms = p99_ms(self._door.ask(Rest(), Served), waited.began_s, waited.ended_s)
        self._close(run)
        return found_ms

    def yardstick(self) -> float:
        self._bank.tidy()
        self._open_doors()
        began_s = time.monotonic()
        time.sleep(self.ground.seconds(QUIET_S))
        return p99_ms(self._door.ask(Rest(), Served), began_s, time.monotonic())

    def _open_doors(self) -> None:
        self._door.ask(Crowd(accounts=len(self._bank.numbers) - 1, per_s=PER_S), Done)
        time.sleep(self.ground.seconds(WARM_S, least=0.1))
