"""Loading: a source becomes runs and their items, whole or not at all (O-3, R-4, R-5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import msgspec
import numpy as np

from kanjo.centercut.business import Business
from kanjo.centercut.run import Counted, Items, NewRun, RunRow
from kanjo.centercut.store import Runs, runs_in
from kanjo.errors import Refused
from kanjo.ledger import (
    ITEMS_MAX,
    Code,
    Conflict,
    Kind,
    Movement,
    Outcome,
    Phase,
    Post,
    Store,
    Unit,
    is_account,
    post_in,
    settle,
    show_account,
)

CLIENT = "centercut"
"""The client under whose keys runs are funded and closed."""
CONFLICTS_MAX = 3
"""So often a load that met another one is done again; it is long, and they meet on one account at most."""
_KEYS = UUID("6b616e6a-6f00-4000-8000-63656e746572")


def run_key(run: int, purpose: str) -> UUID:
    """The key of a posting that belongs to a run: derived, so that doing it twice is doing it once (R-2)."""
    return uuid5(_KEYS, f"run/{run}/{purpose}")


class Loaded(msgspec.Struct, frozen=True):
    """The runs registered by one load, and what the operator should look at."""

    runs: list[RunRow]
    warnings: list[str]


class _SettleFirst(Exception):
    """The account to be debited has more pending than one commit may settle (O-8)."""

    def __init__(self, account: int) -> None:
        self.account = account


class RunLoading:
    """One run being loaded. `run` is its number; `unit` the transaction, for tables of the business's own."""

    def __init__(self, runs: Runs, unit: Unit, new: NewRun, progress: Callable[[int], None]) -> None:
        self.new = new
        self.unit = unit
        self.run = runs.register(new)
        self._runs = runs
        self._progress = progress
        self.items = self.amount_yen = self.other_bank_items = self.other_bank_amount_yen = 0
        self.digest = ""
        self._item_last = 0
        self.fund_from: int | None = None
        self.detail: dict[str, Any] = dict(new.detail)

    def add(self, items: Items) -> None:
        """Add items of this bank's accounts; item numbers ascend from 1 on over the whole run.

        ValueError otherwise: of two items with one number the second would never be settled.
        """
        if len(items):
            if items.item[0] <= self._item_last or (np.diff(items.item) <= 0).any():
                raise ValueError(f"item numbers of business {self.new.business} do not ascend")
            self._item_last = int(items.item[-1])
            self._runs.add_items(self.run, self.new, items)
            self.items += len(items)
            self.amount_yen += int(items.amount_yen.sum())
        self._progress(len(items))

    def set_apart(self, count: int, amount_yen: int) -> None:
        """Count records for other banks: never posted here (R-8)."""
        self.other_bank_items += count
        self.other_bank_amount_yen += amount_yen

    def end(self, *, digest: str, fund_from: int | None = None, detail: dict[str, Any] | None = None) -> None:
        """All items are there. `digest` identifies the content (R-4); `fund_from` is debited for the whole total, in
        this transaction, into the run's suspense.
        """
        self.digest = digest
        self.fund_from = fund_from
        self.detail |= detail or {}

    def counted(self) -> Counted:
        """What the run's row tells of its items."""
        total_yen = self.amount_yen + self.other_bank_amount_yen
        return Counted(
            digest=self.digest,
            items=self.items,
            amount_yen=self.amount_yen,
            other_bank_items=self.other_bank_items,
            other_bank_amount_yen=self.other_bank_amount_yen,
            funded_yen=0 if self.fund_from is None else total_yen,
            detail=self.detail,
        )


class Loading:
    """What a business registers its runs through. `asked_due` is the date the operator gave, if any (R-5)."""

    def __init__(
        self,
        unit: Unit,
        business: Business,
        *,
        today: date,
        asked_due: date | None,
        phase: Phase,
        priority: int | None,
        now: datetime,
        progress: Callable[[int], None],
    ) -> None:
        self.unit = unit
        self.today = today
        self.asked_due = asked_due
        self.warnings: list[str] = []
        self.runs: list[RunLoading] = []
        self._business = business
        self._phase = phase
        self._priority = business.priority if priority is None else priority
        self._now = now
        self._progress = progress

    def begin(
        self,
        *,
        due: date,
        account: int | None = None,
        originator: str | None = None,
        reference: str = "",
        detail: dict[str, Any] | None = None,
    ) -> RunLoading:
        """Register a run. `account` is the header's, which cannot be closed meanwhile (C-4); `originator` is named
        only if its mandates count; `reference` tells files of one originator from others' (R-4).
        """
        new = NewRun(
            business=self._business.name,
            due=due,
            phase=self._phase,
            priority=self._priority,
            registered_at=self._now,
            registered_on=self.today,
            account=account,
            originator=originator,
            reference=reference,
            detail=detail or {},
        )
        require_registrable(new, self.today)
        loading = RunLoading(runs_in(self.unit), self.unit, new, self._progress)
        self.runs.append(loading)
        return loading

    def warn(self, text: str) -> None:
        """Tell the operator without refusing."""
        self.warnings.append(text)


