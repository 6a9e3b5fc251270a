"""Progress on standard error: nothing for a second, then a line now and then in a log."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from command import ZENGIN, Kanjo

from kanjo.centercut import RunRow, RunStatus, Totals
from kanjo.cli.app import main
from kanjo.cli.progress import Progress
from kanjo.cli.runs import LiveRuns
from kanjo.db import Database
from kanjo.ledger import Phase


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_quick_step_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """What takes less than a second needs no bar."""
    clock = Hand()
    with Progress("loading", total=10, clock=clock) as progress:
        clock.now_s += 0.9
        progress.reach(10)

    assert capsys.readouterr() == ("", "")


def test_a_long_step_tells_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """The first line after a second, the next ones five seconds apart; never a total smaller than what is done."""
    clock = Hand()
    with Progress("loading", total=2_000, clock=clock) as progress:
        for seconds in (1.5, 1.0, 4.5):
            clock.now_s += seconds
            progress.advance(1_000)

    assert capsys.readouterr() == ("", "loading: 1,000 of 2,000\nloading: 3,000 of 3,000\n")


def test_runs_advance_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    """Settled of items, rate, time left, and the share by Before."""
    clock = Hand()
    row = RunRow(
        **{"run": 1, "business": "payroll", "due": date(2026, 8, 25), "phase": Phase.PRE_BUSINESS, "priority": 40},
        **{"cancelled": False, "account": None, "originator": None, "digest": "", "reference": "", "items": 2_000},
        **{"amount_yen": 1, "other_bank_items": 0, "other_bank_amount_yen": 0, "funded_yen": 0, "detail": {}},
        **{"started": True, "paused": False, "finished": None, "note": "", "finished_at": None},
        claimed_at=datetime(2026, 8, 25, tzinfo=UTC),
    )
    totals = Totals(settled=1_500, settled_by_before=375)
    status = RunStatus(row=row, state="running", totals=totals, stuck=[], rate_per_s=750.0, eta_s=1.0)
    with LiveRuns(clock=clock) as live:
        live.show([status])
        clock.now_s += 2
        live.show([status])

    assert capsys.readouterr().err == "run 1 payroll: 1,500 of 2,000, 750 items/s, 1 s left, 25% by Before, running\n"


@pytest.fixture
def impatient(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step counts as a long one, in commands that run in this process."""
    monkeypatch.setenv("KANJO_DATABASE_URL", database.url)
    monkeypatch.setattr("kanjo.cli.progress.QUIET_S", 0.0)


@pytest.mark.usefixtures("impatient")
def test_a_long_import_of_mandates_tells_how_far_it_is(
    bank: Kanjo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a long import of accounts does."""
    file = tmp_path / "mandates.csv"
    file.write_text("originator,customer,account\n7,1,001-1-1000016\n7,2,001-1-1000016\n", "utf-8")

    assert main(["mandate", "import", str(file)]) == 0

    assert capsys.readouterr().err == "importing mandates: 2 of 2\n"


@pytest.mark.usefixtures("impatient")
def test_a_long_outgoing_file_tells_how_far_it_is(
    bank: Kanjo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a long result file does."""
    bank("cut", "load", ZENGIN / "payroll.txt")
    bank("day", "open", "2026-08-25")

    assert main(["cut", "outgoing", "1", "--out", str(tmp_path / "out.txt"), "--json"]) == 0

    captured = capsys.readouterr()
    records = json.loads(captured.out)["records"]
    assert captured.err == f"writing the outgoing file of run 1: {records:,}\n"
