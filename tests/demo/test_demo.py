"""The demonstration as its user runs it: real processes, a real server, a day of a few seconds."""

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
from pathlib import Path
from typing import Any

import pytest

from kanjo import db

KANJO = [str(Path(sys.executable).with_name("kanjo"))]


def run_demo(database: db.Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`kanjo demo` on this database, to its end."""
    environment = os.environ | {"KANJO_DATABASE_URL": database.url}
    command = [*KANJO, "demo", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=False)


@pytest.fixture(scope="module")
def day(module_database: db.Database, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """What a small day printed for a program, and its report."""
    report = tmp_path_factory.mktemp("demo") / "report.html"
    arguments = ("--accounts", "2000", "--seconds", "6", "--rate", "200", "--report", str(report), "--here", "--json")
    done = run_demo(module_database, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), report


def test_figures_are_those_of_the_contract(day: tuple[dict[str, Any], Path]) -> None:
    """Every name of design 9 is there, and the day was a real one: all items settled, some by Before, none lost."""
    figures, report = day
    online, cut = figures["online"], figures["cut"]

    assert figures["accounts"] == 2000
    assert 3100 < figures["items"] <= 3200
    assert 0 < figures["settled_by_before"] < figures["items"]
    assert cut["accepted"] + cut["refused"] == figures["items"]
    assert cut["seconds"] > 0 and cut["items_per_s"] > 0
    assert online["transactions"] > 100 and online["failed"] == 0
    assert all(online[name] > 0 for name in ("before_p99_ms", "during_p99_ms", "after_p99_ms"))
    assert figures["report"] == str(report)


def test_day_ends_with_the_proof(day: tuple[dict[str, Any], Path]) -> None:
    """The check's own object is part of the figures; all laws were checked and hold, law 4 from the customers' side."""
    laws = {law["law"]: law for law in day[0]["check"]["laws"]}

    assert day[0]["check"]["ok"] is True
    assert all(laws[law]["ok"] is True and laws[law]["checked"] > 0 for law in (1, 2, 3, 4))


def test_report_needs_nothing_from_elsewhere(day: tuple[dict[str, Any], Path]) -> None:
    """The page loads no script, style or picture over the network."""
    page = day[1].read_text("utf-8")
    markup = re.sub(r"<script>.*?</script>", "<script></script>", page, flags=re.DOTALL)

    assert markup.count("<script>") == 2
    assert not re.findall(r"(?:src|href)=|@import|url\(", markup)
    assert len(page) < 2_000_000


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs a browser named chromium to open the page in")
def test_report_draws_its_charts_in_a_browser(day: tuple[dict[str, Any], Path]) -> None:
    """A real browser without a network draws both charts."""
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [
                *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
                *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
                *(f"--user-data-dir={profile}", "--virtual-time-budget=5000", "--dump-dom", day[1].as_uri()),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert done.stdout.count("<svg") >= 2, done.stderr


def test_database_of_somebody_else_is_left_alone(database: db.Database) -> None:
    """A database named by the environment is used only with --here, and only while it is empty."""
    told = run_demo(database, "--json")
    assert (told.returncode, json.loads(told.stdout)["error"]["code"]) == (2, "needs-here")

    with database.connect(role="owner", autocommit=True) as connection:
        connection.execute(
            "INSERT INTO ledger.account (cell, account, balance, status, product) VALUES (0, 111000001, 0, 1, 1)"
        )
    told = run_demo(database, "--here", "--json")
    assert (told.returncode, json.loads(told.stdout)["error"]["code"]) == (1, "ledger-not-empty")


def processes_of(token: str) -> list[int]:
    """Processes whose environment holds the token."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if token.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_day_leaves_no_process(database: db.Database, tmp_path: Path, how: signal.Signals) -> None:
    """Whoever ends the demo in the middle of the day finds no customer and no worker left."""
    token = f"interrupted-{os.getpid()}-{how.name}-{time.monotonic_ns()}"
    environment = os.environ | {"KANJO_DATABASE_URL": database.url, "KANJO_TEST_TOKEN": token}
    arguments = ("--here", "--accounts", "1000", "--seconds", "60", "--report", str(tmp_path / "r.html"))
    demo = subprocess.Popen([*KANJO, "demo", *arguments], env=environment, stderr=subprocess.PIPE, text=True)
    assert demo.stderr is not None
    for line in demo.stderr:
        if "customers draw money" in line:
            break
    assert len(processes_of(token)) >= 2

    demo.send_signal(how)
    demo.wait(timeout=60)
    demo.stderr.close()

    until_s = time.monotonic() + 30
    while processes_of(token) and time.monotonic() < until_s:
        time.sleep(0.05)
    assert processes_of(token) == []
    assert demo.returncode != 0
