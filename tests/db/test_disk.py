"""A full disk: named, and nothing lost once there is room again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from kanjo import db
from kanjo.errors import SystemFailed

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system"),
]


@pytest.fixture
def disk(folder: Path) -> Iterator[Callable[[int], Path]]:
    """Mount a file system of so many MiB."""
    mounted: list[Path] = []

    def mount(size_mib: int) -> Path:
        place = folder / "disk"
        place.mkdir(mode=0o755)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m,mode=755", "tmpfs", str(place)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"this machine does not let root mount: {done.stderr.strip()}")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def _fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 65536)
        except OSError:
            return filler


def test_a_disk_too_small_for_the_data_is_named(disk):
    """initdb fails for lack of room: the error says so and leaves nothing half made."""
    place = disk(20)

    with pytest.raises(SystemFailed, match="Free some space") as caught, db.database(place / "home"):
        pass

    assert caught.value.code == "disk-full"
    assert not (place / "home" / "data").exists()


def test_a_server_that_cannot_start_on_a_full_disk_says_so_and_starts_once_there_is_room(disk):
    """Nothing is lost by the attempt."""
    place = disk(300)
    with db.database(place / "home") as database, database.connect(role="owner") as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
    filler = _fill(place)

    with pytest.raises(SystemFailed) as caught, db.database(place / "home"):
        pass

    assert caught.value.code == "disk-full"
    filler.unlink()
    with db.database(place / "home") as database, database.connect(role="owner") as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (1,)


def test_a_disk_that_fills_up_under_a_command_is_named_and_commits_are_kept(disk):
    """The statement that found no room fails with a clear error; what was committed before is there afterwards."""
    place = disk(400)
    with db.database(place / "home") as database:
        with database.connect(role="owner") as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
        filler = _fill(place)

        with pytest.raises(psycopg.Error) as caught, database.connect(role="owner") as connection:
            connection.execute("INSERT INTO kept SELECT generate_series(1, 20000000)")

        assert db.explain(caught.value).code in ("disk-full", "database-stopped", "database-unreachable")
        filler.unlink()
    with db.database(place / "home") as database, database.connect(role="owner") as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1,)