def load(
    store: Store,
    business: Business,
    source: Path,
    *,
    now: datetime,
    due: date | None = None,
    phase: Phase = Phase.PRE_BUSINESS,
    priority: int | None = None,
    slice_items: int = ITEMS_MAX,
    progress: Callable[[int], None] = lambda _: None,
) -> Loaded:
    """Load a source in one transaction. Errors (Refused, no trace left): what the business finds wrong with it,
    `duplicate-file`, `date-already-open`, `day-not-open`, and the reason why the funding account cannot be debited.
    """
    conflicts = 0
    while True:
        try:
            with store.unit() as unit:
                runs = runs_in(unit)
                today = runs.today()
                if today is None:
                    raise Refused("day-not-open", "no business date is open yet: `kanjo day open DATE` first")
                loading = Loading(
                    unit,
                    business,
                    today=today,
                    asked_due=due,
                    phase=phase,
                    priority=priority,
                    now=now,
                    progress=progress,
                )
                business.load(source, loading)
                return _finish(unit, runs, loading, slice_items)
        except _SettleFirst as pending:
            settle(store, [pending.account])
        except Conflict:
            conflicts += 1
            if conflicts > CONFLICTS_MAX:
                raise


def _finish(unit: Unit, runs: Runs, loading: Loading, slice_items: int) -> Loaded:
    for digest in sorted({run.digest for run in loading.runs}):  # so that two loads never wait for each other in a ring
        runs.lock_digest(digest)
    for run in loading.runs:
        _identify(runs, run, loading)
        runs.end_loading(run.run, run.counted())
        runs.make_slices(run.run, run.new, slice_items)
    day = unit.day()  # from here to the commit the date stands still (O-3)
    for run in loading.runs:
        require_registrable(run.new, day.date)
    _fund(unit, loading.runs)
    return Loaded(runs.rows([run.run for run in loading.runs]), loading.warnings)


def require_registrable(new: NewRun, today: date | None) -> None:
    """O-3: a pre-business run while its date is still to come, the others until their date has passed."""
    if today is None or new.due > today or (new.phase != Phase.PRE_BUSINESS and new.due == today):
        return
    advice = "; load it with --phase in-business to settle it without the promised order" if new.due == today else ""
    raise Refused(
        "date-already-open",
        f"the business date is {today}: a {new.phase.word} run for {new.due} comes too late{advice}",
        business_date=today.isoformat(),
        due=new.due.isoformat(),
    )


def _identify(runs: Runs, run: RunLoading, loading: Loading) -> None:
    known = runs.find_digest(run.run, run.digest)
    if known is not None:
        raise Refused(
            "duplicate-file",
            f"the same content is loaded for {run.new.due} as run {known}; nothing was changed",
            run=known,
        )
    alike = runs.find_alike(run.run, run.new, run.amount_yen + run.other_bank_amount_yen)
    if alike is not None:
        loading.warn(f"run {alike} has the same originator, date and total as run {run.run}, with other content")


def _fund(unit: Unit, loadings: list[RunLoading]) -> None:
    for run in sorted(loadings, key=lambda loading: loading.fund_from or 0):  # accounts ascending (O-10)
        total_yen = run.amount_yen + run.other_bank_amount_yen
        if run.fund_from is None or total_yen == 0:
            continue
        assert is_account(run.fund_from)
        movement = Movement(run.fund_from, int(Code.RUN_SUSPENSE), total_yen)
        funding = Post(
            client=CLIENT,
            key=run_key(run.run, "funding"),
            kind_of=Kind.RUN_FUNDING,
            movements=(movement,),
            run=run.run,
        )
        [answer] = post_in(unit, [funding])
        if answer is None:
            raise _SettleFirst(run.fund_from)
        assert isinstance(answer, Outcome)
        if not answer.accepted:
            shown = show_account(run.fund_from)
            raise Refused(
                answer.reason.word,
                f"the originator's account {shown} cannot be debited {total_yen:,} yen for this file "
                f"({answer.reason.word}); nothing was loaded",
                account=shown,
                amount_yen=total_yen,
            )
