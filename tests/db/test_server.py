"""The embedded server: shared by its users, stopped by the last, back after every kind of death."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from kanjo import db
from kanjo.db import home as homes
from kanjo.db import last_out, server
from kanjo.errors import SystemFailed


def test_two_commands_at_once_share_a_server_and_the_last_one_out_stops_it(home, user, lives):
    """A second command finds the first one's server; it runs until both have left, and no longer."""
    first = user(home)
    first.wait_ready()
    pid = last_out.postmaster_pid(home)
    second = user(home)
    second.wait_ready()

    assert pid == last_out.postmaster_pid(home)

    first.leave()

    assert lives(home)

    second.leave()

    assert not lives(home)


def test_many_commands_that_start_at_the_same_moment_share_one_server(new_home, user, lives):
    """Nobody fails and nobody starts a second server when six commands begin together on a new home."""
    home = new_home
    commands = [user(home) for _ in range(6)]
    for command in commands:
        command.wait_ready()

    assert (home / "server.log").read_text().count("ready to accept connections") == 1
    assert not (home / "server.log.1").exists()

    for command in commands:
        command.leave()

    assert not lives(home)


@pytest.mark.crash
def test_a_server_whose_only_user_was_killed_stops_by_itself(home, user, lives, until):
    """kill -9 of the only user leaves no server: no other command is needed to stop it."""
    command = user(home)
    command.wait_ready()

    command.kill()

    until(lambda: not lives(home), "the watcher to stop the server")


@pytest.mark.crash
def test_the_last_user_stops_the_server_also_when_others_and_the_watcher_were_killed(home, user, lives, watcher):
    """A killed user is not counted for ever."""
    killed = user(home)
    killed.wait_ready()
    last = user(home)
    last.wait_ready()
    os.kill(watcher(home), signal.SIGKILL)
    killed.kill()

    assert lives(home)

    last.leave()

    assert not lives(home)


def test_nothing_remains_of_a_command_that_ended(home, user, watcher):
    """The watcher ends with the server that it watches."""
    command = user(home)
    command.wait_ready()

    assert watcher(home)

    command.leave()

    assert watcher(home) is None


def test_the_server_holds_none_of_the_callers_streams(home, run):
    """A pipe that reads what `up` prints ends when `up` ends, although the server stays."""
    done = run("import sys, pathlib; from kanjo import db; print(db.up(pathlib.Path(sys.argv[1])).running)", home)

    assert (done.stdout, done.stderr, done.returncode) == ("True\n", "", 0)

    status = db.status(home)
    streams = [str(Path(f"/proc/{status.pid}/fd/{number}").readlink()) for number in range(3)]

    assert ["/dev/null", str(home / "server.log"), str(home / "server.log")] == streams
    assert not db.down(home).running


def test_the_callers_environment_does_not_reach_the_server(new_home, monkeypatch):
    """PostgreSQL's environment variables of the caller neither lead elsewhere nor reach the server."""
    for name, value in {
        "PGHOST": "192.0.2.1",
        "PGHOSTADDR": "192.0.2.1",
        "PGPORT": "1",
        "PGUSER": "somebody",
        "PGDATABASE": "other",
        "PGDATA": "/nonexistent",
        "PGOPTIONS": "-c work_mem=1MB",
        "PGSSLMODE": "require",
        "LANG": "ja_JP.UTF-8",
        "LC_ALL": "tr_TR.UTF-8",
        "TZ": "Asia/Tokyo",
    }.items():
        monkeypatch.setenv(name, value)

    with db.database(new_home) as database, database.connect() as connection:
        row = connection.execute("SELECT current_database(), session_user, current_setting('TimeZone')").fetchone()

    assert row == ("kanjo", "kanjo", "UTC")


def test_the_server_is_safe_and_speaks_through_its_socket_only(home):
    """Checksums, fsync, synchronous commit and the builtin locale are on; there is no TCP port and no password."""
    names = ("data_checksums", "fsync", "synchronous_commit", "full_page_writes", "listen_addresses", "jit")
    with db.database(home) as database, database.connect() as connection:
        found = [connection.execute("SELECT current_setting(%s)", (name,)).fetchone()[0] for name in names]
        locale = connection.execute(
            "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = current_database()"
        ).fetchone()

    assert found == ["on", "on", "on", "on", "", "off"]
    assert locale == ("b", "C.UTF-8")
    assert {"peer"} == {line.split()[3] for line in (home / "etc/pg_hba.conf").read_text().splitlines()[1:]}


def _write_stale(home: Path, content: str) -> None:
    pid_file = home / "data" / "postmaster.pid"
    pid_file.write_text(content)
    if os.geteuid() == 0:
        owner = (home / "data").stat()
        os.chown(pid_file, owner.st_uid, owner.st_gid)


@pytest.mark.parametrize(
    "content",
    ["", "12", "\n\n", "99999999\n/nowhere\n", "{init}\n{data}\n0\n5432\n{home}/run\n\n  1 1\nready   \n"],
    ids=["truncated-to-nothing", "truncated-number", "empty-lines", "dead-pid", "reused-pid"],
)
def test_a_stale_pid_file_does_not_hinder_a_start(home, content):
    """A pid file left by a crash is recognised as dead whatever it says, also when its pid is somebody else's now."""
    with db.database(home):
        pass
    _write_stale(home, content.format(init=os.getpid(), data=home / "data", home=home))

    with db.database(home) as database, database.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_record_naming_a_strangers_pid_never_gets_that_process_signalled(home):
    """Only the process that was started as the server is taken for it."""
    (home / last_out.SERVER_LOCK).write_text(f'{{"pid": {os.getpid()}, "started": "1"}}')

    assert last_out.postmaster_pid(home) is None
    assert not db.down(home).running


