"""One banking day: files for tomorrow, the date turns over under load, the cut beside the customers, the proof."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
import numpy as np

from kanjo import centercut, check, db, ledger, transfers
from kanjo.centercut import REAL_CLOCK, Clock, Orders, RunStatus
from kanjo.demo.customers import Crowd, Customers, Waits
from kanjo.demo.town import Town
from kanjo.errors import SystemFailed

YESTERDAY, PAYDAY = date(2026, 8, 24), date(2026, 8, 25)
"""Two bank business days within the calendar; a demonstration has no clock of its own."""
GLIMPSE_S = 0.25

Stage: TypeAlias = Literal["prepare", "before", "date open", "cut", "after", "check"]


class DayPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How big the town is, how long its day lasts without the cut, and who works."""

    accounts: int = 100_000
    seconds: float = 40.0
    workers: int = 2
    callers: int = 24
    per_s: float = 500.0


class Glimpse(msgspec.Struct, frozen=True, kw_only=True):
    """The day at one moment, for those who watch."""

    stage: Stage
    elapsed_s: float
    note: str = ""
    online_per_s: float = 0.0
    p99_ms: float | None = None
    runs: list[RunStatus] = []


class CutPoint(msgspec.Struct, frozen=True):
    """How far the cut was at a moment of the day."""

    elapsed_s: float
    settled: int
    settled_by_before: int


