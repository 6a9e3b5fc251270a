"""`kanjo cut`: the centre cut's runs, from a file to its result."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kanjo.cli.arguments import (
    RUN_MAX,
    DateOption,
    ItemArgument,
    PhaseWord,
    RateOption,
    RunArgument,
    TargetOption,
    example,
)
from kanjo.cli.files import readable
from kanjo.cli.opened import opened_database, opened_store
from kanjo.cli.progress import Progress
from kanjo.cli.reply import Facts, Part, Reply, Table

if TYPE_CHECKING:
    from kanjo.ledger import PostgresStore

app = typer.Typer(name="cut", help="The centre cut (センタカット): load files, settle runs, see how they stand.")

RECORD_BYTES = 120
"""A Zengin record without framing: what a file's length says of its records, for the progress shown."""

OutOption = Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write.")]


@app.command(epilog=example("kanjo cut load payroll.txt", "kanjo cut load late.txt --phase in-business"))
def load(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A Zengin file: 11, 12, 71, 72, 21 or 91.")],
    date: DateOption = None,
    business: Annotated[
        str | None, typer.Option(metavar="B", help="The batch business; the one of the header's kind when not given.")
    ] = None,
    phase: Annotated[PhaseWord, typer.Option(help="When it is settled.")] = "pre-business",
    priority: Annotated[
        int | None,
        typer.Option(min=0, max=32_767, metavar="N", help="Lower goes first; the business's own if not given."),
    ] = None,
) -> Reply:
    """Load a file as runs, one for each of its groups; all of it or nothing."""
    from kanjo import centercut, ledger, transfers

    readable(file)
    chosen = centercut.business_named(business or transfers.business_of_file(file))
    word = ledger.Phase.of(phase)
    assert isinstance(word, ledger.Phase)
    with opened_store() as store, Progress(f"loading {file.name}", file.stat().st_size // RECORD_BYTES) as progress:
        done = centercut.load(
            store,
            chosen,
            file,
            now=_now(),
            due=date,
            phase=word,
            priority=priority,
            progress=progress.advance,
        )
    from kanjo.cli.runs import loaded

    rows = [
        [str(row.run), row.business, row.due, row.phase.word, row.items, row.amount_yen, row.other_bank_amount_yen]
        for row in done.runs
    ]
    table = Table(["run", "business", "date", "phase", "items", "amount (yen)", "other banks (yen)"], rows)
    parts: list[Part] = [table, *(f"Warning: {text}" for text in done.warnings)]
    runs = [loaded(row) for row in done.runs]
    return Reply({"runs": runs, "warnings": done.warnings}, parts)


@app.command(epilog=example("kanjo cut start 1 2 --workers 4", "kanjo cut start 1 --max-rate 5000 --target-p99-ms 20"))
def start(
    runs: Annotated[list[int], typer.Argument(min=1, max=RUN_MAX, metavar="RUN...", help="The numbers of runs.")],
    workers: Annotated[int, typer.Option(min=1, max=256, metavar="N", help="Worker processes started here.")] = 2,
    max_rate: RateOption = None,
    target_p99_ms: TargetOption = None,
    detach: Annotated[
        bool, typer.Option("--detach", metavar="", help="Leave them to `kanjo worker` and return.")
    ] = False,
) -> Reply:
    """Settle runs with worker processes and return when they are completed, all or none of them.

    A run paused or cancelled meanwhile, or one that waits for an operator, ends the wait with exit status 1.
    """
    from kanjo import centercut
    from kanjo.cli.cut_start import start_and_wait, start_detached

    wanted = list(dict.fromkeys(runs))
    with opened_database() as database:
        if detach:
            return start_detached(database, wanted)
        orders = centercut.Orders(
            runs=wanted,
            ceiling_items_per_s=None if max_rate is None else max_rate / workers,
            target_p99_ms=target_p99_ms,
        )
        return start_and_wait(database, wanted, workers=workers, orders=orders)


@app.command(epilog=example("kanjo cut status", "kanjo cut status 1 --json"))
def status(
    run: Annotated[
        int | None, typer.Argument(min=1, max=RUN_MAX, metavar="[RUN]", show_default=False, help="All when not given.")
    ] = None,
) -> Reply:
    """Show how runs stand: progress, rate, time left, the share that Before settled, what is stuck."""
    with opened_store(may_be_shut=True) as store:
        return _standing(store, run)


@app.command(epilog=example("kanjo cut pause 1"))
def pause(run: RunArgument) -> Reply:
    """Let workers leave a run alone, within one slice; what is due stays due for Before (O-4)."""
    from kanjo import centercut

    with opened_store() as store:
        centercut.pause(store, run)
        return _standing(store, run)


@app.command(epilog=example("kanjo cut resume 1"))
def resume(run: RunArgument) -> Reply:
    """End a pause."""
    from kanjo import centercut

    with opened_store() as store:
        centercut.resume(store, run)
        return _standing(store, run)


@app.command(epilog=example("kanjo cut cancel 1"))
def cancel(run: RunArgument) -> Reply:
    """Cancel what is not settled of a run, return its money and close it (R-3)."""
    from kanjo import centercut

    with opened_store() as store, Progress(f"cancelling run {run}") as progress:
        centercut.cancel(store, run, _now(), progress=progress.advance)
        return _standing(store, run)


@app.command(epilog=example("kanjo cut withdraw 1 17"))
def withdraw(run: RunArgument, item: ItemArgument) -> Reply:
    """Take one unsettled item back for its originator (R-9)."""
    from kanjo import centercut

    with opened_store() as store:
        centercut.withdraw(store, run, item)
        return _standing(store, run)


@app.command(epilog=example("kanjo cut retry 1 17"))
def retry(run: RunArgument, item: ItemArgument) -> Reply:
    """Try an item again that holds its account (O-9); exit status 1 when it is stuck again."""
    from kanjo import centercut

    with opened_store() as store:
        settled = centercut.retry(store, run, item)
        return _standing(store, run, exit_status=0 if settled else 1, item_settled=settled)


@app.command(epilog=example("kanjo cut fail 1 17"))
def fail(run: RunArgument, item: ItemArgument) -> Reply:
    """Give an item that holds its account the outcome failed, so that the account goes on (O-9)."""
    from kanjo import centercut

    with opened_store() as store:
        centercut.fail(store, run, item)
        return _standing(store, run)


@app.command(epilog=example("kanjo cut result 2 --out debit-result.txt"))
def result(run: RunArgument, out: OutOption) -> Reply:
    """Write a direct debit's request back as its result file (振替結果)."""
    from kanjo import transfers

    with opened_store() as store, Progress(f"writing the result of run {run}") as progress:
        records = transfers.save_result(store, run, out, progress=progress.advance)
    content = {"run": run, "out": str(out), "records": records}
    return Reply(content, [Facts(content | {"run": str(run)})])


@app.command(epilog=example("kanjo cut outgoing 1 --out other-banks.txt"))
def outgoing(run: RunArgument, out: OutOption) -> Reply:
    """Write a run's records for other banks, once its date is open; the same bytes every time (R-8)."""
    from kanjo import transfers

    with opened_store() as store, Progress(f"writing the outgoing file of run {run}") as progress:
        written = transfers.write_outgoing(store, run, out, progress=progress.advance)
    content = {
        "run": run,
        "out": str(out),
        "number": written.number,
        "records": written.records,
        "amount_yen": written.amount_yen,
    }
    return Reply(content, [Facts(content | {"run": str(run), "number": str(written.number)})])


@app.command("give-back", epilog=example("kanjo cut give-back 1 17"))
def give_back(run: RunArgument, item: ItemArgument) -> Reply:
    """Credit the originator with a forwarded record that the other bank sent back (資金返却, R-8)."""
    from kanjo import transfers
    from kanjo.cli.posting import reply_of

    with opened_store() as store:
        return reply_of(transfers.give_back(store, run, item))


def _standing(store: PostgresStore, run: int | None, *, exit_status: int = 0, **more: Any) -> Reply:
    from kanjo import centercut
    from kanjo.cli.runs import reply_of

    statuses = centercut.status(store, None if run is None else [run], _now())
    return reply_of(statuses, exit_status=exit_status, **more)


def _now() -> datetime:
    return datetime.now(UTC)
