"""A centre cut to test with: two tiny businesses that take their items from Python, and a bank that runs them on either
store.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import psycopg
import pytest

from banks import CLIENT, CREDIT, DEBIT, MONDAY, Entry, MemoryBank, PostgresBank, key, number, reasons
from kanjo import centercut, ledger
from kanjo.centercut import Business, Items, Loading, Payment, RunRow, Totals
from kanjo.db import Database
from kanjo.ledger import Code, Outcome, Phase, Reason

NOW = datetime(2026, 8, 24, 6, 0, tzinfo=UTC)
CLOCK = centercut.Clock(now=lambda: NOW, monotonic_s=lambda: 0.0, sleep=lambda _: None)
EMPLOYER = number(9_000_000)
"""Pays for what is credited, receives what is debited."""
NOWHERE = Path("nowhere")
"""The businesses here read no file."""

Row = tuple[int, int]
"""An account and an amount in yen."""


class FromPython(Business):
    """Items in columns, given when the business is made; numbered from 1, or as `numbers` says."""

    kind: ClassVar[int]

    def __init__(
        self,
        rows: Sequence[Row] = (),
        *,
        due: date = MONDAY,
        digest: str | None = None,
        customers: Sequence[str] | None = None,
        originator: str | None = None,
        numbers: Sequence[int] | None = None,
        others: tuple[int, int] = (0, 0),
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        self.rows = rows
        self.due = due
        self.digest = digest or digest_of(self.name, due, rows)
        self.customers = customers
        self.originator = originator
        self.numbers = numbers
        self.others = others
        self.meanwhile = meanwhile

    def load(self, source: Path, loading: Loading) -> None:
        due = loading.asked_due or self.due
        run = loading.begin(due=due, account=EMPLOYER, originator=self.originator, reference="employer")
        run.add(columns(self.rows, self.kind, self.customers, self.numbers))
        if self.others[0]:
            run.set_apart(*self.others)
        self.meanwhile()
        run.end(digest=self.digest, fund_from=EMPLOYER if self.kind == CREDIT else None)


class Wages(FromPython):
    """Credits, paid by the employer when they are loaded."""

    name = "test-wages"
    priority = 40
    kind = CREDIT

    def close(self, run: RunRow, totals: Totals) -> list[Payment]:
        forwarded_yen = 0 if run.cancelled else run.other_bank_amount_yen
        return [
            Payment(int(Code.INTERBANK), forwarded_yen, "forwarded"),
            Payment(EMPLOYER, run.funded_yen - totals.credited_yen - forwarded_yen, "returned"),
        ]


class Bills(FromPython):
    """Debits, collected for the employer."""

    name = "test-bills"
    priority = 60
    kind = DEBIT

    def close(self, run: RunRow, totals: Totals) -> list[Payment]:
        return [Payment(EMPLOYER, totals.debited_yen, "collected")]


def digest_of(name: str, due: date, rows: Sequence[Row]) -> str:
    """The identity of a source (R-4)."""
    return sha256(f"{name} {due} {list(rows)}".encode()).hexdigest()


def columns(
    rows: Sequence[Row],
    kind: int,
    customers: Sequence[str] | None = None,
    numbers: Sequence[int] | None = None,
) -> Items:
    """Rows as a business hands them over."""
    return Items(
        item=np.array(numbers if numbers is not None else range(1, len(rows) + 1), dtype=np.int32),
        account=np.array([account for account, _ in rows], dtype=np.int64),
        amount_yen=np.array([amount_yen for _, amount_yen in rows], dtype=np.int64),
        kind=kind,
        customer=None if customers is None else list(customers),
    )


BUSINESSES: dict[str, Business] = {"test-wages": Wages(), "test-bills": Bills()}


class Cut:
    """A bank and the centre cut on it, in few words. `bank` is either store's."""

    def __init__(self, bank: CutMemoryBank | CutPostgresBank) -> None:
        self.bank = bank
        self.store = bank.store

    def open(self, day: date) -> None:
        """Switch the date as an operator does."""
        if isinstance(self.bank, PostgresBank):
            ledger.open_day(self.bank.database, day)
        else:
            self.bank.open(day)

    def load(self, business: Business, **options: Any) -> int:
        """Load one run; returns its number."""
        [run] = centercut.load(self.store, business, NOWHERE, now=NOW, **options).runs
        return run.run

    def wages(self, due: date, *rows: Row, phase: Phase = Phase.PRE_BUSINESS, **options: Any) -> int:
        """Load credits."""
        priority = options.pop("priority", None)
        slice_items = options.pop("slice_items", ledger.ITEMS_MAX)
        business = Wages(rows, due=due, **options)
        return self.load(business, phase=phase, priority=priority, slice_items=slice_items)

    def bills(self, due: date, *rows: Row, phase: Phase = Phase.PRE_BUSINESS, **options: Any) -> int:
        """Load debits."""
        priority = options.pop("priority", None)
        slice_items = options.pop("slice_items", ledger.ITEMS_MAX)
        business = Bills(rows, due=due, **options)
        return self.load(business, phase=phase, priority=priority, slice_items=slice_items)

    def start(self, *runs: int) -> None:
        centercut.start(self.store, runs)

    def step(self, *runs: int, items_max: int = ledger.ITEMS_MAX) -> int | None:
        """One commit of a worker: how many items it settled, None when there was nothing to claim."""
        done = centercut.step(self.store, runs or None, NOW, items_max=items_max)
        return None if done is None else done.settled

    def work(self, *runs: int, items_max: int = ledger.ITEMS_MAX) -> None:
        """Work on started runs until a worker can do no more for them."""
        centercut.work(
            self.store,
            runs=runs,
            flow=centercut.Flow(items_max=items_max),
            clock=CLOCK,
            should_stop=lambda: False,
            find=BUSINESSES.__getitem__,
        )

    def run(self, *runs: int) -> None:
        """Start runs and bring them to their end."""
        self.start(*runs)
        self.work(*runs)
        assert [self.state(run) for run in runs] == ["completed"] * len(runs)

    def cancel(self, run: int) -> str:
        return centercut.cancel(self.store, run, NOW, find=BUSINESSES.__getitem__)

    def close(self, run: int) -> str | None:
        return centercut.close_if_settled(self.store, run, NOW, find=BUSINESSES.__getitem__)

    def status(self, run: int) -> centercut.RunStatus:
        [found] = centercut.status(self.store, [run], NOW)
        return found

    def state(self, run: int) -> str:
        return self.status(run).state

    def reasons(self, run: int) -> dict[int, Reason]:
        """What became of the items."""
        return reasons(self.bank, run)

    def codes(self, run: int) -> list[int]:
        """Reasons as a direct debit's result file would say them, for those that occur here (A.6)."""
        as_code = {Reason.ACCEPTED: 0, Reason.INSUFFICIENT_FUNDS: 1, Reason.WITHDRAWN: 8, Reason.CANCELLED: 8}
        return [as_code[reason] for _, reason in sorted(self.reasons(run).items())]

    def stored_balance(self, account: int) -> int:
        """What lies in the account, without asking for it: an enquiry would settle first."""
        return self.bank.balances()[account].balance_yen

    def balance(self, account: int) -> int:
        """What a customer is told."""
        return ledger.enquire(self.store, account).balance_yen

    def atm(self, account: int, signed_yen: int, name: object) -> Reason:
        """Pay in (positive) or out (negative)."""
        one = ledger.deposit if signed_yen > 0 else ledger.withdrawal
        [found] = ledger.post(self.store, [one(CLIENT, key(name), account, abs(signed_yen))])
        assert isinstance(found, Outcome)
        return found.reason

    def of_items(self, account: int) -> list[Entry]:
        """The account's entries that items caused."""
        return [entry for entry in self.bank.entries(account) if entry.item is not None]

    def suspense(self, run: int) -> int:
        """What lies in the run's suspense, from entries."""
        lying_yen = -sum(
            entry.amount_yen for entry in self.bank.entries() if entry.contra == Code.RUN_SUSPENSE and entry.run == run
        )
        for debit, credit, amount_yen, of_run in self.bank.internal_entries():
            if of_run == run:
                lying_yen += amount_yen * ((credit == Code.RUN_SUSPENSE) - (debit == Code.RUN_SUSPENSE))
        return lying_yen

    def settle_everything(self, *runs: int) -> None:
        """Every account's due items and those of `runs`, whatever slices say."""
        ledger.settle(self.store, sorted(self.bank.balances()), runs)


