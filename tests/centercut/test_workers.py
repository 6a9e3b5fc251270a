"""Real worker processes: any number, killed at any moment, nothing lost or doubled (design 4)."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from banks import MONDAY, TUESDAY, number, prove
from cuts import (
    EMPLOYER,
    Cut,
    CutPostgresBank,
    end_worker,
    installed_for_workers,
    memory_cut,
    postgres_cut,
    wait_until,
    workers,
)
from kanjo import centercut, check, db, ledger
from kanjo.centercut import Orders
from kanjo.centercut.process import NICENESS
from kanjo.ledger import Phase, Reason

ACCOUNTS = [number(index) for index in range(1, 401)]
ROUNDS = 6


@pytest.fixture
def cut(server: db.Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cut]:
    """A bank in a database of its own; worker processes find the tests' businesses installed."""
    installed_for_workers(tmp_path, monkeypatch)
    with db.scratch(server, "workers", template=server.name) as own:
        ledger.ensure_partitions(own, MONDAY)
        with postgres_cut(own) as found:
            yield found


def _database(cut: Cut) -> db.Database:
    assert isinstance(cut.bank, CutPostgresBank)
    return cut.bank.database


def _day(cut: Cut, seed: int) -> list[int]:
    """Some days' runs over 400 accounts, Tuesday open: credits and debits, so that order decides what is paid."""
    chance = random.Random(seed)
    for account in ACCOUNTS:
        cut.bank.account(account, 100)
    runs = []
    for priority in (10, 60, 40):
        rows = [(chance.choice(ACCOUNTS), chance.randint(1, 120)) for _ in range(1_500)]
        runs.append(cut.wages(TUESDAY, *rows, priority=priority, slice_items=50, digest=f"wages {priority}"))
        rows = [(chance.choice(ACCOUNTS), chance.randint(1, 150)) for _ in range(1_500)]
        runs.append(cut.bills(TUESDAY, *rows, priority=priority, slice_items=70, digest=f"bills {priority}"))
    cut.open(TUESDAY)
    return runs


def _outcome(cut: Cut, runs: list[int]) -> tuple[list[dict[int, Reason]], dict[int, int]]:
    return [cut.reasons(run) for run in runs], {number: row.balance_yen for number, row in cut.bank.balances().items()}


def _finished(cut: Cut, runs: list[int]) -> bool:
    return all(status.row.finished for status in centercut.status(cut.store, runs, centercut.REAL_CLOCK.now()))


@pytest.mark.crash
def test_workers_killed_at_any_moment_lose_and_double_nothing(cut: Cut) -> None:
    """Three workers, one of them killed with SIGKILL again and again while it settles: results and balances are those
    of a day on which nothing happened, and the laws hold.
    """
    runs = _day(cut, seed=1)
    undisturbed = memory_cut()
    expected_runs = _day(undisturbed, seed=1)
    undisturbed.run(*expected_runs)
    chance = random.Random(5)
    orders = Orders(runs=runs, items_max=20, ceiling_items_per_s=400)
    cut.start(*runs)
    crew = [centercut.start_worker(_database(cut), orders) for _ in range(3)]
    killed_at_work = 0
    try:
        for _ in range(ROUNDS):
            place = chance.randrange(3)
            wait_until(lambda: _is_settling(cut) or _finished(cut, runs), "workers settle")
            if chance.random() < 0.5:  # not a wait for anything: the moment of death is random
                time.sleep(chance.random() * 0.1)
            killed_at_work += crew[place].poll() is None
            crew[place].kill()
            crew[place].wait()
            crew[place] = centercut.start_worker(_database(cut), orders)
        full = Orders(runs=runs)
        crew.append(centercut.start_worker(_database(cut), full))
        wait_until(lambda: _finished(cut, runs), "the runs are completed", 120)
    finally:
        for worker in crew:
            end_worker(worker)

    assert killed_at_work >= 5
    assert _outcome(cut, runs) == _outcome(undisturbed, expected_runs)
    assert [cut.suspense(run) for run in runs] == [0] * len(runs)
    prove(cut.bank)
    _checked(cut)


def _is_settling(cut: Cut) -> bool:
    """Whether some worker is in the middle of a transaction."""
    assert isinstance(cut.bank, CutPostgresBank)
    [(count,)] = cut.bank.owner.execute(
        """SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation
        WHERE relname = 'slice' AND mode = 'RowShareLock' AND pid <> pg_backend_pid()"""
    ).fetchall()
    return bool(count)


def _checked(cut: Cut) -> None:
    """Laws 1 to 3 from the rows themselves (K-1)."""
    with _database(cut).connect(autocommit=True) as connection:
        proof = check.prove(connection)
    assert [violation for law in proof.laws for violation in law.violations] == []


def test_a_worker_gives_way_to_whoever_serves_customers(cut: Cut) -> None:
    """A lower priority than ours, and where the kernel shares cores among sessions first, for its whole session."""
    group = Path("/proc/self/autogroup")
    with workers(_database(cut), 1, Orders()) as [worker]:
        wait_until(lambda: os.getpriority(os.PRIO_PROCESS, worker.pid) == NICENESS, "it gave way")
        if group.exists() and group.read_text() and os.access(group, os.W_OK):
            of_worker = Path(f"/proc/{worker.pid}/autogroup")
            wait_until(lambda: of_worker.read_text().endswith(f"nice {NICENESS}\n"), "and so did its session")
    assert os.getpriority(os.PRIO_PROCESS, 0) < NICENESS, "whoever starts workers keeps its own"


