"""The long run: day after day on one bank, its processes killed now and then, until the time is over.

One thread does it all, so that a kill never meets a step of the run itself unawares: it strikes between two looks, and
after a kill of the server it waits until the server is back. Only the samples are taken beside it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
import psycopg

from kanjo import centercut, ledger
from kanjo.calendar import JAPAN
from kanjo.centercut import RunStatus
from kanjo.demo import EMPLOYER, Town
from kanjo.errors import SystemFailed
from kanjo.soak.message import Book, Crowd, Done, Errand, Load, Loaded, Prove, Proved
from kanjo.soak.plan import VICTIMS, Blow, SoakPlan, Step, Victim, blow_of
from kanjo.soak.sampling import Sampler, Standing, Tally, driver
from kanjo.soak.server import Server, own_server
from kanjo.soak.sizes import take_stock, wal_bound
from kanjo.soak.soaked import Broken, Day, Soaked, Strike
from kanjo.soak.staff import Callers, Errander, Hand, Worker
from kanjo.soak.trends import CALLERS, WORKER, trends_of

FIRST_DAY = date(2012, 1, 4)
"""Early in the calendar: thousands of days can follow."""
CLIENT = "soak"
TICK_S = 0.05
LOOK_S = 0.1
STEP_S_MAX = 900.0
"""A step that takes longer stands still."""
BEFORE_SHARE = 0.1
"""This part of a day the date is open and no cut runs: Before settles for whoever comes."""
WHOLE_PROOF_DAYS = 3
WHOLE_PROOF_SHARE = 0.2
"""All laws are proved every few days, but not so often that it takes more of the time: it reads all there ever was."""
GUESSED_S: dict[Step, float] = {"load": 0.5, "cut": 0.2}
"""How long a step lasts, before one was seen."""

D = TypeVar("D", bound=Done)


def live_on(place: Path, plan: SoakPlan, watch: Callable[[str], None]) -> Soaked:
    """Live through days on a new bank in a folder below `place`; whatever happens, nothing is left behind.

    Errors: SystemFailed `callers-died`, `workers-died`, `errand-failed`, `step-stuck`; a broken law is no error, it
    ends the run and is told in what is returned.
    """
    with ExitStack() as stack:
        server = stack.enter_context(own_server(place))
        return _LongRun(server, plan, watch, stack).live()


class _Today:
    """What happens on one day."""

    def __init__(self, number: int, blows: list[Blow], began_s: float) -> None:
        self.number = number
        self.began_s = began_s
        self.blows = blows
        self.strikes: list[Strike] = []
        self.tally = Tally()
        self.histories: list[str] = []
        self.took_s: dict[Step, float] = {}


class _LongRun:
    def __init__(self, server: Server, plan: SoakPlan, watch: Callable[[str], None], stack: ExitStack) -> None:
        self._server = server
        self._plan = plan
        self._watch = watch
        self._stack = stack
        self._town = Town(plan.accounts, plan.seed)
        self._files = server.folder / "files"
        self._files.mkdir(mode=0o700)
        self._days: list[Day] = []
        self._broken: list[Broken] = []
        self._workers: list[tuple[Worker, int]] = []
        self._callers: Callers | None = None
        self._errand: Errander | None = None
        self._postponed: list[Blow] = []
        self._struck: set[Victim] = set()
        self._usual_s: dict[Step, float] = dict(GUESSED_S)
        self._whole_proof: tuple[int, float, float] = (-WHOLE_PROOF_DAYS, 0.0, 0.0)
        self._step: Step = "calm"
        self._unsampled = Tally()
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None
        self._connected_at_kills = -1
        self._date = FIRST_DAY
        self._today = _Today(0, [], 0.0)

    # -- the whole ---------------------------------------------------------------------------------------------------

    def live(self) -> Soaked:
        plan = self._plan
        self._stack.callback(self._end_staff)
        self._watch(f"{plan.accounts:,} people and two companies open accounts")
        ledger.import_accounts(self._store(), self._town.csv_lines(), name="town.csv")
        ledger.open_day(self._server.database, FIRST_DAY)
        with self._server.database.connect(role="owner", autocommit=True) as connection:
            bound_bytes = wal_bound(connection)
        self._watch(f"living for {plan.minutes:g} minutes, seed {plan.seed}")
        samples = Sampler(self._server.database, self._files / "samples.jsonl", plan.sample_s, self._look)
        self._stack.callback(samples.stop)
        self._elapsed_s = samples.elapsed_s
        while not self._is_over() and not self._broken:
            self._live_day(len(self._days) + 1)
        samples.stop()
        seconds = samples.elapsed_s()
        found = samples.samples()
        return Soaked(
            plan=plan,
            seconds=seconds,
            days=self._days,
            samples=found,
            trends=trends_of(found, self._days, bound_bytes),
            broken=self._broken,
        )

    def _is_over(self) -> bool:
        """A run in which not every kind was killed once shows too little, whatever the time."""
        return self._elapsed_s() >= self._plan.minutes * 60 and len(self._struck) == len(VICTIMS)

    def _live_day(self, number: int) -> None:
        """One business day, from the files of the next date until everything is settled and proved."""
        plan, day_s = self._plan, self._plan.day_s
        blow = blow_of(plan.seed, number)
        blows, self._postponed = self._postponed + ([blow] if blow is not None else []), []
        self._today = today = _Today(number, blows, self._elapsed_s())
        self._give_book()
        due = JAPAN.next_business_day(self._date)
        runs = self._load(due)
        self._open(due, runs)
        self._pass("before", day_s * BEFORE_SHARE)
        found = self._cut(runs)
        left_s = today.began_s + day_s - self._elapsed_s()
        self._pass("calm", max(left_s, 0.05 * day_s))
        self._close_book()
        proved, whole = self._prove()
        self._look_for_breaches(found, proved, whole)
        with self._server.database.connect(role="owner", autocommit=True) as connection:
            stock = take_stock(connection)
        self._hear()
        tally = today.tally
        day = Day(
            number=number,
            date=due,
            began_s=today.began_s,
            ended_s=self._elapsed_s(),
            load_s=today.took_s["load"],
            cut_s=today.took_s["cut"],
            items=sum(run.totals.settled for run in found),
            by_before=sum(run.totals.settled_by_before for run in found),
            refused_items=sum(run.totals.refused for run in found),
            answered=len(tally.waits_us),
            refused=tally.refused,
            repeats=tally.repeats,
            p50_ms=tally.percentile_ms(50),
            p99_ms=tally.percentile_ms(99),
            strikes=today.strikes,
            calls=proved.calls,
            proof_s=today.took_s["check"],
            whole_proof=whole,
            stock=stock,
        )
        self._days.append(day)
        self._watch(_line_of(day))

    # -- steps -------------------------------------------------------------------------------------------------------

    def _load(self, due: date) -> list[int]:
        """The companies' files for the next date, by a process that may be killed over it."""
        town = msgspec.structs.replace(self._town, seed=self._plan.seed + self._today.number)
        return self._do("load", Load(town=town, due=due, folder=str(self._files)), Loaded).runs

    def _open(self, due: date, runs: list[int]) -> None:
        """Turn the date under load; the employer brings the money that it paid out, so that it can pay for ever."""
        began_s = time.monotonic()
        paid_yen = max(run.row.funded_yen for run in self._status(runs))
        bring = ledger.deposit(CLIENT, uuid4(), EMPLOYER, max(1, paid_yen))
        [answer] = ledger.post(self._store(), [bring])
        assert isinstance(answer, ledger.Outcome) and answer.accepted, answer
        ledger.open_day(self._server.database, due)
        self._date = due
        self._today.took_s["open"] = time.monotonic() - began_s

    def _cut(self, runs: list[int]) -> list[RunStatus]:
        centercut.start(self._store(), runs)
        self._until("cut", lambda: all(row.finished is not None for row in self._rows(runs)), every_s=LOOK_S)
        return self._status(runs)

    def _pass(self, step: Step, seconds: float) -> None:
        """Let time go by. In the calm of the day falls whatever blow missed its moment."""
        until_s = time.monotonic() + seconds
        self._until(step, lambda: time.monotonic() >= until_s, usual_s=seconds)

    def _close_book(self) -> None:
        """Every call of the day comes to its end; the callers go on in the next day's book meanwhile."""
        callers = self._callers
        assert callers is not None
        history = self._today.histories[-1]
        callers.turn(self._book(self._today.number + 1))
        self._until("close", lambda: history in callers.closed)

    def _prove(self) -> tuple[Proved, bool]:
        """Law 4 from this day's history, which is then thrown away; all laws every few days, and at the end."""
        number = self._today.number
        last_day, ended_s, took_s = self._whole_proof
        is_time = (self._elapsed_s() - ended_s) * WHOLE_PROOF_SHARE >= took_s
        whole = self._is_over() or (number - last_day >= WHOLE_PROOF_DAYS and is_time)
        histories = self._today.histories
        proved = self._do("check", Prove(histories=histories, whole=whole), Proved)
        if whole:
            self._whole_proof = (number, self._elapsed_s(), self._today.took_s["check"])
        for history in histories:
            Path(history).unlink()
        return proved, whole

    def _look_for_breaches(self, runs: list[RunStatus], proved: Proved, whole: bool) -> None:
        laws = [law for law in proved.laws if law.ok is False]
        if laws:
            words = ", ".join(f"law {law.law} ({law.name}): {law.broken:,} rows" for law in laws)
            self._break(f"{words} of {'all' if whole else 'the history'}", laws)
        for run in runs:
            if run.row.finished != "completed" or run.totals.settled != run.row.items or run.stuck:
                self._break(
                    f"run {run.row.run} ended {run.row.finished}, {run.totals.settled} of {run.row.items} items"
                )
        if proved.stuck or proved.pending:
            self._break(f"{proved.stuck} items stuck, {proved.pending} due and not settled at the end of the day")
        if self._today.tally.undecided:
            self._break(f"{self._today.tally.undecided} instructions could not be decided")

    def _break(self, what: str, laws: list[Any] | None = None) -> None:
        self._broken.append(Broken(day=self._today.number, what=what, laws=laws or []))
        self._watch(f"BROKEN on day {self._today.number}: {what}")

    # -- looking after everything ------------------------------------------------------------------------------------

    def _until(
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
            if in_step_s > STEP_S_MAX:
                raise SystemFailed("step-stuck", f"day {self._today.number} stands still: {step}, {in_step_s:,.0f} s")
            time.sleep(every_s)
        self._today.took_s[step] = self._usual_s[step] = time.monotonic() - began_s

    def _do(self, step: Step, errand: Errand, kind: type[D]) -> D:
        """The errand by a process, by another one if that was killed or lost its server, until it is done."""
        began_s = time.monotonic()
        while True:
            kills = self._server.kills
            errander = self._errand = Errander(self._server.database, errand)
            self._until(step, lambda hand=errander: not hand.lives)  # type: ignore[misc]
            self._errand = None
            found = errander.answer(kind)
            if found is None and not errander.was_killed and self._server.kills == kills:
                raise SystemFailed("errand-failed", f"the process that should {step} ended: {errander.last_words()}")
            errander.forget()
            if found is not None:
                break
        self._today.took_s[step] = time.monotonic() - began_s
        return found

    def _tend(self) -> None:
        """Workers and callers that were killed, or lost the server, begin again; anybody else's death is a fault."""
        self._hear()
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
        for blow in list(self._today.blows):
            is_due = step == blow.step and in_step_s >= blow.share * usual_s
            is_late = step == "calm" and blow.step != "calm"
            if is_late and blow.victim == "loader":  # it was done too soon: another day
                self._today.blows.remove(blow)
                self._postponed.append(blow)
            elif is_due or is_late:
                self._today.blows.remove(blow)
                self._strike(blow.victim, step)

    def _strike(self, victim: Victim, step: Step) -> None:
        at_s = self._elapsed_s()
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
        self._struck.add(victim)
        self._today.strikes.append(Strike(victim, step, at_s))

    def _give_book(self) -> None:
        """The callers got it already when the day before was closed; the first day they begin with it."""
        self._today.histories.append(self._history(self._today.number, 1))
        if self._callers is None:
            self._callers = Callers(self._server.database, self._crowd(), self._book(self._today.number))

    def _start_callers(self) -> None:
        """Again, the same day: with a history of their own, after asking what was left without an answer."""
        earlier = list(self._today.histories)
        self._today.histories.append(self._history(self._today.number, len(earlier) + 1))
        book = Book(client=_client(self._today.number), history=self._today.histories[-1], earlier=earlier)
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

    def _hear(self) -> None:
        if self._callers is not None:
            seen = self._callers.take()
            self._today.tally.add(seen)
            with self._lock:
                self._unsampled.add(seen)

    def _look(self) -> Standing:
        """For the sampler, in its thread."""
        with self._lock:
            tally, self._unsampled = self._unsampled, Tally()
        here = [driver(), *((WORKER, worker.pid) for worker, _ in self._workers)]
        if self._callers is not None:
            here.append((CALLERS, self._callers.pid))
        return Standing(self._today.number, self._step, here, self._server.pid, tally)

    def _end_staff(self) -> None:
        """At once: a killed process of ours leaves nothing undone that anybody wants."""
        hands: list[Hand | None] = [*(worker for worker, _ in self._workers), self._callers, self._errand]
        for hand in hands:
            if hand is not None:
                hand.kill()
        if self._connection is not None:
            self._connection.close()

    # -- the bank ----------------------------------------------------------------------------------------------------

    def _store(self) -> ledger.PostgresStore:
        """On a connection of this server: every kill of it costs one."""
        if self._connection is None or self._connected_at_kills != self._server.kills:
            if self._connection is not None:
                self._connection.close()
            self._connection = self._server.database.connect(autocommit=True)
            self._connected_at_kills = self._server.kills
        return ledger.PostgresStore(self._connection)

    def _rows(self, runs: list[int]) -> list[centercut.RunRow]:
        with self._store().unit() as unit:
            return centercut.runs_in(unit).rows(runs)

    def _status(self, runs: list[int]) -> list[RunStatus]:
        return centercut.status(self._store(), runs, datetime.now(UTC))


def _client(day: int) -> str:
    return f"{CLIENT}-{day}"


def _line_of(day: Day) -> str:
    wait = "-" if day.p99_ms is None else f"{day.p99_ms:,.0f} ms"
    laws = "all laws" if day.whole_proof else "law 4"
    killed = "".join(f"; {strike.victim} killed ({strike.step})" for strike in day.strikes)
    return (
        f"{day.ended_s:7,.0f} s  day {day.number}, {day.date}: {day.items:,} items in {day.cut_s:,.1f} s, "
        f"{day.by_before:,} by Before; {day.answered:,} answers, p99 {wait}; {laws} proved from {day.calls:,} calls "
        f"in {day.proof_s:,.1f} s{killed}"
    )
