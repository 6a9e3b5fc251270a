"""The one who kills: blows at chosen victims at chosen moments, while somebody else lives through a day."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

Victim = Literal[
    "loader", "worker", "online", "postgres stopped", "postgres killed", "command", "workers", "opener", "everything"
]
VICTIMS: tuple[Victim, ...] = get_args(Victim)
EVER_THERE: frozenset[Victim] = frozenset({"online", "postgres stopped", "postgres killed", "everything"})
POLL_S = 0.003


STEPS = ("load payroll", "load debits", "open", "cut", "last callers")


class Blow(NamedTuple):
    """Kill `victim` at this share of the time that its step takes when nobody disturbs it.

    `step` is None for victims that live only in one step; it is theirs then.
    """

    victim: Victim
    step: str | None
    share: float


class Strike(NamedTuple):
    """A blow that hit: during which step of the day."""

    victim: Victim
    step: str


def plan(seed: int, place: int) -> list[Blow]:
    """One to four blows; over consecutive rounds every victim comes first once, and in each there is one who lives all
    day: the others may be gone before the blow falls.
    """
    draw = random.Random(f"{seed}/{place}")
    first = VICTIMS[(place + seed) % len(VICTIMS)]
    victims = [first, *(draw.choice(VICTIMS) for _ in range(draw.choice((0, 1, 1, 2))))]
    if EVER_THERE.isdisjoint(victims):
        victims.append("online")
    return [Blow(victim, draw.choice(STEPS) if victim in EVER_THERE else None, draw.random()) for victim in victims]


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL to a process that we started and have not waited for."""
    if process.returncode is None:
        process.kill()


def children(parent: int, word: bytes) -> list[int]:
    """Living processes started by `parent` whose command line holds `word`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                started_by = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if started_by == parent and word in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


class Assassin:
    """Strikes from `begin` to `end`, each blow in a thread of its own.

    `targets` tells who lives just now: a function that kills the victim, or None while there is none. `spans_s` tells
    how long steps and victims last. `step` names the step of the day.
    """

    def __init__(
        self,
        blows: Sequence[Blow],
        spans_s: Mapping[str, float],
        targets: Callable[[Victim], Callable[[], object] | None],
        step: Callable[[], str],
    ) -> None:
        self.strikes: list[Strike] = []
        self._spans_s = spans_s
        self._targets = targets
        self._step = step
        self._over = threading.Event()
        self._failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(blow,), daemon=True) for blow in blows]

    def begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """No more blows; tells what went wrong while striking."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def _run(self, blow: Blow) -> None:
        try:
            if blow.step is None:
                self._strike_in_its_life(blow)
            else:
                self._strike_in_step(blow, blow.step)
        except BaseException as error:
            self._failures.append(error)

    def _strike_in_step(self, blow: Blow, step: str) -> None:
        """Wait for the step and its moment; if the victim is not there then, or the step was quick, the next moment."""
        while not self._over.is_set() and self._step() != step:
            self._over.wait(POLL_S)
        until_s = time.monotonic() + blow.share * self._spans_s[step]
        while not self._over.is_set() and self._step() == step and time.monotonic() < until_s:
            self._over.wait(POLL_S)
        while not self._over.is_set() and not self._hit(blow):
            self._over.wait(POLL_S)

    def _strike_in_its_life(self, blow: Blow) -> None:
        share = blow.share
        while not self._over.wait(POLL_S):
            if self._targets(blow.victim) is None:
                continue
            self._over.wait(share * self._spans_s[blow.victim])
            if self._hit(blow):
                return
            share *= 0.7  # it was gone already: earlier next time

    def _hit(self, blow: Blow) -> bool:
        target = self._targets(blow.victim)
        if target is None:
            return False
        self.strikes.append(Strike(blow.victim, self._step()))
        target()
        return True


def signal_all(pids: Sequence[int], number: signal.Signals = signal.SIGKILL) -> None:
    """Signal processes that may be gone by now."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def wait_for(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Wait for a condition with a deadline."""
    until_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until_s, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(POLL_S)