@pytest.mark.crash
def test_what_was_committed_is_there_after_a_killed_postmaster(home):
    """kill -9 of the postmaster: the next command recovers, and commits are kept."""
    with db.database(home) as database:
        with database.connect(role="owner") as connection:
            connection.execute("CREATE TABLE kept (n int)")
            connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
        os.kill(last_out.postmaster_pid(home), signal.SIGKILL)

        with db.database(home) as again, again.connect(role="owner") as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
            assert "automatic recovery in progress" in (home / "server.log").read_text()


@pytest.mark.crash
def test_a_start_waits_for_the_remains_of_a_killed_server_and_says_so(home):
    """No second server starts on the data while a child of a killed postmaster still lives."""
    with db.database(home) as database:
        connection = database.connect(role="owner")
        backend = connection.info.backend_pid
        os.kill(backend, signal.SIGSTOP)
        os.kill(last_out.postmaster_pid(home), signal.SIGKILL)
        told = []

        def let_the_backend_go(message: str) -> None:
            if not told:
                os.kill(backend, signal.SIGCONT)
            told.append(message)

        with db.database(home, progress=let_the_backend_go) as again, again.connect() as other:
            assert other.execute("SELECT 1").fetchone() == (1,)
        assert told
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_a_slow_start_is_waited_for_and_shown(home, monkeypatch):
    """However long the server takes, the command waits and says what for."""
    children = []
    spawn = server._spawn

    def spawn_stopped(*arguments):
        children.append(spawn(*arguments))
        children[0].send_signal(signal.SIGSTOP)
        return children[0]

    monkeypatch.setattr(server, "_spawn", spawn_stopped)
    told = []

    def hear(message: str) -> None:
        told.append(message)
        if children:
            children[0].send_signal(signal.SIGCONT)

    with db.database(home, progress=hear) as database, database.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert any("the database is starting, 1 s" in message for message in told)


def test_crash_recovery_is_named_while_it_is_waited_for(home):
    """What is being waited for is read from the server's own log."""
    (home / "server.log").write_text(
        "LOG:  database system was not properly shut down; automatic recovery in progress\nLOG:  redo in progress\n"
    )

    assert server._doing(homes.Home(home)) == "the database is recovering after a crash"


def test_a_server_that_dies_at_its_start_says_why(home):
    """The error carries the last lines of the server's log."""
    with db.database(home):
        pass
    (home / "etc" / "local.conf").write_text("shared_buffers = 'much'\n")

    with (
        pytest.raises(SystemFailed, match=r"(?s)ended while it was starting.*shared_buffers") as caught,
        db.database(home),
    ):
        pass

    assert caught.value.code == "server-died"
    (home / "etc" / "local.conf").unlink()
    with db.database(home) as database:
        assert database.embedded


def test_an_own_setting_in_local_conf_stands_over_ours(home):
    """etc/local.conf is the user's."""
    with db.database(home):
        pass
    (home / "etc" / "local.conf").write_text("work_mem = '7MB'\n")

    with db.database(home) as database, database.connect() as connection:
        assert connection.execute("SHOW work_mem").fetchone() == ("7MB",)


def test_an_error_of_the_caller_inside_passes_unchanged_and_still_stops_the_server(home, lives):
    """The caller's own `OSError` is not taken for one of the database's."""
    with pytest.raises(PermissionError, match="mine"), db.database(home):
        raise PermissionError(13, "mine")

    assert not lives(home)


def test_one_process_may_open_the_database_twice(home, lives):
    """The inner use does not stop the server under the outer one."""
    with db.database(home) as outer:
        with db.database(home):
            pass
        with outer.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)

    assert not lives(home)


def test_a_server_whose_starter_was_killed_before_it_wrote_its_pid_is_found_and_stopped(home):
    """PostgreSQL's own pid file stands in for a record that was never finished."""
    with db.database(home):
        pid = last_out.postmaster_pid(home)
        (home / last_out.SERVER_LOCK).write_text("{")

        assert last_out.postmaster_pid(home) == pid

    assert not db.status(home).running


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="takes a capability away from root")
def test_root_in_a_container_that_may_not_trace_can_stop_the_server(home, lives):
    """Docker's root lacks CAP_SYS_PTRACE: finding the server's process must not need it."""
    code = "import sys, pathlib; from kanjo import db\nwith db.database(pathlib.Path(sys.argv[1])): print('ready')"
    done = subprocess.run(
        ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-all", sys.executable, "-c", code, str(home)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.stdout, done.stderr) == ("ready\n", "")
    assert not lives(home)


def test_a_removed_home_does_not_break_the_leaving(home, until):
    """Whoever deletes KANJO_HOME under a running command gets no error of ours on top."""
    with db.database(home):
        pid = last_out.postmaster_pid(home)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not server.find(homes.Home(home)), "the killed server to be gone")
        shutil.rmtree(home)


@pytest.fixture
def watcher():
    """Find the watcher of a home among the machine's processes."""

    def find(home: Path) -> int | None:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"-S" in words and os.fsencode(home) in words:
                return int(process.name)
        return None

    return find
