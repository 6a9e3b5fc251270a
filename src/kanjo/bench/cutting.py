"""The centre cut against the least that the same tables can cost, and against itself at other sizes."""

from __future__ import annotations

import time
from typing import ClassVar

from kanjo.bench.bank import Bank
from kanjo.bench.bench import Bench
from kanjo.bench.figure import Aim
from kanjo.bench.ground import Ground
from kanjo.bench.hand import Hand
from kanjo.bench.task import Done, MoveBare, Settle
from kanjo.errors import SystemFailed

WORKERS = 2
BARE_ACCOUNTS = 5_000
"""Accounts that one statement of the yardstick credits."""


class Cut:
    """A bank of its own, and workers that stand ready."""

    def __init__(self, ground: Ground, accounts: int) -> None:
        self.bank: Bank = ground.bank(accounts)
        self._workers: list[Hand] = [ground.hire(self.bank.database) for _ in range(WORKERS)]
        self.bare_s()  # connections are made and statements prepared by it

    def cut_s(self) -> float:
        """One credit for every account: seconds from the word to the workers until the run is closed."""
        run = self.bank.payday(self.bank.shuffled())
        return settle_s(self.bank, self._workers, run)

    def bare_s(self) -> float:
        """The same money by bare statements, the accounts shared out evenly: seconds."""
        numbers = self.bank.numbers
        starts = range(0, len(numbers), BARE_ACCOUNTS)
        ranges = [(int(numbers[at]), int(numbers[min(at + BARE_ACCOUNTS, len(numbers)) - 1])) for at in starts]
        self.bank.tidy()
        began_s = time.monotonic()
        for place, worker in enumerate(self._workers):
            worker.tell(MoveBare(self.bank.today, ranges[place::WORKERS]))
        moved = sum(worker.hear(Done).items for worker in self._workers)
        seconds = time.monotonic() - began_s
        require(moved == len(numbers), f"the yardstick moved {moved} of {len(numbers)}")
        return seconds


def settle_s(bank: Bank, workers: list[Hand], run: int) -> float:
    """Let the workers settle a run that was started; seconds until it is closed."""
    began_s = time.monotonic()
    for worker in workers:
        worker.tell(Settle(run))
    settled = sum(worker.hear(Done).items for worker in workers)
    seconds = time.monotonic() - began_s
    row = bank.state_of(run)
    require(row.finished == "completed", f"run {run} was not completed")
    require(settled <= row.items, f"run {run} of {row.items} items settled {settled}")
    return seconds


def require(holds: bool, found: str) -> None:
    """A figure stands only for work that was done."""
    if not holds:
        raise SystemFailed("bench-invalid", f"the bench did not measure what it should: {found}")


class CenterCut(Bench):
    """500,000 credits by two workers; yardstick: a bare UPDATE and INSERT for every 5,000 accounts."""

    name: ClassVar[str] = "centercut"
    unit: ClassVar[str] = "items/s"
    aim: ClassVar[Aim] = Aim(better="higher", must=0.45, aim=0.70)
    ACCOUNTS: ClassVar[int] = 500_000

    def prepare(self) -> None:
        self._cut = Cut(self.ground, self.ground.size(self.ACCOUNTS))

    def subject(self) -> float:
        return len(self._cut.bank.numbers) / self._cut.cut_s()

    def yardstick(self) -> float:
        return len(self._cut.bank.numbers) / self._cut.bare_s()


class CenterCutScale(Bench):
    """What an item costs when there are 500,000 or 2,300,000 of them, the dearer; yardstick: among 50,000."""

    name: ClassVar[str] = "centercut-scale"
    unit: ClassVar[str] = "us/item"
    aim: ClassVar[Aim] = Aim(better="lower", must=1.2, aim=1.0)
    SMALLEST: ClassVar[int] = 50_000
    LARGER: ClassVar[tuple[int, ...]] = (500_000, 2_300_000)
    SMALLEST_RUNS: ClassVar[int] = 10
    """One of the smallest is over in a third of a second: a pause of the disk would be the figure."""

    def prepare(self) -> None:
        self._smallest = Cut(self.ground, self.ground.size(self.SMALLEST))
        self._larger = [Cut(self.ground, self.ground.size(accounts)) for accounts in self.LARGER]

    def subject(self) -> float:
        return max(self._cost_us(cut, 1) for cut in self._larger)

    def yardstick(self) -> float:
        return self._cost_us(self._smallest, self.SMALLEST_RUNS)

    @staticmethod
    def _cost_us(cut: Cut, runs: int) -> float:
        """What an item costs, over so many runs in a row."""
        return sum(cut.cut_s() for _ in range(runs)) / (runs * len(cut.bank.numbers)) * 1e6
