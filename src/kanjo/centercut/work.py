"""A worker: claims a slice, settles it, marks it done, all in one transaction; then the next (design 4).

A worker that dies holds nothing: its claim was a row lock of the transaction that died with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from kanjo.centercut.business import Business, business_named
from kanjo.centercut.close import close_if_settled
from kanjo.centercut.flow import Flow, Pace, first_pace, next_pace
from kanjo.centercut.store import runs_in
from kanjo.ledger import (
    ITEMS_MAX,
    NOT_POISON,
    Conflict,
    OutcomeUnknown,
    Store,
    StoreFailed,
    StretchWanted,
    settle,
    settle_stretch,
)


class Clock(msgspec.Struct, frozen=True):
    """The only ways to time that a worker has: passed in, so that tests hold it."""

    now: Callable[[], datetime]
    monotonic_s: Callable[[], float]
    sleep: Callable[[float], None]


class Step(msgspec.Struct, frozen=True):
    """One commit of a worker: the run it worked for, and how many items it settled (of any run)."""

    run: int
    settled: int


IDLE_S = 0.02
"""How long a worker waits when other workers hold what is left."""


def step(store: Store, runs: Sequence[int] | None, now: datetime, *, items_max: int = ITEMS_MAX) -> Step | None:
    """Claim one slice and settle at most `items_max` of its accounts' items; None when there is nothing to claim."""
    accounts: list[int] = []
    also: list[int] = []
    try:
        with store.unit() as unit:
            here = runs_in(unit)
            claimed = here.claim(runs)
            if claimed is None:
                return None
            if claimed.is_first:
                here.first_claim(claimed.run, now)
            # the claimed run too, even if it was paused or cancelled since: its slice must not end unsettled
            also = sorted({*here.released(), claimed.run})
            first, last = claimed.next_account, claimed.last_account
            wanted = StretchWanted(run=claimed.run, first=first, last=last, also=also, items_max=items_max)
            stretch = unit.load_stretch(unit.day(), wanted)
            if stretch is None:
                here.end_slice(claimed)
                return Step(claimed.run, 0)
            accounts = stretch.accounts
            settled, next_account = settle_stretch(unit, stretch, items_max)
            if next_account is None:
                here.end_slice(claimed)
            else:
                here.advance_slice(claimed, next_account)
            return Step(claimed.run, settled)
    except Conflict:
        return Step(0, 0)
    except (OutcomeUnknown, StoreFailed):
        raise
    except Exception:
        if not accounts:
            raise
        # Something among these items is bad: settle them in halves until it stands alone (O-9); the slice itself is
        # marked done by the next claim, which finds nothing left but what is stuck.
        return Step(0, settle(store, accounts, also, items_max=items_max))


def work(
    store: Store,
    *,
    runs: Sequence[int] | None,
    flow: Flow,
    clock: Clock,
    should_stop: Callable[[], bool],
    slowest_p99_us: Callable[[], int | None] = lambda: None,
    on_step: Callable[[Step], None] = lambda _: None,
    find: Callable[[str], Business] = business_named,
) -> None:
    """Work until told to stop; with `runs` given, until each of them is finished, paused, or waits for an operator."""
    pace = first_pace(flow)
    while not should_stop():
        began_s = clock.monotonic_s()
        done = step(store, runs, clock.now(), items_max=pace.items_max)
        if done is not None:
            on_step(done)
            seconds = clock.monotonic_s() - began_s
            pace = next_pace(flow, pace, settled=done.settled, seconds=seconds, p99_us=slowest_p99_us())
            rest(pace, clock, should_stop)
            continue
        if _close_settled(store, runs, find, clock.now()) and runs is not None:
            return
        clock.sleep(IDLE_S if runs is not None else 10 * IDLE_S)


def rest(pace: Pace, clock: Clock, should_stop: Callable[[], bool]) -> None:
    """Rest for the pace's pause, in bits short enough to be told to stop."""
    until_s = clock.monotonic_s() + pace.pause_s
    while pace.pause_s and not should_stop() and (left_s := until_s - clock.monotonic_s()) > 0:
        clock.sleep(min(left_s, 0.1))


def _close_settled(store: Store, runs: Sequence[int] | None, find: Callable[[str], Business], now: datetime) -> bool:
    """Close what is settled; whether nothing more can be done for `runs` by a worker.

    A business that is not installed here, or that fails, keeps no other run from being closed: it is told last.
    """
    with store.unit() as unit:
        here = runs_in(unit)
        rows = here.rows(runs, unfinished=True)
        waiting = {row.run: here.open_slices(row.run) for row in rows if row.started or row.cancelled}
    nothing_left = True
    failure: Exception | None = None
    for row in rows:
        if waiting.get(row.run, 1) == 0:
            try:
                close_if_settled(store, row.run, now, find=find)  # None: stuck items, an operator's turn
            except NOT_POISON:
                raise
            except Exception as error:
                failure = failure or error
        elif not row.paused:
            nothing_left = False
    if failure is not None:
        raise failure
    return nothing_left