class CutPostgresBank(PostgresBank):
    def internal_entries(self) -> list[tuple[int, int, int, int | None]]:
        """Movements between two codes: debit, credit, amount, run."""
        rows = self.owner.execute("SELECT debit, credit, amount, run FROM ledger.internal_entry").fetchall()
        return rows

    def rows(self) -> dict[str, int]:
        """How many rows each table has."""
        tables = self.owner.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('ledger', 'centercut')"
        ).fetchall()
        counts = {}
        for (table,) in tables:
            [(count,)] = self.owner.execute(f"SELECT count(*) FROM {table}").fetchall()
            counts[table] = count
        return counts

    def empty(self) -> None:
        self.owner.execute("DELETE FROM centercut.slice")
        self.owner.execute("DELETE FROM centercut.run")
        super().empty()


class CutMemoryBank(MemoryBank):
    def internal_entries(self) -> list[tuple[int, int, int, int | None]]:
        """Movements between two codes: debit, credit, amount, run."""
        return [
            (movement.debit, movement.credit, movement.amount_yen, outcome.run)
            for outcome, movement in self.tables.internal_entries.values()
        ]

    def rows(self) -> dict[str, int]:
        """How many rows each table has."""
        tables = {name: getattr(self.tables, name) for name in self.tables.__struct_fields__ if name != "more"}
        return {name: len(table) for name, table in (tables | self.tables.more).items() if table}