class Online(msgspec.Struct, frozen=True, kw_only=True):
    """The customers' day; waits at the 99th percentile, in ms. None: nobody asked in that stage."""

    before_p99_ms: float | None
    date_open_p99_ms: float | None
    during_p99_ms: float | None
    after_p99_ms: float | None
    transactions: int
    refused: int
    failed: int
    per_s: float


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """The workers' part of the day, from `cut start` to the last run closed."""

    seconds: float
    items_per_s: float
    accepted: int
    refused: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What the day came to."""

    accounts: int
    items: int
    settled_by_before: int
    online: Online
    cut: Cut
    check: check.Proof
    marks_s: dict[str, float]
    waits: list[tuple[float, list[int]]]
    cut_points: list[CutPoint]
    plan: DayPlan


def live_through(
    database: db.Database,
    plan: DayPlan,
    watch: Callable[[Glimpse], None],
    *,
    clock: Clock = REAL_CLOCK,
) -> Figures:
    """Live through the day on an empty ledger; whatever happens, no process is left behind."""
    with ExitStack() as stack:
        day = _Day(database, plan, watch, clock, stack)
        return day.live()


class _Day:
    def __init__(
        self, database: db.Database, plan: DayPlan, watch: Callable[[Glimpse], None], clock: Clock, stack: ExitStack
    ) -> None:
        self._database = database
        self._plan = plan
        self._watch = watch
        self._clock = clock
        self._stack = stack
        self._town = Town(plan.accounts)
        self._store = ledger.PostgresStore(stack.enter_context(database.connect(autocommit=True)))
        self._began_s = clock.monotonic_s()
        self._marks_s: dict[str, float] = {}
        self._runs: list[int] = []
        self._points: list[CutPoint] = []

    def live(self) -> Figures:
        self._prepare()
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="kanjo-demo-"))
        history = Path(folder, "history.jsonl")
        crowd = Crowd(town=self._town, history=str(history), callers=self._plan.callers, per_s=self._plan.per_s)
        customers = Customers(self._database, crowd)
        self._stack.callback(customers.stop)
        self._wait_for_customers(customers)
        self._began_epoch_s = self._clock.now().timestamp() - self._elapsed_s()
        quarter_s = self._plan.seconds / 4
        self._mark("before")
        self._let_pass(customers, "before", quarter_s)
        self._mark("date open")
        ledger.open_day(self._database, PAYDAY)
        self._let_pass(customers, "date open", quarter_s)
        self._mark("cut")
        self._cut(customers)
        self._mark("after")
        self._let_pass(customers, "after", quarter_s)
        self._mark("end")
        customers.stop()
        self._say("check", "proving laws 1 to 3 from the data, and law 4 from what the customers were told")
        with self._database.connect(autocommit=True) as connection:
            proof = check.prove(connection, history=check.read_histories([history]))
        return self._figures(customers.lines, proof)

    def _prepare(self) -> None:
        plan = self._plan
        self._say("prepare", f"{plan.accounts:,} people and two companies open accounts")
        ledger.import_accounts(self._store, self._town.csv_lines(), name="town.csv")
        ledger.open_day(self._database, YESTERDAY)
        with tempfile.TemporaryDirectory(prefix="kanjo-demo-") as folder:
            payroll, debits = Path(folder, "payroll.txt"), Path(folder, "debit.txt")
            self._say("prepare", f"the companies write {plan.accounts:,} salaries and {self._town.debits:,} debits")
            self._town.write_payroll(payroll, PAYDAY)
            self._town.write_debits(debits, PAYDAY)
            for path in (payroll, debits):
                self._say("prepare", f"loading {path.name} for {PAYDAY}")
                business = centercut.business_named(transfers.business_of_file(path))
                loaded = centercut.load(self._store, business, path, now=self._clock.now())
                self._runs.extend(run.run for run in loaded.runs)

    def _cut(self, customers: Customers) -> None:
        centercut.start(self._store, self._runs)
        orders = Orders(runs=self._runs)
        crew = self._stack.enter_context(centercut.crew_of(self._database, orders, self._plan.workers))
        while True:
            working = crew.alive() > 0  # asked before the look, so that the last worker's work is seen
            runs = self._glimpse(customers, "cut")
            if all(run.row.finished is not None for run in runs):
                return
            if not working:
                raise SystemFailed("workers-died", f"all workers ended before the cut did: {crew.last_words()}")
            self._clock.sleep(GLIMPSE_S)

    def _let_pass(self, customers: Customers, stage: Stage, seconds: float) -> None:
        until_s = self._elapsed_s() + seconds
        while (left_s := until_s - self._elapsed_s()) > 0:
            self._glimpse(customers, stage)
            self._clock.sleep(min(GLIMPSE_S, left_s))

    def _glimpse(self, customers: Customers, stage: Stage) -> list[RunStatus]:
        if not customers.alive:
            raise SystemFailed("customers-died", "the process of the customers ended before the day did")
        runs = centercut.status(self._store, self._runs, self._clock.now())
        settled = sum(run.totals.settled for run in runs)
        self._points.append(CutPoint(self._elapsed_s(), settled, sum(run.totals.settled_by_before for run in runs)))
        recent = customers.lines[-5:]
        waits_us = [wait for line in recent for wait in line.waits_us]
        self._watch(
            Glimpse(
                stage=stage,
                elapsed_s=self._elapsed_s(),
                online_per_s=len(waits_us) / (len(recent) * 0.2) if recent else 0.0,
                p99_ms=_p99_ms(waits_us),
                runs=runs,
            )
        )
        return runs

    def _wait_for_customers(self, customers: Customers) -> None:
        self._say("prepare", "the doors open to customers")
        for _ in range(600):
            if any(line.waits_us for line in customers.lines):
                return
            if not customers.alive:
                break
            self._clock.sleep(0.1)
        raise SystemFailed("customers-died", "the process of the customers served nobody")

    def _figures(self, lines: list[Waits], proof: check.Proof) -> Figures:
        marks = self._marks_s
        waits = [(line.at_s - self._began_epoch_s, line.waits_us) for line in lines if line.waits_us]
        runs = centercut.status(self._store, self._runs, self._clock.now())
        settled = sum(run.totals.settled for run in runs)
        by_before = sum(run.totals.settled_by_before for run in runs)
        cut_s = marks["after"] - marks["cut"]
        count = sum(len(waits_us) for _, waits_us in waits)

        def between(first: str, last: str) -> float | None:
            return _p99_ms([w for at_s, waits_us in waits if marks[first] <= at_s < marks[last] for w in waits_us])

        online = Online(
            before_p99_ms=between("before", "date open"),
            date_open_p99_ms=between("date open", "cut"),
            during_p99_ms=between("cut", "after"),
            after_p99_ms=between("after", "end"),
            transactions=count,
            refused=sum(line.refused for line in lines),
            failed=sum(line.failed for line in lines),
            per_s=count / (marks["end"] - marks["before"]),
        )
        cut = Cut(
            seconds=cut_s,
            items_per_s=(settled - self._settled_at(marks["cut"])) / cut_s,
            accepted=sum(run.totals.accepted for run in runs),
            refused=sum(run.totals.refused for run in runs),
        )
        return Figures(
            accounts=self._plan.accounts,
            items=sum(run.row.items for run in runs),
            settled_by_before=by_before,
            online=online,
            cut=cut,
            check=proof,
            marks_s=marks,
            waits=waits,
            cut_points=self._points,
            plan=self._plan,
        )

    def _settled_at(self, elapsed_s: float) -> int:
        return max((point.settled for point in self._points if point.elapsed_s <= elapsed_s), default=0)

    def _mark(self, name: str) -> None:
        self._marks_s[name] = self._elapsed_s()

    def _elapsed_s(self) -> float:
        return self._clock.monotonic_s() - self._began_s

    def _say(self, stage: Stage, note: str) -> None:
        self._watch(Glimpse(stage=stage, elapsed_s=self._elapsed_s(), note=note))


def _p99_ms(waits_us: list[int]) -> float | None:
    return round(float(np.percentile(waits_us, 99)) / 1000, 2) if waits_us else None
