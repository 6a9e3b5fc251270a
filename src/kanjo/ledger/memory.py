"""The ledger in memory: the same protocol without a database, for model tests and for studying the rules."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import msgspec

from kanjo.ledger.account import Account
from kanjo.ledger.book import (
    Book,
    Changes,
    Hold,
    HoldStatus,
    Item,
    Key,
    LawBroken,
    MandateState,
    Run,
    StuckItem,
    Wanted,
)
from kanjo.ledger.instruction import Kind, Movement
from kanjo.ledger.outcome import Outcome
from kanjo.ledger.reason import Reason
from kanjo.ledger.store import Conflict, Day, bounded, due_runs
from kanjo.ledger.stretch import NO_PLAIN, StretchBook, StretchChanges, StretchWanted


class ItemResult(msgspec.Struct, frozen=True):
    """The row of `ledger.result`."""

    reason: Reason
    date: date
    sequence: int
    balance_yen: int
    before: bool


class MandateRow(msgspec.Struct, frozen=True):
    from_date: date
    until_date: date | None
    stopped: bool


class Tables(msgspec.Struct):
    """What the database would hold. Values are replaced, never changed in place, so that a copy of the dictionaries
    is enough to undo a unit. `more` is for the tables of rooms above.
    """

    business_date: dict[str, date | None] = msgspec.field(default_factory=lambda: {"": None})
    accounts: dict[int, Account] = {}
    names: dict[int, str] = {}
    entries: dict[tuple[int, int], dict[str, Any]] = {}
    internal_entries: dict[int, tuple[Outcome, Movement]] = {}
    requests: dict[Key, Outcome] = {}
    holds: dict[Key, Hold] = {}
    runs: dict[int, Run] = {}
    run_accounts: dict[int, int | None] = {}
    closed_runs: dict[int, bool] = {}
    items: dict[tuple[int, int, int], Item] = {}
    results: dict[tuple[int, int], ItemResult] = {}
    stuck: dict[tuple[int, int], tuple[int, str]] = {}
    mandate_lists: dict[str, date] = {}
    mandates: dict[tuple[str, int, str], tuple[MandateRow, ...]] = {}
    more: dict[str, dict[Any, Any]] = {}

    def copy(self) -> Tables:
        copied = {name: dict(getattr(self, name)) for name in self.__struct_fields__}
        copied["more"] = {name: dict(table) for name, table in self.more.items()}
        return Tables(**copied)


class MemoryStore:
    """Units on tables in memory, one at a time."""

    def __init__(self) -> None:
        self.tables = Tables()
        self._lock = threading.RLock()

    @contextmanager
    def unit(self) -> Iterator[MemoryUnit]:
        with self._lock:
            before = self.tables.copy()
            try:
                yield MemoryUnit(self)
            except BaseException:
                self.tables = before
                raise


class MemoryUnit:
    """One unit of work; obeys `store.Unit`."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    @property
    def tables(self) -> Tables:
        return self.store.tables

    def day(self) -> Day:
        tables = self.tables
        open_runs = {number: run for number, run in tables.runs.items() if number not in tables.closed_runs}
        return Day(tables.business_date[""], open_runs)

    def take_day(self) -> None:
        """Nothing to do: units are one at a time."""

    def accounts_behind(self, reversals: Sequence[Key], holds: Sequence[Key]) -> set[int]:
        originals = (self.tables.requests[key] for key in reversals if key in self.tables.requests)
        found = {touch.account for original in originals for touch in original.touched}
        return found | {self.tables.holds[key].account for key in holds if key in self.tables.holds}

    def load_today(self, wanted: Wanted) -> Book | None:
        day = self.day()
        return None if day.date is None else self.load(day, wanted)

    def load(self, day: Day, wanted: Wanted) -> Book:
        assert day.date is not None
        tables = self.tables
        here = set(wanted.accounts)
        rank = {run.run: place for place, run in enumerate(due_runs(day, wanted))}
        pending = sorted(
            (item for item in tables.items.values() if item.account in here and item.run in rank),
            key=lambda item: (item.account, rank[item.run], item.item),
        )
        pending = [item for item in pending if (item.run, item.item) not in tables.results]
        items, unfinished = bounded(pending, wanted, {account for account, _ in tables.stuck.values()})
        keys = [*wanted.keys, *wanted.reversals]
        holds = {key: msgspec.structs.replace(tables.holds[key]) for key in wanted.holds if key in tables.holds}
        expiring: dict[int, list[Hold]] = {}
        for key, hold in sorted(
            tables.holds.items(), key=lambda pair: (pair[1].expires_on or date.max, pair[1].placed_on, pair[0])
        ):
            if (
                hold.account in here
                and hold.status == HoldStatus.OPEN
                and hold.expires_on
                and hold.expires_on < day.date
            ):
                expiring.setdefault(hold.account, []).append(holds.get(key) or msgspec.structs.replace(hold))
        return Book(
            date=day.date,
            accounts={
                number: msgspec.structs.replace(tables.accounts[number])
                for number in wanted.accounts
                if number in tables.accounts
            },
            items=items,
            runs=day.runs,
            unfinished=unfinished,
            stuck=set(tables.stuck),
            mandates={(item.run, item.item): self._mandate(day.runs[item.run], item) for item in items},
            expiring=expiring,
            holds=holds,
            requests={key: tables.requests[key] for key in keys if key in tables.requests},
            reversed={
                (outcome.client, outcome.reference)
                for outcome in tables.requests.values()
                if outcome.kind == Kind.REVERSAL and outcome.accepted and outcome.reference is not None
            },
            with_runs={
                account
                for number, account in tables.run_accounts.items()
                if account in wanted.closing and number not in tables.closed_runs
            },
        )

    def _mandate(self, run: Run, item: Item) -> MandateState:
        listed = self.tables.mandate_lists.get(run.originator) if run.originator is not None else None
        if run.originator is None or listed is None or listed > run.due:
            return MandateState.NOT_ASKED
        for row in self.tables.mandates.get((run.originator, item.account, item.customer or ""), ()):
            if row.from_date <= run.due and (row.until_date is None or row.until_date > run.due):
                return MandateState.STOPPED if row.stopped else MandateState.ACTIVE
        return MandateState.MISSING

    def finish(self, changes: Changes) -> None:
        self.save(changes)

    def save(self, changes: Changes) -> None:
        tables = self.tables
        for new in changes.opened:
            if new.account.account in tables.accounts:
                raise Conflict(f"account {new.account.account} exists")
            tables.names[new.account.account] = new.name_kana
            tables.accounts[new.account.account] = msgspec.structs.replace(new.account)
        for number, account in changes.accounts.items():
            tables.accounts[number] = msgspec.structs.replace(account)
        self._save_items(changes)
        for place, account_number, sequence, amount_yen, balance_yen, contra in changes.request_entries:
            outcome = changes.outcomes[place]
            self._enter(
                account_number,
                sequence,
                amount_yen=amount_yen,
                balance_yen=balance_yen,
                contra=contra,
                date=changes.date,
                value_date=outcome.value_date,
                kind=outcome.kind,
                run=outcome.run,
                key=(outcome.client, outcome.key),
            )
        for place, movement in changes.internal_entries():
            tables.internal_entries[len(tables.internal_entries)] = (changes.outcomes[place], movement)
        for outcome in changes.outcomes:
            if (outcome.client, outcome.key) in tables.requests:
                raise Conflict("the key was decided meanwhile")
            tables.requests[(outcome.client, outcome.key)] = outcome
        for hold in (*changes.holds_placed, *changes.holds_ended):
            tables.holds[(hold.client, hold.key)] = msgspec.structs.replace(hold)

    def load_stretch(self, day: Day, wanted: StretchWanted) -> StretchBook | None:
        of_run = sorted(
            account
            for account, run, _ in self.tables.items
            if run == wanted.run and wanted.first <= account <= wanted.last
        )
        if not of_run or wanted.run not in day.runs:
            return None
        beyond = of_run[wanted.items_max] if len(of_run) > wanted.items_max else None
        accounts = sorted({account for account in of_run if beyond is None or account < beyond}) or of_run[:1]
        after = (account for account in of_run if account > accounts[-1])
        rest = Wanted(accounts=accounts, also=wanted.also, items_max=wanted.items_max, together=True)
        return StretchBook(
            run=wanted.run,
            accounts=accounts,
            rest=self.load(day, rest),
            plain=NO_PLAIN,
            held={account for account, _ in self.tables.stuck.values()},
            more_from=next(after, None),
            is_first=False,
        )

    def save_stretch(self, changes: StretchChanges) -> None:
        self.save(changes.rest)

    def _save_items(self, changes: Changes) -> None:
        entries, results = changes.item_entries, changes.results
        for index, account_number in enumerate(entries.account):
            amount_yen = entries.amount_yen[index]
            self._enter(
                account_number,
                entries.sequence[index],
                amount_yen=amount_yen,
                balance_yen=entries.balance_yen[index],
                contra=None,
                date=changes.date,
                value_date=entries.value_date[index],
                kind=Kind.ITEM_CREDIT if amount_yen > 0 else Kind.ITEM_DEBIT,
                run=entries.run[index],
                item=entries.item[index],
            )
        for index, run in enumerate(results.run):
            place = (run, results.item[index])
            if place in self.tables.results:
                raise LawBroken(f"law 2: item {place} would have two outcomes")
            self.tables.results[place] = ItemResult(
                Reason(results.reason[index]),
                changes.date,
                results.sequence[index],
                results.balance_yen[index],
                changes.by_before,
            )

    def _enter(self, account: int, sequence: int, **entry: Any) -> None:
        if (account, sequence) in self.tables.entries:
            raise LawBroken(f"law 3: account {account} would have two entries of sequence {sequence}")
        self.tables.entries[(account, sequence)] = entry

    def mark_stuck(self, item: Item, error: str) -> None:
        self.tables.stuck[(item.run, item.item)] = (item.account, error)

    def take_stuck(self, run: int, item: int) -> int | None:
        found = self.tables.stuck.pop((run, item), None)
        return found[0] if found else None

    def list_stuck(self, runs: Sequence[int]) -> list[StuckItem]:
        return [
            StuckItem(account, run, item, error)
            for (run, item), (account, error) in sorted(self.tables.stuck.items())
            if run in runs
        ]
