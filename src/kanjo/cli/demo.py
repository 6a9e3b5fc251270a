"""`kanjo demo`: watch a bank live through a day."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from kanjo.cli.arguments import example
from kanjo.cli.check import reply_of
from kanjo.cli.files import writable
from kanjo.cli.opened import opened_database
from kanjo.cli.printing import say
from kanjo.cli.reply import Facts, Reply
from kanjo.errors import Refused, WrongUsage

if TYPE_CHECKING:
    from kanjo.db import Database
    from kanjo.demo import Figures, Glimpse

app = typer.Typer()


@app.command(epilog=example("kanjo demo --accounts 20000 --seconds 20"))
def demo(
    accounts: Annotated[int, typer.Option(min=100, max=5_000_000, help="People of the town; each gets a salary.")] = (
        100_000
    ),
    seconds: Annotated[float, typer.Option(min=2, max=3_600, help="Length of the day besides the cut.")] = 40.0,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes of the cut.")] = 2,
    rate: Annotated[float, typer.Option(min=1, max=50_000, help="Transactions that customers try in a second.")] = (
        500.0
    ),
    report: Annotated[Path, typer.Option(help="Where the report goes.", dir_okay=False)] = Path("kanjo-demo.html"),
    here: Annotated[
        bool,
        typer.Option(
            "--here", metavar="", help="Live the day in the database that KANJO_DATABASE_URL names; it must be empty."
        ),
    ] = False,
) -> Reply:
    """Live one banking day with live progress: files, date switch under load, the cut beside customers, the proof.

    It works in a database of its own and drops it; the report stays. Exit status 1 if a law was broken.
    """
    from kanjo.demo import DayPlan, live_through, write_report

    writable(report)
    plan = DayPlan(accounts=accounts, seconds=seconds, workers=workers, per_s=rate)
    with _own_database(here) as database, _screen() as screen:
        figures = live_through(database, plan, screen.show)
    write_report(figures, report)
    return _reply(figures, report)


@contextmanager
def _own_database(here: bool) -> Iterator[Database]:
    from kanjo import db, ledger

    named = bool(os.environ.get("KANJO_DATABASE_URL"))
    if named and not here:
        raise WrongUsage(
            "needs-here", "KANJO_DATABASE_URL names a database: add --here to live the day in it, or unset it"
        )
    if here and not named:
        raise WrongUsage("wrong-usage", "--here is for a database that KANJO_DATABASE_URL names; it names none")
    with opened_database() as database:
        if not here:
            with db.scratch(database, "demo") as own:
                yield own
            return
        with database.connect(autocommit=True) as connection:
            is_empty = ledger.is_empty(connection)
        if not is_empty:
            raise Refused("ledger-not-empty", "the demo needs an empty ledger; this one has accounts")
        yield database


class _Lines:
    """For logs: a line when the stage changes, and one every few seconds."""

    EVERY_S = 2.0

    def __init__(self) -> None:
        self._stage = ""
        self._told_s = -self.EVERY_S

    def show(self, glimpse: Glimpse) -> None:
        if glimpse.note or glimpse.stage != self._stage or glimpse.elapsed_s - self._told_s >= self.EVERY_S:
            self._stage, self._told_s = glimpse.stage, glimpse.elapsed_s
            say(f"{glimpse.elapsed_s:6.1f} s  {_TITLES[glimpse.stage]:<38} {glimpse.note or _progress(glimpse)}")


class _Live:
    """For terminals: one picture of the day, drawn anew four times a second."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self.live = Live(console=Console(file=sys.stderr), refresh_per_second=4, transient=False)
        self._notes: list[str] = []

    def show(self, glimpse: Glimpse) -> None:
        if glimpse.note:
            self._notes = [*self._notes[-5:], glimpse.note]
        self.live.update(_picture(glimpse, self._notes))


@contextmanager
def _screen() -> Iterator[_Lines | _Live]:
    if not sys.stderr.isatty():
        yield _Lines()
        return
    screen = _Live()
    with screen.live:
        yield screen


_TITLES = {
    "prepare": "the evening before",
    "before": "customers draw money",
    "date open": "payday is open: Before settles",
    "cut": "the cut runs beside them",
    "after": "the cut is done",
    "check": "the proof",
}


def _progress(glimpse: Glimpse) -> str:
    settled = sum(run.totals.settled for run in glimpse.runs)
    items = sum(run.row.items for run in glimpse.runs)
    before = sum(run.totals.settled_by_before for run in glimpse.runs)
    wait = "-" if glimpse.p99_ms is None else f"{glimpse.p99_ms:,.1f} ms"
    return (
        f"online {glimpse.online_per_s:,.0f}/s, p99 {wait}; "
        f"settled {settled:,} of {items:,} items, {before:,} of them by Before"
    )


def _picture(glimpse: Glimpse, notes: list[str]) -> Any:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table as RichTable
    from rich.text import Text

    title = Text(f"{glimpse.elapsed_s:6.1f} s  {_TITLES[glimpse.stage]}", style="bold")
    if not glimpse.runs:
        return Group(title, *(Text(f"          {note}", style="dim") for note in notes))
    grid = RichTable.grid(padding=(0, 2))
    wait = "-" if glimpse.p99_ms is None else f"{glimpse.p99_ms:,.1f} ms"
    grid.add_row("online", "", f"{glimpse.online_per_s:,.0f}/s", f"p99 {wait}")
    for run in glimpse.runs:
        settled, items = run.totals.settled, max(1, run.row.items)
        rate = f"{run.rate_per_s:,.0f}/s" if run.rate_per_s else ""
        before = 100 * run.totals.settled_by_before / items
        bar = ProgressBar(total=items, completed=settled, width=40)
        grid.add_row(
            f"{run.row.business} ({run.state})", bar, f"{settled:,}/{items:,} {rate}", f"{before:.1f}% by Before"
        )
    return Group(title, grid)


def _reply(figures: Figures, report: Path) -> Reply:
    online, cut = figures.online, figures.cut
    content = {
        "accounts": figures.accounts,
        "items": figures.items,
        "settled_by_before": figures.settled_by_before,
        "settled_by_before_share": figures.settled_by_before / max(1, figures.items),
        "online": msgspec.to_builtins(online),
        "cut": msgspec.to_builtins(cut),
        "check": reply_of(figures.check).content,
        "report": str(report),
    }
    share = 100 * figures.settled_by_before / max(1, figures.items)
    day = Facts(
        {
            "accounts": figures.accounts,
            "items": f"{figures.items:,} ({cut.accepted:,} accepted, {cut.refused:,} refused)",
            "settled by Before": f"{figures.settled_by_before:,} ({share:.1f}%)",
            "cut": f"{cut.seconds:,.1f} s, {cut.items_per_s:,.0f} items/s",
            "online": f"{online.transactions:,} transactions, {online.per_s:,.0f}/s, {online.refused:,} refused",
            "p99 before / date open / during / after": " / ".join(
                "-" if value is None else f"{value:,.1f} ms"
                for value in (
                    online.before_p99_ms,
                    online.date_open_p99_ms,
                    online.during_p99_ms,
                    online.after_p99_ms,
                )
            ),
        }
    )
    proof = reply_of(figures.check)
    return Reply(content, [day, *proof.parts, f"Report: {report}"], exit_status=proof.exit_status)
