"""The embedded server: started for its first user, waited for, stopped by its last.

Where to start reading: `use`, which is all that the other modules call. How the locks work is told in `last_out`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from psycopg import pq
from psycopg.conninfo import make_conninfo

from kanjo.db import binaries, cluster, last_out, settings
from kanjo.db import home as homes
from kanjo.db.account import Account, server_account
from kanjo.db.home import Home
from kanjo.errors import SystemFailed

Tell = Callable[[str], None]

# A postmaster opens its socket before it recovers, so one that lives and stays silent this long never will.
SILENT_S_MAX = 120.0
STARTS_MAX = 5
LOG_LINES_SHOWN = 8

# Kept so that a server which ends before us is reaped and not reported as a forgotten child.
_children: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    home: Home
    socket: Path
    account_name: str

    def conninfo(self, database_name: str) -> str:
        """How to reach a database of this server; libpq checks who listens at the other end (`requirepeer`)."""
        return make_conninfo(
            host=str(self.socket),
            port=5432,
            user=settings.SUPERUSER,
            dbname=database_name,
            requirepeer=self.account_name,
            sslmode="disable",
            gssencmode="disable",
        )


@contextlib.contextmanager
def use(home: Home, tell: Tell = last_out.nothing) -> Iterator[Running]:
    """Use the server of `home`: start it if none runs, count as a user meanwhile, stop it if nobody else is left."""
    account = homes.prepare(home)
    try:
        users = _enter(home, tell)
        try:
            yield _ensure_running(home, account, tell)
        finally:
            os.close(users)
            last_out.stop_if_unused(home.path, tell)
            for child in _children:
                child.poll()
            _children[:] = [child for child in _children if child.returncode is None]
    except OSError as error:
        raise _explain(error, home) from error


def _explain(error: OSError, home: Home) -> SystemFailed:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return cluster.disk_full(home.path)
    raise error


def find(home: Home) -> Running | None:
    """The server of `home` if one runs and answers; starts nothing and changes nothing."""
    if not home.start_lock.exists() or not home.data.exists():
        return None
    with _deciding(home, last_out.nothing):
        if not last_out.server_lives(home.path):
            return None
    socket = Path(str(last_out.read_record(home.path).get("socket") or home.path / "run"))
    running = Running(home, socket, server_account(home.data).name)
    return running if pq.PGconn.ping(running.conninfo("postgres").encode()) == pq.Ping.OK else None


def _enter(home: Home, tell: Tell) -> int:
    """Become a user. Under `start.lock`, so that nobody stops the server between our look and our use."""
    with _deciding(home, tell):
        return last_out.take(home.users_lock, fcntl.LOCK_SH)


@contextlib.contextmanager
def _deciding(home: Home, tell: Tell) -> Iterator[None]:
    """Hold `start.lock`: another command may be stopping a server, which can take a while."""
    began = told = time.monotonic()
    pause_s = last_out.WAIT_MIN_S
    while (lock := last_out.take_now(home.start_lock, fcntl.LOCK_EX)) is None:
        if time.monotonic() - told >= 1:
            told = time.monotonic()
            tell(f"waiting for another command to start or stop the database, {told - began:.0f} s")
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, last_out.WAIT_MAX_S)
    try:
        yield
    finally:
        os.close(lock)


def _ensure_running(home: Home, account: Account, tell: Tell) -> Running:
    for _ in range(STARTS_MAX):
        with _deciding(home, tell):
            started = _start_if_none_lives(home, account, tell)
            socket = Path(str(last_out.read_record(home.path).get("socket") or home.path / "run"))
        running = Running(home, socket, account.name)
        if _wait_until_ready(running, tell):
            return running
        if started:
            raise _died(home)
        # The server that we found went away (the remains of a killed one): the next round starts a new one.
    raise _died(home)


def _start_if_none_lives(home: Home, account: Account, tell: Tell) -> bool:
    lock = last_out.take_now(home.server_lock, fcntl.LOCK_EX)
    if lock is None:
        return False
    try:
        programs = binaries.programs(home, account)
        socket = homes.socket_folder(home, account)
        if not home.data.exists():
            tell("making the database's files")
        cluster.ensure(home, account, programs)
        cluster.configure(home)
        cluster.forget_dead_server(home, socket)
        last_out.write_record(lock, {"socket": str(socket)})
        child = _spawn(home, account, programs, socket, lock)
        last_out.write_record(lock, {"pid": child.pid, "socket": str(socket)})
    finally:
        os.close(lock)  # the postmaster holds its own copy now; ours must not keep the lock alive
    watch(home)
    return True


def _spawn(home: Home, account: Account, programs: Path, socket: Path, lock: int) -> subprocess.Popen[bytes]:
    with contextlib.suppress(FileNotFoundError):
        home.log.replace(home.log.with_suffix(".log.1"))
    log = os.open(home.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        child = subprocess.Popen(
            [
                *(str(programs / "postgres"), "-D", str(home.data)),
                *("-c", f"config_file={home.settings / 'postgresql.conf'}"),
                *("-c", f"hba_file={home.settings / 'pg_hba.conf'}"),
                *("-c", f"ident_file={home.settings / 'pg_ident.conf'}"),
                *("-c", f"unix_socket_directories={_listed(socket)}", "-c", "port=5432", "-c", "logging_collector=off"),
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(lock,),
            **account.spawning(),
        )
    finally:
        os.close(log)
    _children.append(child)
    return child


def _listed(folder: Path) -> str:
    """A folder as one element of PostgreSQL's list of folders."""
    return '"' + str(folder).replace('"', '""') + '"'


def watch(home: Home) -> None:
    """Start the watcher, which stops the server even when its users were all killed."""
    if not sys.executable:
        return
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", last_out.__file__, str(home.path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    _children.append(child)


def _wait_until_ready(running: Running, tell: Tell) -> bool:
    """Wait until the server answers (True) or is gone (False); recovery may take as long as it takes."""
    target = running.conninfo("postgres").encode()
    home = running.home
    began = told = heard = time.monotonic()
    pause_s = last_out.WAIT_MIN_S
    while True:
        answer = pq.PGconn.ping(target)
        if answer == pq.Ping.OK:
            return True
        now = time.monotonic()
        if answer == pq.Ping.REJECT:
            heard = now
        elif (lock := last_out.take_now(home.start_lock, fcntl.LOCK_EX)) is not None:
            try:
                if not last_out.server_lives(home.path):
                    return False
            finally:
                os.close(lock)
        if now - heard > SILENT_S_MAX:
            raise SystemFailed(
                "server-silent",
                f"A server process of {home.path} lives but does not answer on its socket in {running.socket}. See "
                f"{home.log}; end its processes and run the command again.",
                log=str(home.log),
            )
        if now - told >= 1:
            told = now
            tell(f"{_doing(home)}, {now - began:.0f} s")
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, last_out.WAIT_MAX_S)


def _doing(home: Home) -> str:
    if "automatic recovery in progress" in _log_tail(home, lines_max=200):
        return "the database is recovering after a crash"
    return "the database is starting"


def _log_tail(home: Home, lines_max: int = LOG_LINES_SHOWN) -> str:
    try:
        with home.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 64_000))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines_max:])
    except OSError:
        return ""


def _died(home: Home) -> SystemFailed:
    tail = _log_tail(home)
    if "No space left on device" in tail or "Disk quota exceeded" in tail:
        return cluster.disk_full(home.path)
    return SystemFailed(
        "server-died",
        f"The database server ended while it was starting. The last lines of {home.log}:\n{tail}",
        log=str(home.log),
    )
