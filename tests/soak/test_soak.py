"""A soak as its user runs it: a small bank, days of a few seconds, every kind of kill; and nothing left behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from kanjo import db
from kanjo.errors import SystemFailed
from kanjo.soak import SoakPlan, household, live_on, long_run
from kanjo.soak.server import own_server
from kanjo.soak.sizes import take_stock
from kanjo.soak.soaked import Stock
from kanjo.soak.staff import Worker
from kanjo.soak.verdict import SPAN_S_MIN

KANJO = [str(Path(sys.executable).with_name("kanjo"))]
SMALL = ("--accounts", "1000", "--rate", "100", "--day-seconds", "5")
DEADLINE_S = 60.0

pytestmark = [pytest.mark.crash, pytest.mark.xdist_group("soak")]


class Ran(NamedTuple):
    """What the command printed, the figures that it wrote, the chart, and its home."""

    printed: dict[str, Any]
    figures: dict[str, Any]
    chart: str
    home: Path


def environment(home: Path, token: str = "") -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KANJO_")}
    return clean | {"KANJO_HOME": str(home), "KANJO_TEST_TOKEN": token}


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that the server's user can reach as well."""
    made = Path(tempfile.mkdtemp(prefix="kanjo-soak-test-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def ran(place: Path) -> Ran:
    """Half a minute, which is over when every kind was killed."""
    out, chart, home = place / "out.json", place / "out.svg", place / "home"
    home.mkdir(mode=0o711)
    done = subprocess.run(
        [*KANJO, "soak", "--minutes", "0.4", "--seed", "3", *SMALL, "--out", out, "--chart", chart, "--json"],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return Ran(json.loads(done.stdout), json.loads(out.read_text()), chart.read_text(), home)


def test_every_kind_is_killed(ran: Ran) -> None:
    """A worker, the callers, a loader and the server itself."""
    assert {victim for victim, count in ran.printed["kills"].items() if count} == {
        "worker",
        "callers",
        "loader",
        "server",
    }


def test_days_go_by_and_each_ends_settled(ran: Ran) -> None:
    """The date is switched, files are loaded and cut, some items are settled by Before, callers are served."""
    days = ran.figures["days"]
    dates = [day["date"] for day in days]

    assert len(days) >= 4 and dates == sorted(set(dates))
    assert all(day["items"] > 1500 and day["cut_s"] > 0 and day["answered"] > 50 for day in days)
    assert sum(day["by_before"] for day in days) > 0


def test_what_callers_were_told_is_proved_every_day(ran: Ran) -> None:
    """Law 4 from each day's history, all laws now and then and at the end; keys were asked again after the kills."""
    days = ran.figures["days"]

    assert all(day["calls"] > 50 for day in days)
    assert days[-1]["whole_proof"] and sum(day["whole_proof"] for day in days) >= 2
    assert ran.printed["repeats"] > 0
    assert ran.printed["ok"] is True and ran.printed["broken"] == []


def test_samples_see_every_process_and_table(ran: Ran) -> None:
    """Memory of all roles, waits, connections, the log, and the tables with their rows."""
    samples = ran.figures["samples"]
    roles = {process[0] for sample in samples for process in sample["processes"]}
    tables = {stock[0]: stock[2] for stock in ran.figures["days"][-1]["stock"]}

    assert roles == {"driver", "worker", "callers", "server"}
    assert all(process[2] > 0 for sample in samples for process in sample["processes"])
    assert any(sample["connections"] and sample["wal_bytes"] and sample["p99_ms"] for sample in samples)
    assert tables["ledger.account"] == 1002 and tables["ledger.entry"] > 5000 and tables["ledger.request"] > 100
    assert {trend["name"] for trend in ran.printed["trends"]} >= {f"table {name}" for name in tables}


def test_so_short_a_run_says_that_it_cannot_tell(ran: Ran) -> None:
    """Nothing is called flat that was not looked at long enough."""
    if ran.printed["seconds"] < SPAN_S_MIN:  # a machine under load may need longer for the same days
        assert ran.printed["verdict"] == "the laws hold; too short to tell whether anything grows"


def test_figures_and_chart_are_all_it_leaves(ran: Ran) -> None:
    """The server's folder is gone, and the home was not its own to remove."""
    assert ran.chart.startswith("<svg") and len(ran.chart) < 100_000
    assert re.search(r">0\.\d\d</text>", ran.chart), "places are rounded to tenths of a pixel, what is written is not"
    assert list(ran.home.iterdir()) == []


def processes_of(token: str) -> list[int]:
    """Processes whose environment holds the token, and the server, whose command line names the home."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if token.encode() in (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition, not for a time."""
    until_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < until_s, f"waited in vain: {what}"
        time.sleep(0.05)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_soak_leaves_no_process(place: Path, how: signal.Signals) -> None:
    """Nor a folder. When it was killed outright, whatever it started ends by itself, and the next one tidies up."""
    token = f"soak-{how.name}-{time.monotonic_ns()}"
    home = place / token
    home.mkdir(mode=0o711)
    soak = subprocess.Popen(
        [
            *KANJO,
            "soak",
            *SMALL[:4],
            "--day-seconds",
            "2",
            "--out",
            str(place / "i.json"),
            "--chart",
            str(place / "i.svg"),
        ],
        env=environment(home, token),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert soak.stderr is not None
    try:
        for line in soak.stderr:
            if "living for" in line:
                break
        wait_until(lambda: len(processes_of(token)) >= 6, "itself, the server, its watcher, the callers, two workers")
        soak.send_signal(how)
        soak.wait(timeout=DEADLINE_S)
    finally:
        soak.kill()
        soak.wait()
        soak.stderr.close()

    wait_until(lambda: processes_of(token) == [], "everything has ended")
    assert soak.returncode != 0
    if how == signal.SIGKILL:
        [left] = home.iterdir()
        with own_server(home) as server:
            assert not left.exists() and server.folder.exists()
    assert list(home.iterdir()) == []


def test_money_out_of_nothing_ends_the_run(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A yen is put into every account behind the ledger's back: the next day's proof names the broken law."""

    def take_stock_and_cheat(connection: psycopg.Connection[Any]) -> list[Stock]:
        connection.execute("UPDATE ledger.account SET balance = balance + 1")
        return take_stock(connection)

    monkeypatch.setattr(long_run, "take_stock", take_stock_and_cheat)
    told: list[str] = []

    soaked = live_on(place / "cheated", SoakPlan(minutes=5, seed=3, accounts=1000, day_s=2, per_s=100), told.append)

    assert not soaked.ok and [broken.day for broken in soaked.broken] == [2]
    assert soaked.verdict().startswith("BROKEN: day 2: law 4 (answered means kept)")
    assert [law.law for law in soaked.broken[0].laws] == [4] and told[-2].startswith("BROKEN on day 2")
    assert not (place / "cheated").exists()


def test_a_death_that_nobody_ordered_ends_the_run(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that ends by itself is a fault, and its last words are told."""

    class Deserter(Worker):
        def __init__(self, database: db.Database) -> None:
            super().__init__(database)
            os.kill(self.pid, signal.SIGTERM)

    monkeypatch.setattr(household, "Worker", Deserter)

    with pytest.raises(SystemFailed) as failed:
        live_on(place / "deserted", SoakPlan(minutes=5, accounts=1000, day_s=2), lambda _: None)

    assert failed.value.code == "workers-died"
    assert not (place / "deserted").exists()


def test_a_server_of_somebody_else_is_not_killed(place: Path) -> None:
    """A database that the environment names is left alone."""
    done = subprocess.run(
        [*KANJO, "soak", "--json", "--out", str(place / "n.json"), "--chart", str(place / "n.svg")],
        env=environment(place) | {"KANJO_DATABASE_URL": "postgresql://nobody@nowhere/none"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )

    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (2, "needs-own-server")
