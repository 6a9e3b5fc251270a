"""Runs as the command shows them: the object of `cut status`, the table for people, the live progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from kanjo.cli.printing import say, shown
from kanjo.cli.progress import LINE_EVERY_S, QUIET_S, bar
from kanjo.cli.reply import Facts, Part, Reply, Table
from kanjo.ledger import show_account

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from kanjo.centercut import RunRow, RunStatus


def loaded(row: RunRow) -> dict[str, Any]:
    """A run as `cut load` prints it."""
    return {
        "run": row.run,
        "business": row.business,
        "date": row.due,
        "phase": row.phase.word,
        "priority": row.priority,
        "items": row.items,
        "amount_yen": row.amount_yen,
        "other_bank_items": row.other_bank_items,
        "other_bank_amount_yen": row.other_bank_amount_yen,
    }


def standing(status: RunStatus) -> dict[str, Any]:
    """A run as `cut status` and `cut start` print it."""
    totals = status.totals
    return loaded(status.row) | {
        "state": status.state,
        "paused": status.row.paused,
        "settled": totals.settled,
        "accepted": totals.accepted,
        "refused": totals.refused,
        "settled_by_before": totals.settled_by_before,
        "rate_per_s": None if status.rate_per_s is None else round(status.rate_per_s, 1),
        "eta_s": None if status.eta_s is None else round(status.eta_s, 1),
        "note": status.row.note or None,
        "stuck": [
            {"item": stuck.item, "account": show_account(stuck.account), "error": stuck.error} for stuck in status.stuck
        ],
    }


def reply_of(statuses: Sequence[RunStatus], *, exit_status: int = 0, **more: Any) -> Reply:
    """Runs for programs and for people: one run in full, several as a table."""
    parts: list[Part]
    if len(statuses) == 1:
        [status] = statuses
        names = [name for name in standing(status) if name not in ("note", "stuck", "paused")]
        facts = {name.removesuffix("_yen").replace("_", " "): standing(status)[name] for name in names}
        parts = [Facts(facts | {"run": str(status.row.run), "priority": str(status.row.priority)})]
    elif statuses:
        rows = [
            [
                *(str(row.run), row.business, row.due, status.state, row.items, status.totals.settled),
                *(status.totals.refused, status.totals.settled_by_before),
            ]
            for status in statuses
            for row in [status.row]
        ]
        parts = [Table(["run", "business", "date", "state", "items", "settled", "refused", "by Before"], rows)]
    else:
        parts = ["There are no runs."]
    parts += [f"Run {status.row.run}: {status.row.note}." for status in statuses if status.row.note]
    stuck = [
        [str(item.run), str(item.item), show_account(item.account), item.error]
        for status in statuses
        for item in status.stuck
    ]
    if stuck:
        parts.append(Table(["run", "item", "account", "error"], stuck, title="Stuck: retry or fail each of them"))
    return Reply({"runs": [standing(status) for status in statuses], **more}, parts, exit_status)


class LiveRuns:
    """How runs advance, on standard error: a bar each on a terminal, a line now and then in a log."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began_s = clock()
        self._told_s = self._began_s
        self._bar: RichProgress | None = None
        self._tasks: dict[int, TaskID] = {}

    def __enter__(self) -> LiveRuns:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, statuses: Sequence[RunStatus]) -> None:
        """The runs as they stand now."""
        now_s = self._clock()
        if now_s - self._began_s < QUIET_S:
            return
        if sys.stderr.isatty():
            self._draw(statuses)
        elif self._told_s == self._began_s or now_s - self._told_s >= LINE_EVERY_S:
            self._told_s = now_s
            for status in statuses:
                say(
                    f"run {status.row.run} {status.row.business}: {status.totals.settled:,} of {status.row.items:,}"
                    f", {_note(status)}"
                )

    def _draw(self, statuses: Sequence[RunStatus]) -> None:
        if self._bar is None:
            self._bar = bar(times=False)
            self._bar.start()
        for status in statuses:
            run = status.row.run
            if run not in self._tasks:
                self._tasks[run] = self._bar.add_task(
                    f"run {run} {status.row.business}", total=status.row.items, note=""
                )
            self._bar.update(self._tasks[run], completed=status.totals.settled, note=_note(status))


def _note(status: RunStatus) -> str:
    settled = status.totals.settled
    share = f"{100 * status.totals.settled_by_before / settled:.0f}%" if settled else "0%"
    rate = "-" if status.rate_per_s is None else shown(round(status.rate_per_s))
    eta = "" if status.eta_s is None else f", {status.eta_s:,.0f} s left"
    return f"{rate} items/s{eta}, {share} by Before, {status.state}"
