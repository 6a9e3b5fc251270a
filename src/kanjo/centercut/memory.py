"""Runs and slices in memory, for model tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from kanjo.centercut.run import Counted, Finish, Items, NewRun, RunRow, Slice, Totals
from kanjo.ledger import Item, ItemKind, MemoryUnit, Phase, Reason, Run


class SliceRow(msgspec.Struct, frozen=True):
    first_account: int
    next_account: int
    last_account: int
    items: int
    done: bool = False


class MemoryRuns:
    """Obeys `store.Runs`; units are one at a time, so a claim needs no lock."""

    def __init__(self, unit: MemoryUnit) -> None:
        self._tables = unit.tables
        self._runs: dict[int, RunRow] = unit.tables.more.setdefault("run", {})
        self._slices: dict[tuple[int, int], SliceRow] = unit.tables.more.setdefault("slice", {})

    def today(self) -> date | None:
        return self._tables.business_date[""]

    def _change(self, run: int, **changes: Any) -> None:
        self._runs[run] = msgspec.structs.replace(self._runs[run], **changes)

    def register(self, new: NewRun) -> int:
        run = max(self._runs, default=0) + 1
        self._tables.runs[run] = Run(run, new.due, new.phase, new.priority, False, new.originator)
        self._tables.run_accounts[run] = new.account
        self._runs[run] = RunRow(
            run=run,
            business=new.business,
            due=new.due,
            phase=new.phase,
            priority=new.priority,
            cancelled=False,
            account=new.account,
            originator=new.originator,
            digest="",
            reference=new.reference,
            items=0,
            amount_yen=0,
            other_bank_items=0,
            other_bank_amount_yen=0,
            funded_yen=0,
            detail=new.detail,
            started=False,
            paused=False,
            finished=None,
            note="",
            claimed_at=None,
            finished_at=None,
        )
        return run

    def add_items(self, run: int, new: NewRun, items: Items) -> None:
        customers = items.customer if items.customer is not None else [None] * len(items)
        for number, account, amount_yen, customer in zip(
            items.item.tolist(), items.account.tolist(), items.amount_yen.tolist(), customers, strict=True
        ):
            if isinstance(customer, bytes):
                customer = customer.decode("cp932").rstrip(" \0")
            self._tables.items[(account, run, number)] = Item(account, run, number, items.kind, amount_yen, customer)

    def end_loading(self, run: int, counted: Counted) -> None:
        self._change(run, **msgspec.structs.asdict(counted))

    def lock_digest(self, digest: str) -> None:
        """Nothing to do: units are one at a time."""

    def find_digest(self, run: int, digest: str) -> int | None:
        found = (row.run for row in self._runs.values() if row.digest == digest and not row.cancelled)
        return next((number for number in found if number != run), None)

    def find_alike(self, run: int, new: NewRun, amount_yen: int) -> int | None:
        for row in self._runs.values():
            same = (row.business, row.due, row.reference) == (new.business, new.due, new.reference)
            if (
                same
                and row.amount_yen + row.other_bank_amount_yen == amount_yen
                and not row.cancelled
                and row.run != run
            ):
                return row.run
        return None

    def make_slices(self, run: int, new: NewRun, items_max: int) -> None:
        counts: dict[int, int] = {}
        for account, of_run, _ in self._tables.items:
            if of_run == run:
                counts[account] = counts.get(account, 0) + 1
        parts: dict[int, list[int]] = {}
        before = 0
        for account in sorted(counts):
            parts.setdefault(before // items_max, []).append(account)
            before += counts[account]
        for number, accounts in enumerate(parts.values(), start=1):
            items = sum(counts[account] for account in accounts)
            self._slices[(run, number)] = SliceRow(accounts[0], accounts[0], accounts[-1], items)

    def claim(self, runs: Sequence[int] | None) -> Slice | None:
        today = self.today()
        open_slices = []
        for (run, number), row in self._slices.items():
            of = self._runs[run]
            claimable = of.cancelled or (of.started and not of.paused and today is not None and of.due <= today)
            if claimable and not row.done and (runs is None or run in runs):
                rank = (of.cancelled, of.phase != Phase.PRE_BUSINESS, of.due, of.priority, run, number)
                open_slices.append((rank, number, of, row))
        if not open_slices:
            return None
        _, number, of, row = min(open_slices, key=lambda found: found[0])
        return Slice(of.run, number, row.next_account, row.last_account, row.items, of.due, of.claimed_at is None)

    def first_claim(self, run: int, at: datetime) -> None:
        self._change(run, claimed_at=at)

    def released(self) -> list[int]:
        today = self.today()
        return [
            row.run
            for row in self._runs.values()
            if row.finished is None
            and (
                row.cancelled
                or (
                    row.phase != Phase.PRE_BUSINESS
                    and row.started
                    and not row.paused
                    and today is not None
                    and row.due <= today
                )
            )
        ]

    def advance_slice(self, claimed: Slice, next_account: int) -> None:
        place = (claimed.run, claimed.slice)
        self._slices[place] = msgspec.structs.replace(self._slices[place], next_account=next_account)

    def end_slice(self, claimed: Slice) -> None:
        place = (claimed.run, claimed.slice)
        self._slices[place] = msgspec.structs.replace(self._slices[place], done=True)

    def reopen_slices(self, account: int) -> None:
        for place, row in list(self._slices.items()):
            passed = row.done or row.next_account > account
            if passed and row.first_account <= account <= row.last_account and self._runs[place[0]].finished is None:
                self._slices[place] = msgspec.structs.replace(row, done=False, next_account=account)

    def open_slices(self, run: int) -> int:
        return sum(of == run and not row.done for (of, _), row in self._slices.items())

    def wait_for_slices(self, run: int) -> int:
        return self.open_slices(run)

    def lock_run(self, run: int) -> None:
        """Nothing to do: units are one at a time."""

    def rows(self, runs: Sequence[int] | None, *, unfinished: bool = False) -> list[RunRow]:
        rows = (self._runs[run] for run in sorted(self._runs) if runs is None or run in runs)
        return [row for row in rows if not unfinished or row.finished is None]

    def totals(self, row: RunRow) -> Totals:
        totals = Totals()
        for item in self._tables.items.values():
            result = self._tables.results.get((item.run, item.item))
            if item.run != row.run or result is None:
                continue
            accepted = not result.reason
            amount_yen = item.amount_yen
            totals = Totals(
                settled=totals.settled + 1,
                accepted=totals.accepted + accepted,
                accepted_yen=totals.accepted_yen + (amount_yen if accepted else 0),
                refused=totals.refused + (not accepted),
                refused_yen=totals.refused_yen + (0 if accepted else amount_yen),
                settled_by_before=totals.settled_by_before + result.before,
                credited_yen=totals.credited_yen + (amount_yen if accepted and item.kind == ItemKind.CREDIT else 0),
                debited_yen=totals.debited_yen + (amount_yen if accepted and item.kind == ItemKind.DEBIT else 0),
            )
        return totals

    def counts(self, runs: Sequence[int]) -> dict[int, Totals]:
        return {run: self.totals(self._runs[run]) for run in runs}

    def item(self, row: RunRow, item: int) -> tuple[Item, Reason | None] | None:
        for found in self._tables.items.values():
            if (found.run, found.item) == (row.run, item):
                result = self._tables.results.get((row.run, item))
                return found, result.reason if result else None
        return None

    def set_started(self, runs: Sequence[int]) -> None:
        for run in runs:
            self._change(run, started=True)

    def set_paused(self, run: int, paused: bool) -> None:
        self._change(run, paused=paused)

    def set_cancelled(self, run: int) -> None:
        self._change(run, cancelled=True)
        self._tables.runs[run] = msgspec.structs.replace(self._tables.runs[run], cancelled=True)

    def set_finished(self, run: int, finished: Finish, at: datetime, note: str) -> None:
        self._change(run, finished=finished, finished_at=at, note=note)
        self._tables.closed_runs[run] = True

    def set_detail(self, run: int, detail: dict[str, Any]) -> None:
        self._change(run, detail=self._runs[run].detail | detail)
