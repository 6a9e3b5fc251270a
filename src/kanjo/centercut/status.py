"""How runs stand, for people who watch: progress, rate, what is left, what is stuck."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from kanjo.centercut.run import RunRow, State, Totals
from kanjo.centercut.store import runs_in
from kanjo.errors import Refused
from kanjo.ledger import Store, StuckItem


class RunStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A run and its progress. `rate_per_s` over the run's time so far, None before its first slice."""

    row: RunRow
    state: State
    totals: Totals
    stuck: list[StuckItem]
    rate_per_s: float | None
    eta_s: float | None


def status(store: Store, runs: Sequence[int] | None, now: datetime) -> list[RunStatus]:
    """The runs asked for, or all. Errors: `run-unknown`."""
    with store.unit() as unit:
        here = runs_in(unit)
        rows = here.rows(runs)
        counts = here.counts([row.run for row in rows])
        stuck = unit.list_stuck([row.run for row in rows])
        today = here.today()
    missing = sorted(set(runs or ()) - {row.run for row in rows})
    if missing:
        raise Refused("run-unknown", f"there is no run {missing[0]}", run=missing[0])
    return [
        _status(
            row, counts.get(row.run, Totals()), [item for item in stuck if item.run == row.run], row.state(today), now
        )
        for row in rows
    ]


def _status(row: RunRow, totals: Totals, stuck: list[StuckItem], state: State, now: datetime) -> RunStatus:
    rate_per_s = eta_s = None
    if row.claimed_at is not None:
        seconds = ((row.finished_at or now) - row.claimed_at).total_seconds()
        rate_per_s = totals.settled / seconds if seconds > 0 else None
    if state == "running" and rate_per_s:
        eta_s = (row.items - totals.settled) / rate_per_s
    if row.finished is not None:
        eta_s = 0.0
    return RunStatus(row=row, state=state, totals=totals, stuck=stuck, rate_per_s=rate_per_s, eta_s=eta_s)
