"""KANJO_HOME: where it is, who may enter, and that nothing outside it changes."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kanjo import db
from kanjo.db import binaries, settings
from kanjo.db import home as homes
from kanjo.errors import SystemFailed

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="hands the server over to another user")

OPEN = """
import sys, pathlib
from kanjo import db
with db.database(pathlib.Path(sys.argv[1])) as database:
    print(database.connect().info.dbname)
"""


def _modes(*folders: Path) -> list[int]:
    return [stat.S_IMODE(folder.stat().st_mode) for folder in folders]


def test_the_home_is_what_was_given_or_kanjo_home_or_dot_kanjo(tmp_path, monkeypatch):
    """An argument stands over the environment, and that over the working folder."""
    monkeypatch.chdir(tmp_path)

    assert tmp_path / ".kanjo" == homes.choose().path

    monkeypatch.setenv("KANJO_HOME", str(tmp_path / "from-environment"))

    assert tmp_path / "from-environment" == homes.choose().path
    assert tmp_path / "given" == homes.choose(Path("given")).path


def test_umask_077_does_not_keep_the_server_out(new_home, run):
    """Modes inside KANJO_HOME, and of folders made on the way to it, are set whatever the umask."""
    deep = new_home / "made" / "on" / "the-way"

    done = run(f"import os; os.umask(0o077)\n{OPEN}", deep)

    assert (done.stdout, done.stderr) == ("kanjo\n", "")


def test_nobody_else_can_read_the_data_or_connect(home):
    """The data, the socket and the locks are closed to every other user."""
    with db.database(home):
        closed = _modes(home / "data", home / "run", home / "start.lock", home / "users.lock", home / "server.log")

        assert closed == [0o700, 0o700, 0o600, 0o600, 0o600]
        assert settings.sized(1, 1)["unix_socket_permissions"] == "0700"


@pytest.mark.root
@AS_ROOT
def test_another_user_of_the_machine_is_not_let_in(home):
    """Even the user who runs the server is no user of the database: peer authentication maps only its owner."""
    with db.database(home) as database:
        url = database.named("postgres").url.replace("requirepeer=nobody", "")
        psql = shutil.which("psql") or _wheel() / "pginstall/bin/psql"
        done = subprocess.run([psql, url, "-c", "SELECT 1"], user="nobody", capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert "Peer authentication failed" in done.stderr


@pytest.mark.root
@AS_ROOT
def test_a_closed_parent_folder_is_named_and_left_closed(folder):
    """Where the server's user cannot reach KANJO_HOME, the error names the folder and says what to set."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)

    with pytest.raises(SystemFailed, match="Set KANJO_HOME") as caught, db.database(closed / "in" / "home"):
        pass

    assert ("home-unreachable", str(closed)) == (caught.value.code, caught.value.details["closed"])
    assert _modes(closed) == [0o700]


@pytest.mark.root
@AS_ROOT
def test_a_folder_full_of_other_things_is_never_opened(folder):
    """KANJO_HOME set by mistake to somebody's closed folder is refused, again and again, and stays closed."""
    (folder / "letters").mkdir(mode=0o700)
    (folder / "letters" / "private.txt").touch()

    for _ in range(2):
        with pytest.raises(SystemFailed) as caught, db.database(folder / "letters"):
            pass
        assert caught.value.code == "home-unreachable"

    assert _modes(folder / "letters") == [0o700]
    assert [file.name for file in (folder / "letters").iterdir()] == ["private.txt"]


@pytest.mark.root
@AS_ROOT
def test_an_empty_closed_folder_given_as_home_is_used(folder):
    """An empty folder is ours: `mktemp -d` makes them closed."""
    (folder / "empty").mkdir(mode=0o700)

    with db.database(folder / "empty") as database:
        assert database.embedded


