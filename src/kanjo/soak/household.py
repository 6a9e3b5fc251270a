"""Everybody who takes part: workers, callers, errands, the server. Looked after while a step lasts, and killed.

One thread does it all, so that a kill never meets a step of the run itself unawares: it strikes between two looks, and
after a kill of the server it waits until the server is back. Only the samples are taken beside it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from kanjo.demo import Town
from kanjo.errors import SystemFailed
from kanjo.soak.message import Book, Crowd, Done, Errand
from kanjo.soak.plan import Blow, SoakPlan, Step, Victim
from kanjo.soak.sampling import Standing, Tally, driver
from kanjo.soak.server import Server
from kanjo.soak.soaked import Strike
from kanjo.soak.staff import Callers, Errander, Hand, Worker
from kanjo.soak.trends import CALLERS, WORKER

CLIENT = "soak"
TICK_S = 0.05
STEP_S_MAX = 900.0
CHECK_S_MAX = 7200.0
"""A step that takes longer stands still; a check of everything is slower with every day."""
GUESSED_S: dict[Step, float] = {"load": 0.5, "cut": 0.2}
"""How long a step lasts, before one was seen."""

D = TypeVar("D", bound=Done)


class Today:
    """What happens on one day."""

    def __init__(self, number: int, blows: list[Blow], began_s: float) -> None:
        self.number = number
        self.began_s = began_s
        self.blows = blows
        self.strikes: list[Strike] = []
        self.tally = Tally()
        self.histories: list[str] = []
        self.took_s: dict[Step, float] = {}


class Household:
    """`today` is the day that is lived; `struck` who was ever killed; `postponed` are blows that found nobody."""

    def __init__(self, server: Server, plan: SoakPlan, town: Town, files: Path) -> None:
        self.today = Today(0, [], 0.0)
        self.struck: set[Victim] = set()
        self.postponed: list[Blow] = []
        self._began_s = time.monotonic()
        self._server = server
        self._plan = plan
        self._town = town
        self._files = files
        self._step: Step = "calm"
        self._usual_s: dict[Step, float] = dict(GUESSED_S)
        self._workers: list[tuple[Worker, int]] = []
        self._callers: Callers | None = None
        self._errand: Errander | None = None
        self._unsampled = Tally()
        self._lock = threading.Lock()

    def begin(self) -> None:
        """The run's clock starts."""
        self._began_s = time.monotonic()

    def elapsed_s(self) -> float:
        return time.monotonic() - self._began_s

    def until(
        self, step: Step, is_done: Callable[[], bool], *, every_s: float = TICK_S, usual_s: float | None = None
    ) -> None:
        """Look until it is done; strike when it is time to; start again who died of a blow."""
        self._step = step
        began_s = time.monotonic()
        usual_s = self._usual_s.get(step, 0.0) if usual_s is None else usual_s
        while True:
            in_step_s = time.monotonic() - began_s
            self._strike_if_due(step, in_step_s, usual_s)
            self._tend()
            if is_done():
                break
            if in_step_s > (CHECK_S_MAX if step == "check" else STEP_S_MAX):
                raise SystemFailed("step-stuck", f"day {self.today.number} stands still: {step}, {in_step_s:,.0f} s")
            time.sleep(every_s)
        self.today.took_s[step] = self._usual_s[step] = time.monotonic() - began_s

    def do(self, step: Step, errand: Errand, kind: type[D]) -> D:
        """The errand by a process, by another one if that was killed or lost its server, until it is done."""
        began_s = time.monotonic()
        while True:
            kills = self._server.kills
            errander = self._errand = Errander(self._server.database, errand)
            self.until(step, lambda hand=errander: not hand.lives)  # type: ignore[misc]
            self._errand = None
            found = errander.answer(kind)
            if found is None and not errander.was_killed and self._server.kills == kills:
                raise SystemFailed("errand-failed", f"the process that should {step} ended: {errander.last_words()}")
            errander.forget()
            if found is not None:
                break
        self.today.took_s[step] = time.monotonic() - began_s
        return found

    def _tend(self) -> None:
        """Workers and callers that were killed, or lost the server, begin again; anybody else's death is a fault."""
        self.hear()
        for place, (worker, kills) in enumerate(self._workers):
            if not worker.lives:
                if not worker.was_killed and kills == self._server.kills:
                    raise SystemFailed("workers-died", f"a worker ended: {worker.last_words()}")
                worker.forget()
                self._workers[place] = self._worker()
        while len(self._workers) < self._plan.workers:
            self._workers.append(self._worker())
        if self._callers is not None and not self._callers.lives:
            if not self._callers.was_killed:
                raise SystemFailed("callers-died", f"the callers ended: {self._callers.last_words()}")
            self._start_callers()

    def _strike_if_due(self, step: Step, in_step_s: float, usual_s: float) -> None:
        for blow in list(self.today.blows):
            is_due = step == blow.step and in_step_s >= blow.share * usual_s
            is_late = step == "calm" and blow.step != "calm"
            if is_late and blow.victim == "loader":  # it was done too soon: another day
                self.today.blows.remove(blow)
                self.postponed.append(blow)
            elif is_due or is_late:
                self.today.blows.remove(blow)
                self._strike(blow.victim, step)

    def _strike(self, victim: Victim, step: Step) -> None:
        at_s = self.elapsed_s()
        match victim:
            case "worker":
                self._workers[0][0].kill()
            case "callers":
                assert self._callers is not None
                self._callers.kill()
            case "loader":
                assert self._errand is not None
                self._errand.kill()
            case "server":
                self._server.kill()
                self._server.start()
        self.struck.add(victim)
        self.today.strikes.append(Strike(victim, step, at_s))

    def give_book(self) -> None:
        """The callers got it already when the day before was closed; the first day they begin with it."""
        self.today.histories.append(self._history(self.today.number, 1))
        if self._callers is None:
            self._callers = Callers(self._server.database, self._crowd(), self._book(self.today.number))

    def close_book(self) -> None:
        """Every call of the day comes to its end; the callers go on in the next day's book meanwhile."""
        callers = self._callers
        assert callers is not None
        history = self.today.histories[-1]
        callers.turn(self._book(self.today.number + 1))
        self.until("close", lambda: history in callers.closed)

    def _start_callers(self) -> None:
        """Again, the same day: with a history of their own, after asking what was left without an answer."""
        earlier = list(self.today.histories)
        self.today.histories.append(self._history(self.today.number, len(earlier) + 1))
        book = Book(client=_client(self.today.number), history=self.today.histories[-1], earlier=earlier)
        self._callers = Callers(self._server.database, self._crowd(), book)

    def _crowd(self) -> Crowd:
        plan = self._plan
        return Crowd(
            town=self._town, accounts=plan.online_accounts, callers=plan.callers, per_s=plan.per_s, seed=plan.seed
        )

    def _book(self, day: int) -> Book:
        return Book(client=_client(day), history=self._history(day, 1))

    def _history(self, day: int, life: int) -> str:
        return str(self._files / f"history-{day}-{life}.jsonl")

    def _worker(self) -> tuple[Worker, int]:
        return Worker(self._server.database), self._server.kills

    def hear(self) -> None:
        if self._callers is not None:
            seen = self._callers.take()
            self.today.tally.add(seen)
            with self._lock:
                self._unsampled.add(seen)

    def look(self) -> Standing:
        """For the sampler, in its thread."""
        with self._lock:
            tally, self._unsampled = self._unsampled, Tally()
        here = [driver(), *((WORKER, worker.pid) for worker, _ in self._workers)]
        if self._callers is not None:
            here.append((CALLERS, self._callers.pid))
        return Standing(self.elapsed_s(), self.today.number, self._step, here, self._server.pid, tally)

    def end(self) -> None:
        """At once: a killed process of ours leaves nothing undone that anybody wants."""
        hands: list[Hand | None] = [*(worker for worker, _ in self._workers), self._callers, self._errand]
        for hand in hands:
            if hand is not None:
                hand.kill()


def _client(day: int) -> str:
    return f"{CLIENT}-{day}"
