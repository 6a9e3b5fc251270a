"""`kanjo worker`: settle whatever is started, until told to stop."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from kanjo.cli.arguments import RateOption, TargetOption, example
from kanjo.cli.opened import opened_database
from kanjo.cli.printing import say
from kanjo.cli.reply import Facts, Reply
from kanjo.errors import SystemFailed

app = typer.Typer()

STEP_S = 0.2


@app.command(epilog=example("kanjo worker --workers 4"))
def worker(
    workers: Annotated[int, typer.Option(min=1, max=256, metavar="N", help="Worker processes.")] = 1,
    max_rate: RateOption = None,
    target_p99_ms: TargetOption = None,
) -> Reply:
    """Settle every started run, on this machine beside any others, until SIGTERM or Ctrl-C.

    The slice in hand is finished first. Dies only when all its processes have.
    """
    from kanjo import centercut, ledger

    orders = centercut.Orders(
        ceiling_items_per_s=None if max_rate is None else max_rate / workers, target_p99_ms=target_p99_ms
    )
    began_s = time.monotonic()
    with opened_database() as database:
        with database.connect(autocommit=True) as connection:
            ledger.require_open(connection)
        try:
            with centercut.crew_of(database, orders, workers, say) as crew:
                say(f"{workers} worker{'s' if workers > 1 else ''} at work; Ctrl-C or SIGTERM ends them")
                while crew.alive():
                    time.sleep(STEP_S)
                raise SystemFailed("workers-died", f"all workers have died. The last one said: {crew.last_words()}")
        except KeyboardInterrupt:
            pass
    content = {"workers": workers, "seconds": round(time.monotonic() - began_s, 3)}
    return Reply(content, [Facts(content)])
