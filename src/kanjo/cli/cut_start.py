"""`kanjo cut start`: settle runs with worker processes of our own and wait until they are completed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from kanjo import centercut, db, ledger
from kanjo.cli.opened import store_in
from kanjo.cli.printing import say
from kanjo.cli.reply import Reply
from kanjo.cli.runs import LiveRuns, reply_of, standing
from kanjo.errors import KanjoError, Refused, SystemFailed

POLL_S = 0.5
"""How often the runs are looked at; the workers' end is noticed at once, by the steps of this wait."""
STEP_S = 0.02
SILENT_S = 10.0
"""After so long without an answer to a look, another server is looked at: this one may have been cut off."""


def start_detached(database: db.Database, runs: Sequence[int]) -> Reply:
    """Let the workers that run anywhere have the runs, and return."""
    with store_in(database) as store:
        centercut.start(store, runs)
        return reply_of(_look(store, runs))


def start_and_wait(database: db.Database, runs: Sequence[int], *, workers: int, orders: centercut.Orders) -> Reply:
    """Start all of the runs or none, and return when they are completed.

    Errors: those of `centercut.start`; `run-paused`, `run-cancelled`, `item-stuck`; `workers-died` when no worker is
    left but work. The workers have ended when this returns or raises.
    """
    began_s = time.monotonic()
    with store_in(database) as store:
        centercut.start(store, runs)
    with centercut.crew_of(database, orders, workers, say) as crew, LiveRuns() as live:
        statuses = _watch(database, runs, crew, live)
    return reply_of(statuses, seconds=round(time.monotonic() - began_s, 3))


def _watch(
    database: db.Database, runs: Sequence[int], crew: centercut.Crew, live: LiveRuns
) -> list[centercut.RunStatus]:
    while True:
        working = crew.alive() > 0  # asked before the look, so that the last worker's work is seen
        try:
            with store_in(database) as store:
                if working:
                    store.give_up_after(SILENT_S)
                else:
                    _close(store, runs)
                statuses = _look(store, runs)
        except Exception as error:
            if not working or not centercut.passes(error):
                raise
            _wait(crew)  # workers wait for the server that takes over, so do we
            continue
        live.show(statuses)
        if all(status.state == "completed" for status in statuses):
            return statuses
        if (ended := _ended(statuses, working)) is not None:
            raise ended
        if not working:
            raise _left_behind(statuses, crew)
        _wait(crew)


def _wait(crew: centercut.Crew) -> None:
    until_s = time.monotonic() + POLL_S
    alive = crew.alive()
    while time.monotonic() < until_s and crew.alive() == alive:
        time.sleep(STEP_S)


def _ended(statuses: Sequence[centercut.RunStatus], working: bool) -> KanjoError | None:
    """Somebody paused or cancelled a run meanwhile (design 9).

    A cancelled run is left only when it is closed: a slice that our workers hold may be the last of it (R-3).
    """
    for status in statuses:
        run = status.row.run
        if status.row.cancelled and (status.state == "cancelled" or not (working or status.stuck)):
            return Refused("run-cancelled", f"run {run} was cancelled", run=run, **_runs(statuses))
        if status.state == "paused":
            return Refused(
                "run-paused",
                f"run {run} was paused; `kanjo cut resume {run}`, then start it again",
                run=run,
                **_runs(statuses),
            )
    return None


def _left_behind(statuses: Sequence[centercut.RunStatus], crew: centercut.Crew) -> KanjoError:
    """All workers have ended with work left: what is stuck waits for an operator, else they have died."""
    for status in statuses:
        if status.stuck:
            item, run = status.stuck[0].item, status.row.run
            return Refused(
                "item-stuck",
                f"all is settled but what item {item} of run {run} holds up ({status.stuck[0].error}); "
                f"`kanjo cut retry {run} {item}` or `kanjo cut fail {run} {item}`",
                run=run,
                item=item,
                **_runs(statuses),
            )
    words = crew.last_words()
    return SystemFailed(
        "workers-died",
        "all workers have died with work left; nothing is lost or doubled, start the runs again"
        + (f". The last one said: {words}" if words else ""),
        **_runs(statuses),
    )


def _runs(statuses: Sequence[centercut.RunStatus]) -> dict[str, object]:
    return {"runs": [standing(status) for status in statuses]}


def _close(store: ledger.PostgresStore, runs: Sequence[int]) -> None:
    """Close what a worker had settled when it died (R-2)."""
    for status in _look(store, runs):
        if status.row.finished is None:
            centercut.close_if_settled(store, status.row.run, datetime.now(UTC))


def _look(store: ledger.PostgresStore, runs: Sequence[int]) -> list[centercut.RunStatus]:
    return centercut.status(store, runs, datetime.now(UTC))
