"""An ordinary user runs the server as oneself; the other tests, run as root, prove the hand-over."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kanjo.db import account, binaries

SOURCE = Path(__file__).parents[2] / "src"
NEEDED = ("psycopg", "psycopg-binary", "msgspec", "alembic", "sqlalchemy", "mako", "markupsafe", "typing_extensions")

DEADLINE_S = 120

DAY = """
import json, os, sys
from pathlib import Path
from kanjo import db
os.umask(0o077)
home = Path(sys.argv[1])
with db.database(home) as database, database.connect() as connection:
    status = db.status(home)
    print(json.dumps({
        "server_uid": os.stat(f"/proc/{status.pid}").st_uid,
        "role": connection.execute("SELECT current_user").fetchone()[0],
        "revision": status.schema_revision,
    }))
print(db.up(home).running, db.down(home).running)
"""


@pytest.fixture(scope="module")
def ordinary(copy_distribution) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Run Python as an ordinary user: as ourselves, or as `nobody` when we are root."""
    if os.geteuid() != 0:
        yield lambda *arguments: _run([sys.executable, *arguments], {}, dict(os.environ))
        return
    user = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": [], "cwd": "/"}
    with tempfile.TemporaryDirectory(prefix="kanjo-ordinary-") as made:
        place = Path(made)
        place.chmod(0o755)
        for name in (*NEEDED, binaries.DISTRIBUTION):
            copy_distribution(name, place)
        shutil.copytree(SOURCE / "kanjo", place / "kanjo")
        environment = account.ENVIRONMENT | {"PYTHONPATH": made, "PYTHONDONTWRITEBYTECODE": "1"}
        interpreter = next((found for found in _interpreters() if _can_run(found, user)), None)
        if interpreter is None:
            pytest.skip(
                "no Python of this version that an ordinary user may execute (root's own lies in a closed home)"
            )
        yield lambda *arguments: _run([interpreter, *arguments], user, environment)


def _interpreters() -> list[str]:
    name = f"python3.{sys.version_info.minor}"
    return [str(Path(sys.executable).resolve()), f"/usr/bin/{name}", f"/usr/local/bin/{name}"]


def _can_run(interpreter: str, user: dict[str, object]) -> bool:
    try:
        return not subprocess.run([interpreter, "-c", ""], check=False, capture_output=True, **user).returncode
    except OSError:
        return False


def _run(command: list[str], user: dict[str, object], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=DEADLINE_S, env=environment, **user
    )


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder of the ordinary user's own."""
    with tempfile.TemporaryDirectory(prefix="kanjo-ordinary-") as made:
        if os.geteuid() == 0:
            shutil.chown(made, "nobody")
        yield Path(made)


def test_an_ordinary_user_runs_the_server_as_oneself(ordinary, place):
    """The same commands work without root; everything belongs to the user, is closed to others, and is not copied."""
    done = ordinary("-c", DAY, str(place / "home"))

    assert (done.stderr, done.returncode) == ("", 0)
    uid = place.stat().st_uid
    assert f'"server_uid": {uid}' in done.stdout
    assert '"role": "kanjo_service"' in done.stdout
    assert done.stdout.endswith("True False\n")
    home = place / "home"
    assert {uid} == {file.stat().st_uid for file in [home, *home.rglob("*")]}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert not (home / "postgresql").exists()


def test_an_ordinary_user_with_another_users_home_is_told_so(ordinary, place):
    """A home that root or somebody else made is not entered by force."""
    if os.geteuid() != 0:
        pytest.skip("needs a folder of somebody else")
    os.chown(place, 0, 0)
    place.chmod(0o755)

    done = ordinary("-c", DAY, str(place))

    assert done.returncode == 1
    assert "belongs to another user" in done.stderr
    assert "set KANJO_HOME" in done.stderr
