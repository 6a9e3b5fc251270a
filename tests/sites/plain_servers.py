"""Plain PostgreSQL servers that replicate, without anything that elects: a test may be the operator, and the fault."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
from folders import open_folder
from psycopg import sql
from psycopg.conninfo import make_conninfo
from waiting import wait_until

from kanjo.db import Account, Home, prepare_home, programs
from kanjo.sites.lab.made import free_ports

HOST, SUPERUSER = "127.0.0.1", "postgres"
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
    "io_method": "sync",
    "autovacuum": "off",
    "wal_keep_size": "256MB",
    "wal_receiver_status_interval": "1s",
    "wal_retrieve_retry_interval": "500ms",
}


class Server:
    """One of them; only what we started is ever signalled."""

    def __init__(self, ground: Ground, name: str) -> None:
        self.ground, self.name = ground, name
        self.data, self.log = ground.folder / name, ground.folder / f"{name}.log"
        [self.port] = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> dict[str, Any]:
        """libpq's keywords."""
        return {"host": HOST, "port": self.port, "user": SUPERUSER, "passfile": str(self.ground.passfile)}

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A session of the superuser; each statement is a transaction."""
        return psycopg.connect(**self.address, dbname="postgres", autocommit=True, connect_timeout=5)

    def one(self, query: str, *values: object) -> Any:
        """The first value of a query's row, in a session of its own; None without a row."""
        with contextlib.closing(self.connect()) as connection:
            row = connection.execute(query, values).fetchone()
        return row and row[0]

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self.ground.program("postgres"), "-D", str(self.data), "-p", str(self.port)],
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self.ground.account.spawning(),
            )
        wait_until(self._answers, f"{self.name} answers")

    def kill(self) -> None:
        """All of its processes at once: nothing is written or answered any more."""
        if self._process is None or self._process.poll() is not None:
            return
        postmaster = psutil.Process(self._process.pid)
        postmaster.send_signal(signal.SIGSTOP)
        for process in [*postmaster.children(recursive=True), postmaster]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()

    def copy_of(self, primary: Server) -> None:
        """Make its data a copy of the primary's, as a standby that follows it."""
        way = make_conninfo(**primary.address)
        self.ground.run("pg_basebackup", "-D", str(self.data), "-c", "fast", "--no-sync", "-d", way)
        (self.data / "standby.signal").touch()
        shutil.chown(self.data / "standby.signal", self.ground.account.uid, self.ground.account.gid)
        with (self.data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"primary_conninfo = '{self._way_to(primary)}'\n")

    def follow(self, primary: Server) -> None:
        """From now on that one's log."""
        self.set("primary_conninfo", self._way_to(primary))

    def set(self, name: str, value: str) -> None:
        """ALTER SYSTEM, in force when this returns."""
        with contextlib.closing(self.connect()) as connection:
            statement = sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value))
            connection.execute(statement)
            connection.execute("SELECT pg_reload_conf()")
            wait_until(lambda: _shown(connection, name) == value, f"{name} on {self.name}")

    def promote(self) -> None:
        """Returns when it takes writes."""
        assert self.one("SELECT pg_promote()")

    def said(self, words: str) -> bool:
        """Whether its log has these words."""
        return words in self.log.read_text("utf-8")

    def _way_to(self, primary: Server) -> str:
        return make_conninfo(**primary.address, application_name=self.name)

    def _answers(self) -> bool:
        assert self._process is not None and self._process.poll() is None, self.log.read_text("utf-8")
        with contextlib.suppress(psycopg.OperationalError):
            return bool(self.one("SELECT true"))
        return False


class Ground:
    """The folder of some servers, and who runs them; as root somebody else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.account: Account = prepare_home(Home(folder / "home"))
        self._programs = programs(Home(folder / "home"), self.account)
        self.passfile = folder / "pgpass"
        self._password = secrets.token_urlsafe(18)
        self.account.give(folder)
        folder.chmod(0o711)
        for file, text in ((self.passfile, f"*:*:*:*:{self._password}\n"), (folder / "password", self._password)):
            file.touch(mode=0o600)
            file.write_text(text)
            shutil.chown(file, self.account.uid, self.account.gid)

    def program(self, name: str) -> str:
        """One of PostgreSQL's, where the account can execute it."""
        return str(self._programs / name)

    def run(self, name: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs to its end."""
        command = [self.program(name), *arguments]
        run = subprocess.run(command, capture_output=True, check=False, **self.account.spawning())
        assert run.returncode == 0, run.stderr.decode(errors="replace")

    def first(self, name: str) -> Server:
        """A new database's server."""
        server = Server(self, name)
        self.run(
            "initdb",
            *("--pgdata", str(server.data), "--username", SUPERUSER, "--pwfile", str(self.folder / "password")),
            *(
                "--no-sync",
                "--encoding",
                "UTF8",
                "--locale",
                "C",
                "--auth-local",
                "reject",
                "--auth-host",
                "scram-sha-256",
            ),
            *(word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")),
        )
        return server


@contextmanager
def ground() -> Iterator[Ground]:
    """Where the servers of a test live."""
    with open_folder() as folder:
        yield Ground(folder)


def _shown(connection: psycopg.Connection[Any], name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])
