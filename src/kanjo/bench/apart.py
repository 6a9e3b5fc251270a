"""Two sites: the same work on the same bank, with answers that wait for the other site and with answers that do not.

All servers of both sites share this machine, also when nobody waits for them. What the yardstick lacks is the waiting
alone; on machines of their own both would be quicker.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from kanjo import db
from kanjo.bench import pgbench
from kanjo.bench.bank import Bank
from kanjo.bench.bench import Bench
from kanjo.bench.cutting import WORKERS, require, settle_s
from kanjo.bench.figure import Aim
from kanjo.bench.ground import Ground
from kanjo.bench.hand import Hand
from kanjo.bench.serving import CALLERS, SECONDS, served_per_s
from kanjo.bench.task import Crowd, Done, Rest, Served

if TYPE_CHECKING:
    from kanjo.sites.operate.plan import Command
    from kanjo.sites.operate.standing import Standing

ALONE = "-c synchronous_commit=local -c kanjo.synchronous_commit=local"
"""Sessions that tell what this server alone has: nothing that a bank may do, and all that a single server does."""
ACCOUNTS = 200_000
DELAY_MS = 5
WAIT_S_MAX = 180.0


class Apart:
    """A lab of two sites with a bank in it, which two kinds of sessions reach."""

    def __init__(self, ground: Ground, accounts: int) -> None:
        self._ground = ground
        self.lab = ground.lab()
        self.desk = self.lab.desk()
        url = self.lab.status().dsn
        self.both = db.reach(url, embedded=False)
        options = f"{conninfo_to_dict(url).get('options') or ''} {ALONE}".strip()
        self.alone = db.reach(make_conninfo(url, options=options), embedded=False)
        self.bank: Bank = ground.bank_in(self.both, accounts)

    def hire(self, database: db.Database) -> Hand:
        """A process that works on it."""
        return self._ground.hire(database)

    def look(self) -> Standing:
        """How both sites stand."""
        from kanjo.sites.operate.look import look

        return look(self.desk)

    def order(self, command: Command, site: str) -> None:
        """Give an operators' command, both persons' signatures beneath it."""
        from kanjo.sites.lab.bring_up import order

        order(self.lab.ground, self.desk, command, site, "bench")

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Wait for it. Error: `not-in-time`."""
        from kanjo.sites.operate.waiting import until

        until(what, holds, within_s=WAIT_S_MAX)


class SitesOnline(Bench):
    """64 callers of the engine, each answer waits for both sites; yardstick: for the disk of one server."""

    name: ClassVar[str] = "sites-online"
    unit: ClassVar[str] = "transactions/s"
    aim: ClassVar[Aim] = Aim(better="higher", must=0.5, aim=0.8)

    def prepare(self) -> None:
        self._apart = Apart(self.ground, self.ground.size(ACCOUNTS))
        self._both, self._alone = (self._apart.hire(one) for one in (self._apart.both, self._apart.alone))

    def subject(self) -> float:
        return self._per_s(self._both)

    def yardstick(self) -> float:
        return self._per_s(self._alone)

    def _per_s(self, door: Hand) -> float:
        self._apart.bank.tidy()
        crowd = Crowd(accounts=len(self._apart.bank.numbers), callers=CALLERS)
        return served_per_s(door, crowd, self.ground.seconds(SECONDS))


class SitesCut(Bench):
    """A centre cut by two workers whose commits wait for both sites; yardstick: for the disk of one server."""

    name: ClassVar[str] = "sites-cut"
    unit: ClassVar[str] = "items/s"
    aim: ClassVar[Aim] = Aim(better="higher", must=0.6, aim=0.9)

    def prepare(self) -> None:
        self._apart = Apart(self.ground, self.ground.size(ACCOUNTS))
        self._both, self._alone = (
            [self._apart.hire(one) for _ in range(WORKERS)] for one in (self._apart.both, self._apart.alone)
        )
        for workers in (self._both, self._alone):  # connections are made and statements prepared by it
            self._per_s(workers)

    def subject(self) -> float:
        return self._per_s(self._both)

    def yardstick(self) -> float:
        return self._per_s(self._alone)

    def _per_s(self, workers: list[Hand]) -> float:
        bank = self._apart.bank
        run = bank.payday(bank.shuffled())
        return len(bank.numbers) / settle_s(bank, workers, run)


class _LoneCaller(Bench):
    """Half of a lone caller's waits are this long at most."""

    unit: ClassVar[str] = "ms"

    def prepare(self) -> None:
        self._apart = Apart(self.ground, self.ground.size(ACCOUNTS))
        self._both, self._alone = (self._apart.hire(one) for one in (self._apart.both, self._apart.alone))

    def _wait_ms(self, door: Hand) -> float:
        self._apart.bank.tidy()
        door.ask(Crowd(accounts=len(self._apart.bank.numbers), callers=1), Done)
        time.sleep(self.ground.seconds(SECONDS))
        served = door.ask(Rest(), Served)
        require(served.failed == 0, f"{served.failed} of {len(served.waits_us)} transactions were not accepted")
        return statistics.median(served.waits_us) / 1000


class SitesCommitLocal(_LoneCaller):
    """A lone caller's wait for the disk of one server; yardstick: pgbench's lone client there."""

    name: ClassVar[str] = "sites-commit-local"
    aim: ClassVar[Aim] = Aim(better="lower", must=2.0, aim=1.0)

    def prepare(self) -> None:
        super().prepare()
        pgbench.fill(self._apart.alone, len(self._apart.bank.numbers))

    def subject(self) -> float:
        return self._wait_ms(self._alone)

    def yardstick(self) -> float:
        self._apart.bank.tidy()
        return pgbench.lone_ms(self._apart.alone, self.ground.seconds(SECONDS))


class SitesCommitA(_LoneCaller):
    """A lone caller's wait for one replica in A, B being detached; yardstick: for the disk of one server."""

    name: ClassVar[str] = "sites-commit-a"
    aim: ClassVar[Aim] = Aim(better="lower", must=2.0, aim=1.5)

    def prepare(self) -> None:
        super().prepare()
        self._apart.order("detach", self._apart.desk.topology.operating)
        self._apart.until("answers no longer wait for the other site", self._is_detached)

    def subject(self) -> float:
        return self._wait_ms(self._both)

    def yardstick(self) -> float:
        return self._wait_ms(self._alone)

    def _is_detached(self) -> bool:
        return all("remote" not in site.rule and "FIRST" not in site.rule for site in self._apart.look().sites)


class SitesCommit(_LoneCaller):
    """A lone caller's wait, the sites 5 ms apart each way; yardstick: one such way there and back."""

    name: ClassVar[str] = "sites-commit"
    aim: ClassVar[Aim] = Aim(better="lower", must=2.0, aim=1.3)

    def prepare(self) -> None:
        super().prepare()
        self._apart.lab.delay(DELAY_MS)

    def subject(self) -> float:
        return self._wait_ms(self._both)

    def yardstick(self) -> float:
        return 2.0 * DELAY_MS
