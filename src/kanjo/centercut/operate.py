"""What an operator does to runs: start, pause, resume, cancel, to items: withdraw, retry, fail (R-1 to R-9)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from kanjo.centercut.business import Business, business_named
from kanjo.centercut.close import close_if_settled
from kanjo.centercut.run import RunRow, State
from kanjo.centercut.store import Runs, runs_in
from kanjo.centercut.work import step
from kanjo.errors import Refused, SystemFailed
from kanjo.ledger import Conflict, Reason, Store, Unit, Verdict, give_verdict, settle

DAY_TRIES_MAX = 600
"""So often a cancellation that found postings under way is tried again, a tenth of a second each."""


def start(store: Store, runs: Sequence[int]) -> None:
    """Let workers claim the runs' slices: all of them, or none when one is refused.

    Errors: `run-unknown`, `run-finished`, `not-due` (O-4), `run-paused`.
    """
    with store.unit() as unit:
        here = runs_in(unit)
        for run in sorted(set(runs)):
            here.lock_run(run)
        today = here.today()
        for run in runs:
            row = _live(here, run)
            if today is None or row.due > today:
                raise Refused("not-due", f"run {run} is for {row.due}; the business date is {today}", run=run)
            if row.paused:
                raise Refused("run-paused", f"run {run} is paused: `kanjo cut resume {run}` first", run=run)
        here.set_started(runs)


def pause(store: Store, run: int) -> None:
    """No more claims of the run's slices from the next slice on; what is due stays due (O-4)."""
    _set_paused(store, run, True)


def resume(store: Store, run: int) -> None:
    """The end of a pause."""
    _set_paused(store, run, False)


def cancel(
    store: Store,
    run: int,
    now: datetime,
    *,
    find: Callable[[str], Business] = business_named,
    progress: Callable[[int], None] = lambda _: None,
) -> State:
    """Give every unsettled item the outcome cancelled, then close the run (R-3); returns the state it is in then.

    Workers that hold slices of it are waited for. `closing` means that one of them takes very long, or that an item is
    stuck: cancelling once more goes on where this one stopped. `progress` hears how many items each commit settled.
    """
    for _ in range(DAY_TRIES_MAX):
        try:
            _mark_cancelled(store, run)
            break
        except Conflict:
            continue
    else:
        raise SystemFailed("day-lock-busy", f"postings held the day lock in {DAY_TRIES_MAX} tries; nothing was changed")
    waited = False
    while True:
        while (done := step(store, [run], now)) is not None:
            progress(done.settled)
        finished = close_if_settled(store, run, now, find=find)
        if finished is not None:
            return finished
        if waited:
            return "closing"
        try:
            with store.unit() as unit:
                waited = runs_in(unit).wait_for_slices(run) == 0
        except Conflict:
            return "closing"


def _mark_cancelled(store: Store, run: int) -> None:
    """Between two postings of anybody: one that has read the open runs must not settle an item of this run after a
    later one has passed it (O-2).
    """
    with store.unit() as unit:
        here = runs_in(unit)
        here.lock_run(run)
        unit.take_day()
        row = _row(here, run)
        if row.finished is not None or not row.cancelled:
            _live(here, run)
            here.set_cancelled(run)


def withdraw(store: Store, run: int, item: int) -> None:
    """The originator takes one unsettled item back (R-9, result 8), in the account's order.

    Errors: `run-unknown`, `item-unknown`, `item-settled`, `item-stuck` (another one, ahead of it).
    """
    with store.unit() as unit:
        account, _ = _item(runs_in(unit), run, item)
    _give(store, account, run, item, Reason.WITHDRAWN)


def fail(store: Store, run: int, item: int) -> None:
    """An operator gives a stuck item the outcome failed, so that its account goes on (O-9)."""
    account = _require_stuck(store, run, item)
    _give(store, account, run, item, Reason.FAILED)
    _settle_behind(store, account)


def retry(store: Store, run: int, item: int) -> bool:
    """Try a stuck item again; whether it got its outcome now (O-9). Errors: `item-not-stuck`, `item-unknown`."""
    account = _require_stuck(store, run, item)
    with store.unit() as unit:
        unit.take_stuck(run, item)
        runs_in(unit).reopen_slices(account)
    _settle_behind(store, account)
    with store.unit() as unit:
        return _item(runs_in(unit), run, item)[1] is not None


def _give(store: Store, account: int, run: int, item: int, reason: Reason) -> None:
    """Give the verdict; workers come back to what it may have held up."""

    def reopen(unit: Unit) -> None:
        runs_in(unit).reopen_slices(account)

    verdict = give_verdict(store, account, run, item, reason, also_do=reopen)
    if verdict == Verdict.SETTLED:
        raise Refused("item-settled", f"item {item} of run {run} has its outcome already", run=run, item=item)
    if verdict == Verdict.HELD_UP:
        raise Refused(
            "item-stuck",
            f"item {item} of run {run} stands behind another item of its account that is stuck: "
            "`kanjo cut status` names it; retry or fail that one first",
            run=run,
            item=item,
        )


def _settle_behind(store: Store, account: int) -> None:
    """What waited behind a stuck item goes on at once."""
    with store.unit() as unit:
        also = runs_in(unit).released()
    settle(store, [account], also)


def _require_stuck(store: Store, run: int, item: int) -> int:
    with store.unit() as unit:
        account, _ = _item(runs_in(unit), run, item)
        if (run, item) not in {(stuck.run, stuck.item) for stuck in unit.list_stuck([run])}:
            raise Refused("item-not-stuck", f"item {item} of run {run} is not stuck", run=run, item=item)
    return account


def _item(here: Runs, run: int, item: int) -> tuple[int, Reason | None]:
    found = here.item(_row(here, run), item)
    if found is None:
        raise Refused("item-unknown", f"run {run} has no item {item} on an account of this bank", run=run, item=item)
    return found[0].account, found[1]


def _set_paused(store: Store, run: int, paused: bool) -> None:
    with store.unit() as unit:
        here = runs_in(unit)
        here.lock_run(run)
        row = _live(here, run)
        if row.paused == paused:
            code, word = ("run-paused", "already") if paused else ("run-not-paused", "not")
            raise Refused(code, f"run {run} is {word} paused", run=run)
        here.set_paused(run, paused)


def _row(here: Runs, run: int) -> RunRow:
    rows = here.rows([run])
    if not rows:
        raise Refused("run-unknown", f"there is no run {run}", run=run)
    return rows[0]


def _live(here: Runs, run: int) -> RunRow:
    row = _row(here, run)
    if row.finished is not None or row.cancelled:
        raise Refused("run-finished", f"run {run} is {row.finished or 'being cancelled'}", run=run)
    return row
