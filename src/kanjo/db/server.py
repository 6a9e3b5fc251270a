"""The embedded server: started for its first user, waited for, stopped by its last.

Where to start reading: `use`, which is all that the other modules call. How the locks work is told in `last_out`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
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
DISK_FREE_BYTES_MIN = 1 << 20
LOG_LINES_SHOWN = 8
NO_ROOM_RECENT_S = 60.0
"""A server that found no room and recovered is back within less; what it said before that is another story."""

# How long to wait for the stopped server and its watcher to be seen dead by their parent, us.
REAP_S_MAX = 1.0

# By home: servers and watchers that this process started, so that they are reaped when they end before it.
_children: dict[Path, list[subprocess.Popen[bytes]]] = {}


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
            hostaddr="",  # else PGHOSTADDR of the caller's environment would lead elsewhere
            target_session_attrs="any",
            requirepeer=self.account_name,
            sslmode="disable",
            gssencmode="disable",
        )


@contextlib.contextmanager
def use(home: Home, tell: Tell = last_out.nothing) -> Iterator[Running]:
    """Use the server of `home`: start it if none runs, count as a user meanwhile, stop it if nobody else is left."""
    with _explained(home):
        account = homes.prepare(home)
        held = _enter(home, tell)
    try:
        with _explained(home):
            running = _ensure_running(home, account, tell)
        yield running
    finally:
        _leave(home, held, tell)


@contextlib.contextmanager
def _explained(home: Home) -> Iterator[None]:
    """Say what an error of the file system means; only around our own work, never around the caller's."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise cluster.disk_full(home.path) from error
        if isinstance(error, TimeoutError):
            raise SystemFailed(
                "server-unstoppable",
                f"Processes of the database server of {home.path} live on although their postmaster is gone. End them "
                "(they are called postgres) and run the command again.",
                home=str(home.path),
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise homes.unwritable(home, error) from error
        raise


def _enter(home: Home, tell: Tell) -> tuple[int, int]:
    """Become a user. Under `start.lock`, so that nobody stops the server between our look and our use."""
    with _deciding(home, tell):
        users = last_out.take(home.users_lock, fcntl.LOCK_SH)
        try:
            return users, last_out.take(home.watch_lock, fcntl.LOCK_SH)
        except BaseException:
            os.close(users)
            raise


def _leave(home: Home, held: tuple[int, int], tell: Tell) -> None:
    """Stop being a user, and the server with it when nobody else is left."""
    users, watch_lock = held
    os.close(users)
    stopped = False
    try:
        # FileNotFoundError: somebody removed the folder under us
        with contextlib.suppress(FileNotFoundError), _explained(home):
            stopped = last_out.stop_if_unused(home.path, tell)
    finally:
        os.close(watch_lock)  # the watcher wakes only now, and finds nothing left to do
    _reap(home, wait_s=REAP_S_MAX if stopped else 0.0)


def _reap(home: Home, wait_s: float) -> None:
    """Take leave of our children that have ended, or end now because the server was stopped."""
    children = _children.pop(home.path, [])
    deadline = time.monotonic() + wait_s
    for child in children:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(max(0.0, deadline - time.monotonic()))
    if alive := [child for child in children if child.returncode is None]:
        _children[home.path] = alive


def keep(home: Home) -> None:
    """Let the server stay when its last user leaves."""
    with _explained(home):
        os.close(os.open(home.keep, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))


def release(home: Home, tell: Tell) -> None:
    """Undo `keep`: stop the server at once, or let it stop with the last of those who still use it."""
    with _explained(home):
        if not home.start_lock.exists():
            return
        home.keep.unlink(missing_ok=True)
        if not home.users_lock.exists():
            return
        if last_out.stop_if_unused(home.path, tell):
            _reap(home, REAP_S_MAX)
        else:
            watch(home)


def find(home: Home) -> Running | None:
    """The server of `home` if one lives; starts nothing and changes nothing. It may not answer yet: see `answers`."""
    with _explained(home):
        if not home.start_lock.exists() or not home.data.exists():
            return None
        with _deciding(home, last_out.nothing):
            if not last_out.server_lives(home.path):
                return None
        return Running(home, _recorded_socket(home), server_account(home.data).name)


def answers(running: Running) -> bool:
    """Whether the server takes connections now, which one that starts or recovers does not yet."""
    return pq.PGconn.ping(running.conninfo("postgres").encode()) == pq.Ping.OK


def _recorded_socket(home: Home) -> Path:
    return Path(str(last_out.read_record(home.path).get("socket") or home.path / "run"))


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
            running = Running(home, _recorded_socket(home), account.name)
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
        try:
            last_out.write_record(
                lock, {"pid": child.pid, "started": last_out.started(child.pid), "socket": str(socket)}
            )
        except OSError:
            child.kill()
            raise
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
    _children.setdefault(home.path, []).append(child)
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
    _children.setdefault(home.path, []).append(child)


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


def has_no_room(home: Home) -> bool:
    """Whether the disk is full, or was when the server last wrote to its log: it may have ended for that reason."""
    if shutil.disk_usage(home.path).free < DISK_FREE_BYTES_MIN:  # perhaps no room even to say so in the log
        return True
    recent_s = time.time() - NO_ROOM_RECENT_S
    return any(
        _is_since(line, recent_s) for line in _log_tail(home, lines_max=200).splitlines() if _tells_no_room(line)
    )


def _tells_no_room(text: str) -> bool:
    return "No space left on device" in text or "Disk quota exceeded" in text


def _is_since(line: str, since_s: float) -> bool:
    """Whether a line of the server's log was written since then; its time stands first, in UTC."""
    try:
        return datetime.strptime(line[:23] + "+0000", "%Y-%m-%d %H:%M:%S.%f%z").timestamp() >= since_s
    except ValueError:
        return False


def _died(home: Home) -> SystemFailed:
    tail = _log_tail(home)
    if has_no_room(home) or _tells_no_room(tail):
        return cluster.disk_full(home.path)
    return SystemFailed(
        "server-died",
        f"The database server ended while it was starting. The last lines of {home.log}:\n{tail}",
        log=str(home.log),
    )