@pytest.mark.root
@AS_ROOT
def test_a_home_of_another_user_is_refused(folder):
    """Root does not write where another user could lead it astray with links."""
    (folder / "theirs").mkdir()
    os.chown(folder / "theirs", 65534, 65534)

    with pytest.raises(SystemFailed, match="Run Kanjo as that user") as caught, db.database(folder / "theirs"):
        pass

    assert caught.value.code == "home-foreign"


def test_a_home_that_cannot_be_made_is_explained(folder):
    """A file in the way, or a read-only place, gives a sentence and no trace."""
    (folder / "file").touch()

    with pytest.raises(SystemFailed, match="Set KANJO_HOME") as caught, db.database(folder / "file" / "home"):
        pass

    assert caught.value.code == "home-unwritable"


@pytest.mark.parametrize(
    "name",
    ["long-" * 30, "a,b", "with a space, a 'quote' and a \\", "勘定"],
    ids=["long", "comma", "quotes", "japanese"],
)
def test_any_path_will_do(folder, name):
    """A path too long for a socket or with signs that mean something to libpq works all the same."""
    with db.database(folder / name) as database, database.connect() as connection:
        socket = Path(db.status(folder / name).socket)

        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert _modes(socket) == [0o700]
    assert not db.status(folder / name).running
    if socket.parent != folder / name:
        socket.rmdir()


def test_a_planted_socket_folder_is_refused(folder, monkeypatch):
    """The short folder for the socket must be the server user's alone."""
    home = homes.Home(folder / ("long-" * 30))
    account = homes.prepare(home)
    short = homes.socket_folder(home, account)
    short.chmod(0o777)

    with pytest.raises(SystemFailed) as caught:
        homes.socket_folder(home, account)

    assert caught.value.code == "socket-folder-foreign"
    short.rmdir()


def _before_others(installation: Path) -> dict[str, str]:
    """The environment in which Python finds this installation of the wheel first."""
    others = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{installation}{os.pathsep}{others}" if others else str(installation)}


def _wheel() -> Path:
    return binaries.installed()


def test_an_installation_that_cannot_be_written_is_enough(new_home, run, installation):
    """Nothing is written into the virtual environment."""
    for parent, folders, files in os.walk(installation):
        for name in [*folders, *files]:
            (Path(parent) / name).chmod(0o555)
    before = sorted(str(file) for file in installation.rglob("*"))

    done = run(OPEN, new_home, env=_before_others(installation))

    assert (done.stdout, done.stderr) == ("kanjo\n", "")
    assert before == sorted(str(file) for file in installation.rglob("*"))


@pytest.mark.root
@AS_ROOT
@pytest.mark.parametrize("how", ["closed parent", "umask 077"])
def test_programs_out_of_the_servers_users_reach_are_copied_to_where_it_can(new_home, run, installation, how):
    """A virtual environment in root's closed home, or made under umask 077, works and keeps its permissions."""
    if how == "closed parent":
        installation.chmod(0o700)
    else:
        for parent, folders, files in os.walk(installation):
            for name in [*folders, *files]:
                file = Path(parent) / name
                file.chmod(stat.S_IMODE(file.stat().st_mode) & 0o700)
    before = {file: stat.S_IMODE(file.lstat().st_mode) for file in [installation, *installation.rglob("*")]}

    for _ in range(2):
        done = run(f"import os; os.umask(0o077)\n{OPEN}", new_home, env=_before_others(installation))

        assert (done.stdout, done.stderr) == ("kanjo\n", "")
    assert before == {file: stat.S_IMODE(file.lstat().st_mode) for file in [installation, *installation.rglob("*")]}
    assert (new_home / "postgresql").is_dir()


def test_python_runs_without_its_name(new_home, monkeypatch, lives):
    """An interpreter that does not know its own path starts no watcher; the last user still stops the server."""
    monkeypatch.setattr(sys, "executable", "")

    with db.database(new_home):
        assert lives(new_home)
    assert not lives(new_home)
