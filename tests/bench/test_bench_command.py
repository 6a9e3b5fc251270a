"""`kanjo bench` as its user runs it, at sizes that take seconds; never asserting a speed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kanjo import db
from kanjo.bench import BENCHES
from kanjo.bench.figure import Aim
from kanjo.bench.filing import RECORDS
from kanjo.cli.app import main
from kanjo.cli.bench import NAMES, SITES_NAMES

pytestmark = pytest.mark.xdist_group("bench")  # one durable server is enough

KANJO = [str(Path(sys.executable).with_name("kanjo"))]
NAMES_OF_THE_CONTRACT = {"bench", "value", "unit", "yardstick", "ratio", "better", "must", "aim", "rounds"}
ISSUED = {
    "centercut": ("higher", 0.45, 0.70),
    "centercut-scale": ("lower", 1.2, 1.0),
    "online": ("higher", 5, 10),
    "online-hot": ("higher", 0.7, 1.0),
    "before": ("lower", 3, 1.5),
    "zengin": ("higher", 5, 20),
    "zengin-memory": ("lower", 1, 1),
    "long": ("higher", 0.3, 1.0),
    "long-others": ("lower", 3, 1.0),
    "load": ("higher", 0.5, 0.8),
    "sites-online": ("higher", 0.5, 0.8),
    "sites-cut": ("higher", 0.6, 0.9),
    "sites-commit-local": ("lower", 2.0, 1.0),
    "sites-commit-a": ("lower", 2.0, 1.5),
    "sites-commit": ("lower", 2.0, 1.3),
    "sites-database-killed": ("lower", 6.0, 6.0),
    "sites-node-killed": ("lower", 25.0, 10.0),
    "sites-node-frozen": ("lower", 25.0, 10.0),
    "sites-switchover": ("lower", 6.0, 3.0),
    "sites-promote": ("lower", 1.5, 1.5),
}
"""What each ratio must reach, and the aim."""


class Ran(NamedTuple):
    """What a command printed, kept and said."""

    benches: list[dict[str, Any]]
    kept: dict[str, Any]
    said: str


def environment(home: Path) -> dict[str, str]:
    """The command's environment: the embedded server of this home."""
    return {name: value for name, value in os.environ.items() if name != "KANJO_DATABASE_URL"} | {
        "KANJO_HOME": str(home)
    }


