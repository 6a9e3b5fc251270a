"""Two sites broken or moved under load: for how many seconds the callers of a door hear nothing.

A silence needs no yardstick but the second. Every caller waits for its answer, however long that takes; then the ledger
is proved, and holds exactly as many requests as were answered: none lost, none doubled.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from kanjo import check
from kanjo.bench.apart import Apart
from kanjo.bench.bench import Bench
from kanjo.bench.cutting import require
from kanjo.bench.figure import Aim
from kanjo.bench.task import Crowd, Done, Rest, Served, Waited, Withdraw

ACCOUNTS = 20_000
CALLERS = 16
BEFORE_S, AFTER_S = 2.0, 4.0
"""So long all is well before the deed, and again once an answer has come behind it."""
OPERATOR_S = 1.0
"""So long a lost site is lost before somebody says so."""
SLICE_S = 0.1
SITE, OTHER = "a", "b"


class Outage(Bench):
    """One deed a round, on sites that are well; `course` counts the answers of each 100 ms, from 2 s before it."""

    unit: ClassVar[str] = "s"

    def prepare(self) -> None:
        self._apart = Apart(self.ground, self.ground.size(ACCOUNTS))
        self._lab = self._apart.lab
        self._door = self._apart.hire(self._apart.both)
        self._answered = 0
        self._course: tuple[int, ...] = ()

    def subject(self) -> float:
        self._apart.until("both sites are well", lambda: self._apart.look().is_well)
        numbers = self._apart.bank.numbers
        self._door.ask(Crowd(accounts=len(numbers), callers=CALLERS), Done)
        time.sleep(self.ground.seconds(BEFORE_S))
        done_s = self.deed()
        self._door.ask(Withdraw(int(numbers[0])), Waited)
        time.sleep(self.ground.seconds(AFTER_S))
        served = self._door.ask(Rest(), Served)
        require(served.failed == 0, f"{served.failed} of {len(served.waits_us)} transactions were not accepted")
        self._answered += len(served.waits_us) + 1
        heard_s = sorted(came_s + wait_us / 1e6 for came_s, wait_us in zip(served.came_s, served.waits_us, strict=True))
        self._course = course(heard_s, done_s - BEFORE_S)
        self._prove()
        self.mend()
        return self.silence_s(heard_s)

    def yardstick(self) -> float:
        return 1.0

    def course(self) -> tuple[int, ...]:
        return self._course

    @abstractmethod
    def deed(self) -> float:
        """Break or move something, to the end of what an operator would wait for; the moment from which it is felt."""

    def mend(self) -> None:
        """Take the harm back."""
        self._lab.heal()

    def silence_s(self, heard_s: Sequence[float]) -> float:
        """The figure, from the moments of all answers."""
        return longest_s(heard_s)

    def _primary(self) -> str:
        leader = self._apart.desk.leader(self._apart.desk.topology.site(self._serving()))
        require(leader is not None, "nobody leads the site that serves")
        assert leader is not None
        return leader.name

    def _serving(self) -> str:
        return str(self._apart.desk.register.read().site)

    def _prove(self) -> None:
        with self._apart.both.connect(role="owner", autocommit=True) as connection:
            proof = check.prove(connection)
        broken = [violation for law in proof.laws for violation in law.violations]
        require(proof.ok, f"the check found {broken}")
        [stored] = [one.checked for law in proof.laws for one in law.checks if one.name == "requests"]
        require(stored == self._answered, f"{self._answered} requests were answered, the ledger holds {stored}")


def course(heard_s: Sequence[float], from_s: float) -> tuple[int, ...]:
    """How many answers each `SLICE_S` brought."""
    counts = [0] * (1 + int((max(heard_s) - from_s) / SLICE_S))
    for at_s in heard_s:
        if at_s >= from_s:
            counts[int((at_s - from_s) / SLICE_S)] += 1
    return tuple(counts)


def longest_s(heard_s: Sequence[float]) -> float:
    """The longest time between an answer and the next."""
    return max((later - earlier for earlier, later in pairwise(heard_s)), default=0.0)


class DatabaseKilled(Outage):
    """The primary's database process is killed; its node lives on."""

    name: ClassVar[str] = "sites-database-killed"
    aim: ClassVar[Aim] = Aim(better="lower", must=6.0, aim=6.0)

    def deed(self) -> float:
        self._lab.kill([f"{self._primary()}.postgres"])
        return time.monotonic()


class NodeKilled(Outage):
    """The primary's whole node is killed."""

    name: ClassVar[str] = "sites-node-killed"
    aim: ClassVar[Aim] = Aim(better="lower", must=25.0, aim=10.0)

    def deed(self) -> float:
        self._lab.kill([self._primary()])
        return time.monotonic()


class NodeFrozen(Outage):
    """The primary's whole node stands still, and its connections stay open."""

    name: ClassVar[str] = "sites-node-frozen"
    aim: ClassVar[Aim] = Aim(better="lower", must=25.0, aim=10.0)

    def deed(self) -> float:
        self._lab.freeze([self._primary()])
        return time.monotonic()


class Moved(Outage):
    """A planned move to the other site, there in one round and back in the next."""

    name: ClassVar[str] = "sites-switchover"
    aim: ClassVar[Aim] = Aim(better="lower", must=6.0, aim=3.0)

    def deed(self) -> float:
        told_s = time.monotonic()
        self._apart.order("switchover", OTHER if self._serving() == SITE else SITE)
        return told_s


class SiteLost(Outage):
    """Everything of the site that serves is killed: from the operator's command to the first answer."""

    name: ClassVar[str] = "sites-promote"
    aim: ClassVar[Aim] = Aim(better="lower", must=1.5, aim=1.5)

    def deed(self) -> float:
        self._lab.kill([SITE])
        lost_s = time.monotonic()
        time.sleep(OPERATOR_S)
        self._told_s = time.monotonic()
        self._apart.order("promote", OTHER)
        return lost_s

    def mend(self) -> None:
        self._lab.start([SITE])
        self._apart.order("rejoin", SITE)
        self._apart.until("both sites are well", lambda: self._apart.look().is_well)
        self._apart.order("switchover", SITE)

    def silence_s(self, heard_s: Sequence[float]) -> float:
        return min(at_s for at_s in heard_s if at_s > self._told_s) - self._told_s
