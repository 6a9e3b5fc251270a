"""A disk that fills up under a load and under a cut: a clear error, nothing half done, and it goes on with room again
(issue 3, Survival). How it is under a single statement is told in tests/db/test_disk.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crash_day import KANJO, TUESDAY, Evening, Morning, Scale, evening_of, prepare

from kanjo import check, db

pytestmark = [
    pytest.mark.root,
    pytest.mark.crash,
    pytest.mark.xdist_group("crash"),
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system"),
]

DISK_MIB = 400
IS_SAMPLE = "KANJO_CRASH_ROUNDS" not in os.environ
SCALE = Scale(accounts=3_000 if IS_SAMPLE else 6_000, requests=0, rate_per_s=0)
ROOMS_KIB = (0, 200, 700, 1_500, 3_000) if not IS_SAMPLE else (300,)
"""So much room is left one time after the other: the disk is full at another place each time."""


class Town:
    """A home on a small disk that can be filled, and the command on it."""

    def __init__(self, disk: Path) -> None:
        self.morning = prepare(disk, SCALE)
        self._ballast = disk / "ballast"

    def kanjo(self, *arguments: object) -> tuple[int, Any]:
        """The exit status and the reply."""
        done = run(self.morning.home, *arguments)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, json.loads(done.stdout)

    def done(self, *arguments: object) -> Any:
        """The reply of a command that has to succeed."""
        status, reply = self.kanjo(*arguments)
        assert status == 0, reply
        return reply

    @contextlib.contextmanager
    def full_but(self, room_kib: int) -> Iterator[None]:
        """Fill the disk up to so much room, with the server running as it does on a banking day."""
        self.done("up")
        with self._ballast.open("wb", buffering=0) as ballast:
            free = shutil.disk_usage(self._ballast).free
            with contextlib.suppress(OSError):
                os.posix_fallocate(ballast.fileno(), 0, max(1, free - room_kib * 1024))
        yield
        self._ballast.unlink()

    def require_whole(self) -> None:
        """The laws hold."""
        with db.database(self.morning.home) as database, database.connect(autocommit=True) as connection:
            assert check.prove(connection).ok

    def evening(self) -> Evening:
        with db.database(self.morning.home) as database:
            return evening_of(database)


def run(home: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KANJO_")}
    return subprocess.run(
        [str(KANJO), "--json", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment | {"KANJO_HOME": str(home)},
    )


@pytest.fixture
def town(places: Path) -> Iterator[Town]:
    """A town on a file system of its own."""
    place = places / "disk"
    place.mkdir(mode=0o755)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=755", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"this machine does not let root mount: {mounted.stderr.strip()}")
    try:
        made = Town(place)
        yield made
        made.done("down")
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def roomy_evening(places: Path) -> Evening:
    """What the same town comes to with room enough."""
    folder = places / "roomy"
    folder.mkdir(mode=0o755)
    morning = prepare(folder, SCALE)
    with db.database(morning.home) as database:
        loads = _loads(morning)
        runs = range(1, len(loads) + 1)
        for arguments in (*loads, ("day", "open", TUESDAY), ("cut", "start", *runs)):
            done = run(morning.home, *arguments)
            assert done.returncode == 0, done.stdout
        return evening_of(database)


def _loads(morning: Morning) -> list[tuple[object, ...]]:
    loads: list[tuple[object, ...]] = [("cut", "load", morning.payroll), ("cut", "load", morning.debits)]
    return loads[:1] if IS_SAMPLE else loads


def test_a_disk_that_fills_up_under_loads_and_a_cut(town: Town, roomy_evening: Evening) -> None:
    """Each time the command says disk-full, leaves nothing half done, and with room again the day ends as any other."""
    full_under_load = 0
    for load in _loads(town.morning):
        before = town.done("cut", "status")
        for room_kib in ROOMS_KIB:
            with town.full_but(room_kib):
                status, reply = town.kanjo(*load)
            if status == 0:
                break  # it found room enough
            assert (status, reply["error"]["code"]) == (3, "disk-full"), (room_kib, reply)
            assert town.done("cut", "status") == before
            full_under_load += 1
            town.require_whole()
        else:
            town.done(*load)
    town.done("day", "open", TUESDAY)
    runs = [run["run"] for run in town.done("cut", "status")["runs"]]
    full_under_cut = 0
    for room_kib in ROOMS_KIB:
        with town.full_but(room_kib):
            status, reply = town.kanjo("cut", "start", *runs)
        if status == 0:
            break
        assert (status, reply["error"]["code"]) == (3, "disk-full"), (room_kib, reply)
        full_under_cut += 1
        town.require_whole()
        assert not any(run["stuck"] for run in town.done("cut", "status")["runs"]), "nobody is guilty of a full disk"
    else:
        town.done("cut", "start", *runs)

    assert full_under_load and full_under_cut
    assert town.evening() == roomy_evening