@pytest.mark.crash
def test_a_worker_whose_parent_dies_ends_by_itself(cut: Cut) -> None:
    """Its standard input closes with the parent, however that died: it ends after the slice in hand."""
    child = (
        "import sys, time\n"
        "from kanjo import centercut, db\n"
        "with db.database(migrate=False) as database:\n"
        "    worker = centercut.start_worker(database, centercut.Orders())\n"
        "    print(worker.pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", child],
        stdout=subprocess.PIPE,
        env=os.environ | {"KANJO_DATABASE_URL": _database(cut).url},
    )
    try:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        wait_until(lambda: _is_working(worker), "the worker starts")
    finally:
        parent.kill()
        parent.communicate()

    wait_until(lambda: not _exists(worker), "the worker ends with its parent", 30)


def _is_working(pid: int) -> bool:
    return b"kanjo.centercut" in Path(f"/proc/{pid}/cmdline").read_bytes()


def _exists(pid: int) -> bool:
    """Alive; one that ended and that nobody has waited for is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except OSError:
        return False


def test_a_worker_ends_when_its_runs_are_done_and_when_it_is_told(cut: Cut) -> None:
    """With runs it goes home behind them, without it stays until its standard input closes."""
    runs = _day(cut, seed=2)
    cut.start(*runs)
    with workers(_database(cut), 1, Orders(runs=runs)) as [busy]:
        assert busy.wait(60) == 0
    assert _finished(cut, runs)

    with workers(_database(cut), 1, Orders()) as [idle]:
        wait_until(lambda: _is_working(idle.pid), "the worker starts")
        assert idle.poll() is None
        assert end_worker(idle) == 0


def test_a_worker_told_by_a_signal_ends_too(cut: Cut) -> None:
    """SIGTERM is what an init system sends."""
    runs = _day(cut, seed=3)
    cut.start(*runs)
    with workers(_database(cut), 1, Orders(ceiling_items_per_s=50)) as [worker]:
        wait_until(lambda: cut.status(runs[0]).totals.settled, "it settles")
        worker.terminate()
        assert worker.wait(30) == 0
    assert not _finished(cut, runs)


def test_a_ceiling_of_a_real_worker_is_kept(cut: Cut) -> None:
    """200 items/s: when 100 items more are settled, at least a third of a second has gone by (it should be a half)."""
    runs = _day(cut, seed=4)
    cut.start(*runs)
    with workers(_database(cut), 1, Orders(runs=runs, ceiling_items_per_s=200)):
        wait_until(lambda: _settled(cut, runs), "it settles")
        first, began_s = _settled(cut, runs), time.monotonic()
        wait_until(lambda: _settled(cut, runs) >= first + 100, "it settles 100 more")
        settled, took_s = _settled(cut, runs) - first, time.monotonic() - began_s
    assert settled <= 200 * took_s + 60, f"{settled} items in {took_s:.2f} s"


def _settled(cut: Cut, runs: list[int]) -> int:
    found = centercut.status(cut.store, runs, centercut.REAL_CLOCK.now())
    return sum(status.totals.settled for status in found)


def test_pausing_stops_real_workers_within_a_slice(cut: Cut) -> None:
    """Two workers on a run of many slices: after the pause is committed at most one commit each still comes."""
    for account in ACCOUNTS:
        cut.bank.account(account)
    run = cut.wages(TUESDAY, *((account, 1) for account in ACCOUNTS), slice_items=10)
    cut.open(TUESDAY)
    cut.start(run)
    with workers(_database(cut), 2, Orders(runs=[run], ceiling_items_per_s=100)) as crew:
        wait_until(lambda: _settled(cut, [run]), "they settle")
        centercut.pause(cut.store, run)
        before = _settled(cut, [run])
        for worker in crew:
            assert worker.wait(30) == 0
    assert _settled(cut, [run]) <= before + 2 * 10
    assert cut.state(run) == "paused"
    centercut.resume(cut.store, run)
    with workers(_database(cut), 2, Orders(runs=[run])) as crew:
        for worker in crew:
            assert worker.wait(60) == 0
    assert cut.state(run) == "completed"


def test_an_unknown_business_at_closing_is_said_by_the_worker(cut: Cut, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its package is not installed where the worker runs: all items are settled, the worker names business and remedy,
    and one that has it closes the run.
    """
    cut.bank.account(ACCOUNTS[0])
    run = cut.wages(TUESDAY, (ACCOUNTS[0], 1), phase=Phase.PRE_BUSINESS)
    cut.open(TUESDAY)
    cut.start(run)
    path = os.environ["PYTHONPATH"]
    monkeypatch.delenv("PYTHONPATH")
    with (Path(path.split(":")[0]) / "log").open("w+") as log:
        worker = centercut.start_worker(_database(cut), Orders(runs=[run]), log=log)
        assert worker.wait(60) != 0
        end_worker(worker)
        log.seek(0)
        said = log.read()
    assert "no business 'test-wages'" in said and "direct-debit" in said
    assert cut.reasons(run) == {1: Reason.ACCEPTED}

    monkeypatch.setenv("PYTHONPATH", path)
    with workers(_database(cut), 1, Orders(runs=[run])) as [worker]:
        assert worker.wait(60) == 0
    assert cut.state(run) == "completed"
    assert cut.stored_balance(EMPLOYER) == 1_000_000_000 - 1
