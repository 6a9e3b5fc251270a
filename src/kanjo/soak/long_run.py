"""The long run: day after day on one bank until the time is over, each of them settled and proved.

What happens on a day stands here; who takes part, and is killed, is the household's affair.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from kanjo import centercut, ledger
from kanjo.calendar import JAPAN
from kanjo.centercut import RunStatus
from kanjo.demo import EMPLOYER, Town
from kanjo.soak.household import CLIENT, Household, Today
from kanjo.soak.message import Load, Loaded, Prove, Proved
from kanjo.soak.plan import VICTIMS, SoakPlan, Step, blow_of
from kanjo.soak.sampling import Sampler
from kanjo.soak.server import Server, own_server
from kanjo.soak.sizes import take_stock, wal_bound
from kanjo.soak.soaked import Broken, Day, Soaked
from kanjo.soak.trends import trends_of

FIRST_DAY = date(2012, 1, 4)
"""Early in the calendar: thousands of days can follow."""
LOOK_S = 0.1
BEFORE_SHARE = 0.1
"""This part of a day the date is open and no cut runs: Before settles for whoever comes."""
WHOLE_PROOF_DAYS = 3
WHOLE_PROOF_SHARE = 0.2
"""All laws are proved every few days, but not so often that it takes more of the time: it reads all there ever was."""


def live_on(place: Path, plan: SoakPlan, watch: Callable[[str], None]) -> Soaked:
    """Live through days on a new bank in a folder below `place`; whatever happens, nothing is left behind.

    Errors: SystemFailed `callers-died`, `workers-died`, `errand-failed`, `step-stuck`; a broken law is no error, it
    ends the run and is told in what is returned.
    """
    with ExitStack() as stack:
        server = stack.enter_context(own_server(place))
        return _LongRun(server, plan, watch, stack).live()


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
        self._whole_proof: tuple[int, float, float] = (-WHOLE_PROOF_DAYS, 0.0, 0.0)
        self._connection: psycopg.Connection[Any] | None = None
        self._connected_at_kills = -1
        self._date = FIRST_DAY
        self._is_last = False
        self._house = Household(server, plan, self._town, self._files)

    # -- the whole ---------------------------------------------------------------------------------------------------

    def live(self) -> Soaked:
        plan = self._plan
        self._stack.callback(self._close)
        self._stack.callback(self._house.end)
        self._watch(f"{plan.accounts:,} people and two companies open accounts")
        ledger.import_accounts(self._store(), self._town.csv_lines(), name="town.csv")
        ledger.open_day(self._server.database, FIRST_DAY)
        with self._server.database.connect(role="owner", autocommit=True) as connection:
            bound_bytes = wal_bound(connection)
        self._watch(f"living for {plan.minutes:g} minutes, seed {plan.seed}")
        self._house.begin()
        samples = Sampler(self._server.database, self._files / "samples.jsonl", plan.sample_s, self._house.look)
        self._stack.callback(samples.stop)
        while not self._is_last and not self._broken:
            self._live_day(len(self._days) + 1)
        samples.stop()
        seconds = self._house.elapsed_s()
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
        return self._house.elapsed_s() >= self._plan.minutes * 60 and len(self._house.struck) == len(VICTIMS)

    def _live_day(self, number: int) -> None:
        """One business day, from the files of the next date until everything is settled and proved."""
        plan, day_s = self._plan, self._plan.day_s
        blow = blow_of(plan.seed, number)
        blows, self._house.postponed = self._house.postponed + ([blow] if blow is not None else []), []
        self._house.today = today = Today(number, blows, self._house.elapsed_s())
        self._house.give_book()
        due = JAPAN.next_business_day(self._date)
        runs = self._load(due)
        self._open(due, runs)
        self._pass("before", day_s * BEFORE_SHARE)
        found = self._cut(runs)
        left_s = today.began_s + day_s - self._house.elapsed_s()
        self._pass("calm", max(left_s, 0.05 * day_s))
        self._is_last = self._is_over()
        self._house.close_book()
        proved, whole = self._prove()
        self._look_for_breaches(found, proved, whole)
        with self._server.database.connect(role="owner", autocommit=True) as connection:
            stock = take_stock(connection)
        self._house.hear()
        tally = today.tally
        day = Day(
            number=number,
            date=due,
            began_s=today.began_s,
            ended_s=self._house.elapsed_s(),
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
        town = msgspec.structs.replace(self._town, seed=self._plan.seed + self._house.today.number)
        return self._house.do("load", Load(town=town, due=due, folder=str(self._files)), Loaded).runs

    def _open(self, due: date, runs: list[int]) -> None:
        """Turn the date under load; the employer brings the money that it paid out, so that it can pay for ever."""
        began_s = time.monotonic()
        paid_yen = max(run.row.funded_yen for run in self._status(runs))
        bring = ledger.deposit(CLIENT, ledger.new_key(datetime.now(UTC)), EMPLOYER, max(1, paid_yen))
        [answer] = ledger.post(self._store(), [bring])
        assert isinstance(answer, ledger.Outcome) and answer.accepted, answer
        ledger.open_day(self._server.database, due)
        self._date = due
        self._house.today.took_s["open"] = time.monotonic() - began_s

    def _cut(self, runs: list[int]) -> list[RunStatus]:
        centercut.start(self._store(), runs)
        self._house.until("cut", lambda: all(row.finished is not None for row in self._rows(runs)), every_s=LOOK_S)
        return self._status(runs)

    def _pass(self, step: Step, seconds: float) -> None:
        """Let time go by. In the calm of the day falls whatever blow missed its moment."""
        until_s = time.monotonic() + seconds
        self._house.until(step, lambda: time.monotonic() >= until_s, usual_s=seconds)

    def _prove(self) -> tuple[Proved, bool]:
        """Law 4 from this day's history, which is then thrown away; all laws every few days, and at the end."""
        number = self._house.today.number
        last_day, ended_s, took_s = self._whole_proof
        is_time = (self._house.elapsed_s() - ended_s) * WHOLE_PROOF_SHARE >= took_s
        whole = self._is_last or (number - last_day >= WHOLE_PROOF_DAYS and is_time)
        histories = self._house.today.histories
        proved = self._house.do("check", Prove(histories=histories, whole=whole), Proved)
        if whole:
            self._whole_proof = (number, self._house.elapsed_s(), self._house.today.took_s["check"])
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
        if self._house.today.tally.undecided:
            self._break(f"{self._house.today.tally.undecided} instructions could not be decided")

    def _break(self, what: str, laws: list[Any] | None = None) -> None:
        self._broken.append(Broken(day=self._house.today.number, what=what, laws=laws or []))
        self._watch(f"BROKEN on day {self._house.today.number}: {what}")

    # -- the bank ----------------------------------------------------------------------------------------------------

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _store(self) -> ledger.PostgresStore:
        """On a connection of this server: every kill of it costs one."""
        if self._connection is None or self._connected_at_kills != self._server.kills:
            self._close()
            self._connection = self._server.database.connect(autocommit=True)
            self._connected_at_kills = self._server.kills
        return ledger.PostgresStore(self._connection)

    def _rows(self, runs: list[int]) -> list[centercut.RunRow]:
        with self._store().unit() as unit:
            return centercut.runs_in(unit).rows(runs)

    def _status(self, runs: list[int]) -> list[RunStatus]:
        return centercut.status(self._store(), runs, datetime.now(UTC))


def _line_of(day: Day) -> str:
    wait = "-" if day.p99_ms is None else f"{day.p99_ms:,.0f} ms"
    laws = "all laws" if day.whole_proof else "law 4"
    killed = "".join(f"; {strike.victim} killed ({strike.step})" for strike in day.strikes)
    return (
        f"{day.ended_s:7,.0f} s  day {day.number}, {day.date}: {day.items:,} items in {day.cut_s:,.1f} s, "
        f"{day.by_before:,} by Before; {day.answered:,} answers, p99 {wait}; {laws} proved from {day.calls:,} calls "
        f"in {day.proof_s:,.1f} s{killed}"
    )
