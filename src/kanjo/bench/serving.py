"""Online: many callers on the engine in one process, against PostgreSQL's own benchmark and against a hot account."""

from __future__ import annotations

import time
from typing import ClassVar

from kanjo.bench import pgbench
from kanjo.bench.bank import MERCHANT
from kanjo.bench.bench import Bench
from kanjo.bench.cutting import require
from kanjo.bench.figure import Aim
from kanjo.bench.hand import Hand
from kanjo.bench.task import Crowd, Done, Rest, Served

ACCOUNTS = 1_000_000
CALLERS = 64
SECONDS = 10.0
WARM_S = 10.0
"""Behind the checkpoint that each measure begins with, every page goes to the log whole once. pgbench's runs follow
one another, so that its best has that behind it; the door's figure shall have it too.
"""


def served_per_s(door: Hand, crowd: Crowd, seconds: float) -> float:
    """Let the crowd in, warm up, then count the answers of so many seconds."""
    door.ask(crowd, Done)
    time.sleep(min(WARM_S, seconds))
    began_s = time.monotonic()
    time.sleep(seconds)
    ended_s = time.monotonic()
    served = door.ask(Rest(), Served)
    require(served.failed == 0, f"{served.failed} of {len(served.waits_us)} transactions were not accepted")
    answered = (came_s + wait_us / 1e6 for came_s, wait_us in zip(served.came_s, served.waits_us, strict=True))
    return sum(began_s <= at_s < ended_s for at_s in answered) / (ended_s - began_s)


class Online(Bench):
    """64 callers bring and draw money at random accounts; yardstick: the best of pgbench's TPC-B at the same size."""

    name: ClassVar[str] = "online"
    unit: ClassVar[str] = "transactions/s"
    aim: ClassVar[Aim] = Aim(better="higher", must=5.0, aim=10.0)

    def prepare(self) -> None:
        self._bank = self.ground.bank(self.ground.size(ACCOUNTS))
        self._theirs = self.ground.database()
        pgbench.fill(self._theirs, len(self._bank.numbers))
        self._door = self.ground.hire(self._bank.database)

    def subject(self) -> float:
        self._bank.tidy()
        crowd = Crowd(accounts=len(self._bank.numbers), callers=CALLERS)
        return served_per_s(self._door, crowd, self.ground.seconds(SECONDS))

    def yardstick(self) -> float:
        self._bank.tidy()
        return pgbench.best_tps(self._theirs, self.ground.seconds(SECONDS))


class OnlineHot(Bench):
    """Half of all transactions move money to one merchant; yardstick: they move it to anybody."""

    name: ClassVar[str] = "online-hot"
    unit: ClassVar[str] = "transactions/s"
    aim: ClassVar[Aim] = Aim(better="higher", must=0.7, aim=1.0)

    def prepare(self) -> None:
        self._bank = self.ground.bank(self.ground.size(ACCOUNTS))
        self._door = self.ground.hire(self._bank.database)

    def subject(self) -> float:
        return self._per_s(MERCHANT)

    def yardstick(self) -> float:
        return self._per_s(None)

    def _per_s(self, merchant: int | None) -> float:
        self._bank.tidy()
        crowd = Crowd(accounts=len(self._bank.numbers), callers=CALLERS, transfers=True, merchant=merchant)
        return served_per_s(self._door, crowd, self.ground.seconds(SECONDS))