@contextlib.contextmanager
def postgres_cut(database: Database, opened: date = MONDAY) -> Iterator[Cut]:
    """An empty bank at a date, on a database with partitions; the employer is rich."""
    bank = CutPostgresBank(database)
    try:
        bank.empty()
        bank.open(opened)
        bank.account(EMPLOYER, 1_000_000_000)
        yield Cut(bank)
    finally:
        bank.quit()


def memory_cut(opened: date = MONDAY) -> Cut:
    """An empty bank at a date, in memory; the employer is rich."""
    bank = CutMemoryBank()
    bank.open(opened)
    bank.account(EMPLOYER, 1_000_000_000)
    return Cut(bank)


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Wait for a condition; fails with `what` when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(0.01)


def waiting_sessions(owner: psycopg.Connection[Any]) -> int:
    """How many sessions of this database wait for a lock."""
    [(count,)] = owner.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ).fetchall()
    return int(count)


def installed_for_workers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let worker processes find the businesses of this file as they find those of any package: by entry points."""
    distribution = folder / "kanjo_test_cuts-1.dist-info"
    distribution.mkdir()
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: kanjo-test-cuts\nVersion: 1\n", "utf-8")
    (distribution / "entry_points.txt").write_text(
        f"[{centercut.GROUP}]\ntest-wages = cuts:Wages\ntest-bills = cuts:Bills\n", "utf-8"
    )
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{Path(__file__).parent}")


@contextlib.contextmanager
def workers(database: Database, count: int, orders: centercut.Orders) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Real worker processes; told to stop at the end, and waited for."""
    started = [centercut.start_worker(database, orders) for _ in range(count)]
    try:
        yield started
    finally:
        for worker in started:
            end_worker(worker)


def end_worker(worker: subprocess.Popen[bytes]) -> int:
    """Close its standard input and wait for it; returns its exit status."""
    if worker.stdin is not None:
        with contextlib.suppress(OSError):
            worker.stdin.close()
    try:
        return worker.wait(30)
    finally:
        if worker.poll() is None:
            worker.kill()
            worker.wait()
