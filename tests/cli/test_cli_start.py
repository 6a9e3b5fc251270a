"""`kanjo cut start` and `kanjo worker`: real processes, stopped, interrupted and killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from command import ZENGIN, Kanjo, wait_until

from kanjo import centercut, db, ledger

SLOWLY = ("--max-rate", "20")
"""Items a second: the 135 of the payroll take long enough for somebody to step in."""


@pytest.fixture
def due(bank: Kanjo, database: db.Database) -> Kanjo:
    """The payroll is loaded as run 1, and its date is open."""
    with database.connect(autocommit=True) as connection:
        store, now = ledger.PostgresStore(connection), datetime.now(UTC)
        centercut.load(store, centercut.business_named("payroll"), ZENGIN / "payroll.txt", now=now)
    ledger.open_day(database, date(2026, 8, 25))
    return bank


@pytest.fixture
def begun() -> Iterator[list[subprocess.Popen[str]]]:
    """Commands left running by a test that failed are ended."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def run_of(kanjo: Kanjo) -> Any:
    [run] = kanjo.json("cut", "status", 1)["runs"]
    return run


def count_settled(database: db.Database) -> int:
    with database.connect(autocommit=True) as connection:
        row = connection.execute("SELECT count(*) FROM ledger.outcome").fetchone()
    assert row is not None
    return int(row[0])


def children(pid: int) -> list[int]:
    """The processes that this one started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def lives(pid: int) -> bool:
    """Whether the process still runs; a zombie that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def started(due: Kanjo, database: db.Database, begun: list[subprocess.Popen[str]], *more: str) -> list[int]:
    """`cut start` under way, with its first items settled; returns its workers."""
    begun.append(due.begin("--json", "cut", "start", "1", *SLOWLY, *more))
    wait_until(lambda: count_settled(database) or begun[-1].poll() is not None, "first items")
    assert begun[-1].poll() is None, begun[-1].communicate()
    return children(begun[-1].pid)


def ended(process: subprocess.Popen[str]) -> Any:
    """The object that it printed."""
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return json.loads(out)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_start_leaves_no_process(
    due: Kanjo, database: db.Database, begun: list[subprocess.Popen[str]], number: int, status: int
) -> None:
    """Ctrl-C and SIGTERM: the workers end after the slice in hand, before the command does; the run goes on later."""
    workers = started(due, database, begun)

    begun[-1].send_signal(number)

    assert ended(begun[-1])["error"]["code"] == "interrupted"
    assert begun[-1].returncode == status
    assert len(workers) == 2 and not [pid for pid in workers if lives(pid)]
    assert due.json("cut", "start", 1)["runs"][0]["state"] == "completed"


@pytest.mark.crash
def test_a_killed_start_leaves_no_process(
    due: Kanjo, database: db.Database, begun: list[subprocess.Popen[str]]
) -> None:
    """kill -9: the workers see their standard input close."""
    workers = started(due, database, begun)

    begun[-1].kill()

    wait_until(lambda: not [pid for pid in workers if lives(pid)], "workers end by themselves")
    assert due.json("cut", "start", 1)["runs"][0]["settled"] == 135


@pytest.mark.crash
def test_a_killed_worker_is_not_missed(due: Kanjo, database: db.Database, begun: list[subprocess.Popen[str]]) -> None:
    """The others settle what it had in hand; the run completes and every item has one outcome."""
    workers = started(due, database, begun)

    os.kill(workers[0], signal.SIGKILL)

    answer = ended(begun[-1])
    assert begun[-1].returncode == 0
    assert (answer["runs"][0]["state"], answer["runs"][0]["settled"]) == ("completed", 135)
    assert due.json("check")["ok"]


@pytest.mark.crash
def test_workers_that_all_died_end_the_wait(
    due: Kanjo, database: db.Database, begun: list[subprocess.Popen[str]]
) -> None:
    """Exit 3 `workers-died`, with the runs as they stand; starting again goes on."""
    for pid in started(due, database, begun):
        os.kill(pid, signal.SIGKILL)

    error = ended(begun[-1])["error"]

    assert begun[-1].returncode == 3
    assert (error["code"], error["runs"][0]["state"]) == ("workers-died", "running")
    assert due.json("cut", "start", 1)["runs"][0]["state"] == "completed"


def test_a_paused_run_ends_the_wait(due: Kanjo, database: db.Database, begun: list[subprocess.Popen[str]]) -> None:
    """Exit 1 `run-paused`; it is not started while it is paused, and completes after `resume`."""
    workers = started(due, database, begun)

    paused = due.json("cut", "pause", 1)["runs"][0]

    error = ended(begun[-1])["error"]
    assert begun[-1].returncode == 1
    assert (error["code"], error["run"]) == ("run-paused", 1)
    assert not [pid for pid in workers if lives(pid)]
    assert paused["paused"] and paused["state"] == "paused"
    due.refused("run-paused", "cut", "start", 1)
    due.refused("run-paused", "cut", "pause", 1)
    due("cut", "resume", 1)
    due.refused("run-not-paused", "cut", "resume", 1)
    assert due.json("cut", "start", 1)["runs"][0]["state"] == "completed"