def bench(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`kanjo bench` to its end."""
    command = [*KANJO, "bench", *arguments, "--json"]
    return subprocess.run(command, env=environment(home), capture_output=True, text=True, timeout=300, check=False)


def databases_of_benches(server: db.Database) -> list[str]:
    """What benches have left on the server."""
    with server.connect(role="owner", autocommit=True) as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'kanjo\\_bench%'").fetchall()
    return [name for (name,) in rows]


def test_command_knows_every_bench_and_what_it_must_reach() -> None:
    """Names and limits are those that were asked for."""
    assert [*NAMES, *SITES_NAMES] == list(BENCHES)
    assert {name: found.aim for name, found in BENCHES.items()} == {
        name: Aim(better=better, must=must, aim=aim)  # type: ignore[arg-type]
        for name, (better, must, aim) in ISSUED.items()
    }


@pytest.fixture(scope="module")
def ran(durable_server: db.Database, durable_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """All benches of one server, once, a thousand times smaller than they are."""
    out = tmp_path_factory.mktemp("bench") / "figures.json"
    done = bench(durable_home, "all", "--scale", "0.001", "--rounds", "1", "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    return Ran(json.loads(done.stdout)["benches"], json.loads(out.read_text()), done.stderr)


@pytest.mark.parametrize("name", NAMES)
def test_bench_measures(ran: Ran, name: str) -> None:
    """The names of design 9, figures of work that was done, and progress on standard error."""
    [found] = [one for one in ran.benches if one["bench"] == name]

    assert found.keys() >= NAMES_OF_THE_CONTRACT
    assert (found["rounds"], len(found["measured"])) == (1, 1)
    assert found["value"] > 0 and found["yardstick"] > 0
    assert found["ratio"] == pytest.approx(found["value"] / found["yardstick"])
    assert f"{name}: round 1 of 1" in ran.said


def test_figures_are_kept_with_their_machine(ran: Ran) -> None:
    """The file holds what was printed, in the order of the list, and what it was measured on."""
    assert [found["bench"] for found in ran.benches] == list(NAMES)
    assert ran.kept["benches"] == ran.benches
    assert ran.kept["machine"]["settings"]["fsync"] == "on"
    assert ran.kept["scale"] == 0.001


@pytest.mark.skipif(shutil.which("etcd") is None, reason="needs etcd for a lab of two sites")
def test_two_sites_are_measured_and_end(durable_server: db.Database, durable_home: Path) -> None:
    """A lab is brought up for each bench, waits for both sites, and leaves no process behind."""
    done = bench(durable_home, "sites-commit", "sites-database-killed", "--scale", "0.02", "--rounds", "1")

    assert done.returncode == 0, done.stdout + done.stderr
    found, killed = json.loads(done.stdout)["benches"]
    assert found["value"] > found["yardstick"] == 10.0, "an answer came before the other site can have had the commit"
    [at_work] = killed["measured"]
    assert killed["value"] > 0.2 and 0 in at_work["course"], "nobody can have answered behind a killed database at once"
    assert any(at_work["course"][:20]) and at_work["course"][-1] > 0, "answers before and behind it"
    assert not [line for line in _command_lines() if b"kanjo-bench-" in line and b"/lab/" in line]


def _command_lines() -> Iterator[bytes]:
    """Of all processes."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                yield (entry / "cmdline").read_bytes()


def test_benches_leave_no_database(ran: Ran, durable_server: db.Database) -> None:
    """Each has dropped its own."""
    assert databases_of_benches(durable_server) == []


def test_missed_must_is_exit_1_at_full_scale_only(
    durable_server: db.Database,
    durable_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """A ratio that nothing can reach: at a smaller scale a figure means nothing and misses nothing."""
    monkeypatch.setenv("KANJO_HOME", str(durable_home))
    monkeypatch.setattr(BENCHES["zengin"], "aim", Aim(better="higher", must=1e9, aim=1e9))
    monkeypatch.setattr("kanjo.bench.filing.RECORDS", RECORDS // 1000)

    assert main(["bench", "zengin", "--rounds", "1", "--scale", "0.5", "--json"]) == 0
    capfdbinary.readouterr()
    assert main(["bench", "zengin", "--json"]) == 1

    [found] = json.loads(capfdbinary.readouterr().out)["benches"]
    assert found["must"] == 1e9


def answer(arguments: list[str], capture: pytest.CaptureFixture[bytes]) -> tuple[int, dict[str, Any]]:
    """Exit status and error of a command that is not done."""
    status = main([*arguments, "--json"])
    return status, json.loads(capture.readouterr().out)["error"]


def test_a_figure_of_one_round_is_wrong_usage_at_full_scale(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """It would pass or miss by chance; for a look at a smaller scale one is enough."""
    status, error = answer(["bench", "zengin", "--rounds", "2"], capfdbinary)

    assert (status, error["code"]) == (2, "wrong-usage")
    assert "3 rounds" in error["message"]


def test_unknown_bench_is_wrong_usage(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """The message names those that there are."""
    status, error = answer(["bench", "no-such"], capfdbinary)

    assert (status, error["code"]) == (2, "wrong-usage")
    assert all(name in error["message"] for name in BENCHES)


def test_somebody_elses_server_is_left_alone(
    server: db.Database, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A server named by the environment is used only with --here, and --here only for such a one."""
    monkeypatch.setenv("KANJO_DATABASE_URL", server.url)
    status, error = answer(["bench", "zengin"], capfdbinary)
    assert (status, error["code"]) == (2, "needs-here")

    status, error = answer(["bench", "zengin", "--here"], capfdbinary)  # this one's fsync is off
    assert (status, error["code"]) == (1, "durability-off")

    monkeypatch.delenv("KANJO_DATABASE_URL")
    status, error = answer(["bench", "zengin", "--here"], capfdbinary)
    assert (status, error["code"]) == (2, "wrong-usage")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_bench_leaves_no_process(
    durable_server: db.Database, durable_home: Path, tmp_path: Path, how: signal.Signals
) -> None:
    """Whoever ends it in the middle finds no process of it left; the next bench drops what a killed one left."""
    token = f"bench-{os.getpid()}-{how.name}-{time.monotonic_ns()}"
    command = [*KANJO, "bench", "online-hot", "--scale", "0.001", "--rounds", "50"]
    told = {"KANJO_TEST_TOKEN": token, "TMPDIR": str(tmp_path)}  # a killed bench cannot remove its folder
    running = subprocess.Popen(command, env=environment(durable_home) | told, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    for line in running.stderr:
        if "round 1" in line:
            break
    assert len(processes_of(token)) >= 2

    running.send_signal(how)
    running.wait(timeout=60)
    running.stderr.close()

    until_s = time.monotonic() + 30
    while processes_of(token) and time.monotonic() < until_s:
        time.sleep(0.05)
    assert processes_of(token) == []
    assert bench(durable_home, "online-hot", "--scale", "0.001", "--rounds", "1").returncode == 0
    assert databases_of_benches(durable_server) == []


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
