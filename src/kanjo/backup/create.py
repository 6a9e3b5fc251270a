"""Make a base backup and draw the log; the server keeps its log until it was drawn, so that no byte is lost between."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from kanjo.backup.catalogue import Backup, Log, lsn_number
from kanjo.backup.store import UNFINISHED, Store
from kanjo.backup.sums import sum_of
from kanjo.db import Database, explain, run_program
from kanjo.db.queries import Queries
from kanjo.errors import Refused, SystemFailed
from kanjo.folders import sync_folder, write_whole

SQL = Queries(__package__)
PARTIAL = ".partial"
SHARED_SLOT = "kanjo_backup"
"""A slot of this name that is there already is used: what manages the servers keeps it on those that may take over."""
GONE = ("has already been removed", "not in this server's history")
Tell = Callable[[str], None]


class _Mark(msgspec.Struct, frozen=True):
    """A commit of our own: all that was committed before `at` stands before `lsn` in the log."""

    at: datetime
    lsn: str
    business_date: date | None
    epoch: int


def create(database: Database, store: Store, tell: Tell, *, full: bool = False) -> Backup:
    """Make a backup on top of the last one where the server can, else a full one; complete or not there at all.

    Errors: `backup-store-busy`, `backup-store-foreign`, `backup-of-standby`, `backup-tool-failed`.
    """
    with store.alone(), _session(database) as (server, connection):
        system, began_at = _server(connection)
        slot = _keep_log(connection, store, system)
        parent = None if full else max(store.backups(), key=lambda one: one.ended_at, default=None)
        backup_id = f"{began_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        folder = store.base / UNFINISHED
        folder.mkdir(mode=0o700)
        tell("copying the database's files")
        parent = _copy(server, store, parent)
        ended_at = _server(connection)[1]
        tell("drawing the log")
        mark = _draw(server, connection, store, slot)
        tell("summing up")
        data = folder / "data"
        sums = {str(file.relative_to(data)): sum_of(file) for file in sorted(data.rglob("*")) if file.is_file()}
        written = msgspec.json.encode(sums)
        write_whole(folder / "sums.json", written)
        [span] = msgspec.json.decode((data / "backup_manifest").read_bytes())["WAL-Ranges"]
        backup = Backup(
            id=backup_id,
            parent=parent.id if parent else None,
            system_identifier=system,
            timeline=span["Timeline"],
            start_lsn=span["Start-LSN"],
            end_lsn=span["End-LSN"],
            began_at=began_at,
            ended_at=ended_at,
            business_date=mark.business_date,
            epoch=mark.epoch,
            bytes=sum(one.bytes for one in sums.values()),
            sums_sha256=_sha256(written),
        )
        write_whole(folder / "backup.json", msgspec.json.encode(backup))
        folder.rename(store.base / backup_id)
        sync_folder(store.base)
    return backup


def draw(database: Database, store: Store) -> Log:
    """Draw the log up to now: every moment until then can be restored. Error: `backup-none` before the first backup."""
    with store.alone(), _session(database) as (server, connection):
        if not store.backups():
            raise Refused("backup-none", f"There is no backup in {store.path} yet: `kanjo backup create`.")
        slot = _keep_log(connection, store, _server(connection)[0])
        _draw(server, connection, store, slot)
        drawn = store.drawn()
    assert drawn is not None
    return drawn


def end(database: Database, store: Store) -> None:
    """Let the server keep nothing for this store any more. The store stays as it is, and takes no more log."""
    with store.alone(), _session(database) as (_, connection):
        named = store.named(_server(connection)[0])
        store.name(msgspec.structs.replace(named, ended=True))
        connection.execute(SQL["drop_slot"], {"slot": named.slot})
        connection.execute(SQL["forget_summaries"])
        connection.execute(SQL["reload"])


@contextmanager
def _session(database: Database) -> Iterator[tuple[Database, psycopg.Connection[Any]]]:
    """One server whose commits are answered, and that server alone: PostgreSQL's own programs stop at the first host
    that turns them away, or would copy another server than the one that keeps the log.
    """
    with database.connect(role="owner", autocommit=True, to_post=True) as connection:
        yield database.at(connection.info), connection


def _server(connection: psycopg.Connection[Any]) -> tuple[str, datetime]:
    row = connection.execute(SQL["read_server"]).fetchone()
    assert row is not None
    system, standby, now = row
    if standby:
        raise Refused("backup-of-standby", "This server is a standby; make the backup on the primary.")
    return str(system), now.astimezone(UTC)


def _keep_log(connection: psycopg.Connection[Any], store: Store, system: str) -> str:
    """The slot that holds the log back in the server. Where another one took over there is none: it is made, and what
    is drawn next shows whether the log behind the store is still there. Error: `backup-log-gap`.
    """
    try:
        row = connection.execute(SQL["read_life"]).fetchone()
        assert row is not None
        epoch, has_shared, summarizes = row
        named = store.named(system, SHARED_SLOT if has_shared else None)
        if named.ended:
            raise _gap(store, "it was given up by `kanjo backup end`")
        if (backups := store.backups()) and backups[-1].epoch != epoch:
            raise _gap(store, f"this ledger was restored since and is in epoch {epoch}, not {backups[-1].epoch}")
        found = connection.execute(SQL["read_slot"], {"slot": named.slot}).fetchone()
        if found is not None and found[0] == "lost":
            connection.execute(SQL["drop_slot"], {"slot": named.slot})
            found = None
        if found is None:
            connection.execute(SQL["create_slot"], {"slot": named.slot})
        if not summarizes:
            connection.execute(SQL["summarize"])
            connection.execute(SQL["reload"])
    except psycopg.Error as error:
        raise explain(error) from error
    return named.slot


def _gap(store: Store, why: str) -> SystemFailed:
    return SystemFailed(
        "backup-log-gap",
        f"What comes cannot be joined to the log in {store.path}: {why}. What is there can still be restored; begin a "
        "new store for what comes.",
        store=str(store.path),
    )


def _copy(database: Database, store: Store, parent: Backup | None) -> Backup | None:
    """Copy the files: what changed since `parent`, or all of them when there is none or the server cannot tell."""
    target = store.base / UNFINISHED / "data"
    always: list[str | Path] = [
        "--pgdata",
        target,
        "--wal-method",
        "none",
        "--checkpoint",
        "fast",
        "--manifest-checksums",
        "SHA256",
    ]
    if parent is not None:
        try:
            run_program("pg_basebackup", [*always, "--incremental", store.data(parent) / "backup_manifest"], database)
            return parent
        except SystemFailed as error:
            if "incremental" not in error.message and "summar" not in error.message:
                raise
    run_program("pg_basebackup", always, database)
    return None


def _draw(database: Database, connection: psycopg.Connection[Any], store: Store, slot: str) -> _Mark:
    mark = _mark(connection)
    try:
        run_program(
            "pg_receivewal", ["--directory", store.log, "--slot", slot, "--endpos", mark.lsn, "--no-loop"], database
        )
    except SystemFailed as error:
        if not any(words in error.message for words in GONE):
            raise
        connection.execute(SQL["drop_slot"], {"slot": slot})
        raise _gap(store, "the server does not have the log that follows it") from error
    _drop_overtaken(store.log)
    known = store.drawn()
    files = {name: one for name, one in (known.files if known else {}).items() if not name.endswith(PARTIAL)}
    for file in sorted(store.log.iterdir()):
        if file.name not in files:
            length = lsn_number(mark.lsn) % file.stat().st_size if file.name.endswith(PARTIAL) else None
            files[file.name] = sum_of(file, length)
    sync_folder(store.log)
    store.draw_to(Log(until=mark.at, lsn=mark.lsn, files=files))
    return mark


def _drop_overtaken(log: Path) -> None:
    """A segment that a primary left unfinished is in its successor's log too, as far as that one had it."""
    names = {file.name for file in log.iterdir()}
    for name in names:
        later = (one for one in names if one[8:24] == name[8:24] and one[:8] > name[:8])
        if name.endswith(PARTIAL) and any(later):
            (log / name).unlink()


def _mark(connection: psycopg.Connection[Any]) -> _Mark:
    connection.execute(SQL["flush_here"])
    row = connection.execute(SQL["mark"]).fetchone()
    flushed = connection.execute(SQL["read_flushed"]).fetchone()
    assert row is not None and flushed is not None
    return _Mark(row[1].astimezone(UTC), str(flushed[0]), row[2], row[3])


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