def test_a_cancelled_run_ends_the_wait(due: Kanjo, database: db.Database, begun: list[subprocess.Popen[str]]) -> None:
    """Exit 1 `run-cancelled`; what was not settled is cancelled and its money returned (R-3)."""
    started(due, database, begun)

    due("cut", "cancel", 1)

    error = ended(begun[-1])["error"]
    assert begun[-1].returncode == 1
    assert (error["code"], error["run"]) == ("run-cancelled", 1)
    assert run_of(due)["state"] == "cancelled"
    assert due.json("day", "trial-balance")["total_yen"] == 0
    due.refused("run-finished", "cut", "cancel", 1)


def test_a_stuck_item_ends_the_wait(due: Kanjo, database: db.Database) -> None:
    """All else is settled first; then exit 1 `item-stuck`, until an operator retries or fails it (O-9)."""
    with database.connect(role="owner") as connection:
        row = connection.execute(
            "INSERT INTO ledger.stuck_item (cell, account, run, item, error) "
            "SELECT cell, account, 1, min(item), 'planted' FROM ledger.item WHERE run = 1 GROUP BY cell, account "
            "HAVING count(*) = 1 ORDER BY account LIMIT 1 RETURNING item"
        ).fetchone()
    assert row is not None
    item = row[0]

    error = due.refused("item-stuck", "cut", "start", 1)

    assert (error["run"], error["item"]) == (1, item)
    run = run_of(due)
    assert run["settled"] == 134
    assert [stuck["error"] for stuck in run["stuck"]] == ["planted"]
    assert "planted" in due("cut", "status", 1).out
    due.refused("item-not-stuck", "cut", "fail", 1, item + 1)
    due.refused("item-unknown", "cut", "retry", 1, 9_999)
    assert due.json("cut", "retry", 1, item)["item_settled"] is True
    assert due.json("cut", "start", 1)["runs"][0]["state"] == "completed"


def test_all_runs_or_none(due: Kanjo) -> None:
    """A run that is not due keeps the others from being started."""
    due("cut", "load", ZENGIN / "debit.txt", "--phase", "early")
    due.refused("run-unknown", "cut", "start", 1, 9)

    assert run_of(due)["settled"] == 0
    assert run_of(due)["state"] == "ready"


def test_a_run_is_not_started_before_its_date(bank: Kanjo) -> None:
    """O-4: `not-due`."""
    bank("cut", "load", ZENGIN / "payroll.txt")

    assert bank.refused("not-due", "cut", "start", 1)["run"] == 1


def test_detached_runs_are_settled_by_kanjo_worker(due: Kanjo, begun: list[subprocess.Popen[str]]) -> None:
    """--detach returns at once; `kanjo worker` settles the run and ends with status 0 on SIGTERM, workers and all."""
    assert due.json("cut", "start", 1, "--detach")["runs"][0]["settled"] == 0
    begun.append(due.begin("worker", "--workers", "2", "--json"))

    wait_until(lambda: run_of(due)["state"] == "completed", "the run to complete")

    workers = children(begun[-1].pid)
    begun[-1].send_signal(signal.SIGTERM)
    assert ended(begun[-1])["workers"] == 2
    assert begun[-1].returncode == 0
    assert len(workers) == 2 and not [pid for pid in workers if lives(pid)]


def test_before_settles_a_paused_run(due: Kanjo) -> None:
    """O-4: an enquiry settles what is due on its account first, whatever the run's state."""
    due("cut", "pause", 1)

    assert due.json("account", "show", "001-1-1000124")["sequence"] >= 1

    due("account", "show", "002-1-1000047")
    assert run_of(due)["settled_by_before"] == run_of(due)["settled"] > 0


def test_a_cut_does_not_start_behind_shut_doors(due: Kanjo, database: db.Database) -> None:
    """It says why, instead of workers that die; once the doors are open it settles."""
    with database.connect(role="owner", autocommit=True) as owner:
        owner.execute("UPDATE ledger.day SET shut = true")
        for command in (("cut", "start", 1), ("cut", "start", 1, "--detach"), ("worker",)):
            due.refused("doors-shut", *command, status=3)
        standing = due.json("status")
        assert (standing["doors"], standing["epoch"]) == ("shut", 1)

        owner.execute("UPDATE ledger.day SET shut = false")

    assert due.json("status")["doors"] == "open"
    assert due.json("cut", "start", 1)["runs"][0]["state"] == "completed"
