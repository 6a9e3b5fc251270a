"""The way back: a new home with the ledger as it stood at a moment, proved, with its doors shut.

All is done under another name beside it, where nobody else can write; the home gets its name last. Nothing that was
killed on the way ever serves.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from kanjo import check
from kanjo.backup.catalogue import Backup, Log, base_for, chain, ends_after, lsn_number
from kanjo.backup.create import PARTIAL, SQL
from kanjo.backup.report import LATER, SHOWN_MAX, Key, Later, LaterFile, Report, later_keys, write_report
from kanjo.backup.store import Store
from kanjo.backup.verify import require_whole
from kanjo.db import Planted, explain, run_program
from kanjo.errors import Refused
from kanjo.folders import sync_folder

Tell = Callable[[str], None]
KEYS = "keys-at-end.csv"
END = "end"


def restore(store: Store, moment: datetime, into: Path, tell: Tell) -> Report:
    """Bring the ledger back as it stood at `moment` into a new home, shut, in a new epoch.

    Errors: `restore-into-taken`, `backup-none`, `restore-too-early` (before the first backup), `restore-too-late` (the
    log was not drawn that far), `backup-damaged`, `server-died` (the log could not be applied).
    """
    into = into.expanduser().resolve()
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise Refused("restore-into-taken", f"{into} is there already; a restore makes a new home.", into=str(into))
    with store.alone():
        backup, log = _chosen(store, moment)
        tell("verifying the backup")
        require_whole(store, backup)
        unfinished = into.with_name(into.name + ".unfinished")
        with _work_in(unfinished):
            tell("applying the log to its end, to learn what was answered later")
            files_at_end = _known_at_end(store, backup, log, unfinished)
            tell(f"applying the log to {moment.isoformat()}")
            report = _restored(store, backup, log, moment, unfinished, files_at_end)
            (unfinished / KEYS).unlink()
            sync_folder(unfinished)
            unfinished.rename(into)
            sync_folder(into.parent)
    return report


def _chosen(store: Store, moment: datetime) -> tuple[Backup, Log]:
    backups, log = store.backups(), store.drawn()
    if not backups or log is None:
        raise Refused("backup-none", f"There is no complete backup in {store.path}.")
    if moment >= log.until:
        raise Refused(
            "restore-too-late",
            f"The log was drawn until {log.until.isoformat()}; to restore a later moment, draw it first: "
            "`kanjo backup log`.",
            until=log.until.isoformat(),
        )
    backup = base_for(backups, moment)
    if backup is None:
        raise Refused(
            "restore-too-early",
            f"The first backup ended at {backups[0].ended_at.isoformat()}; no earlier moment can be restored.",
            earliest=backups[0].ended_at.isoformat(),
        )
    return backup, log


@contextlib.contextmanager
def _work_in(folder: Path) -> Iterator[None]:
    """What a killed restore left there is removed first; what this one leaves when it fails, too."""
    _remove(folder)
    try:
        yield
    except BaseException:
        _remove(folder)
        raise


def _remove(folder: Path) -> None:
    """Remove an unfinished home, and stop the server in it that a killed restore left. Error: `restore-into-taken`."""
    if not all(Planted.rests(home) for home in (folder / END, folder)):
        raise Refused("restore-into-taken", f"Somebody uses the database in {folder}.", into=str(folder))
    shutil.rmtree(folder, ignore_errors=True)


def _plant(store: Store, backup: Backup, log: Log, home: Path, until: datetime | None) -> Planted:
    def fill(target: Path) -> None:
        parts = [store.data(one) for one in chain(store.backups(), backup)]
        # the copy that lives to the end of the log is thrown away: it need not reach the disk
        hasty = [] if until else ["--no-sync"]
        run_program("pg_combinebackup", ["--output", target, *hasty, *parts])
        first = lsn_number(backup.start_lsn)
        wal = target / "pg_wal"
        for name in log.files:
            source = store.log / name
            bare = name.removesuffix(PARTIAL)
            source = source if source.exists() else store.log / bare
            if bare.endswith(".history") or ends_after(bare, source.stat().st_size, first):
                shutil.copyfile(source, wal / bare)

    return Planted.plant(home, fill, until)


def _known_at_end(store: Store, backup: Backup, log: Log, folder: Path) -> tuple[LaterFile, ...]:
    """A second copy lives to the end of the log just to be asked for its keys, written down, and its files."""
    planted = _plant(store, backup, log, folder / END, None)
    with (
        planted.opened(schema=False) as database,
        database.connect(role="owner") as connection,
        (folder / KEYS).open("w", encoding="utf-8", newline="") as text,
    ):
        csv.writer(text).writerows(_keys(connection))
        files = _files(connection)
    shutil.rmtree(folder / END)
    return files


def _restored(
    store: Store, backup: Backup, log: Log, moment: datetime, folder: Path, files_at_end: tuple[LaterFile, ...]
) -> Report:
    planted = _plant(store, backup, log, folder, moment)
    try:
        with planted.opened() as database, database.connect(role="owner", autocommit=True) as connection:
            with connection.transaction():
                connection.execute(SQL["shut"])
            proof = check.prove(connection)
            count, shown, sha256 = _write_later(connection, folder)
            epoch = _next_epoch(store, connection)
            sent = _files(connection)
            day = connection.execute(SQL["read_business_date"]).fetchone()
            assert day is not None
            report = Report(
                backup=backup.id,
                system_identifier=backup.system_identifier,
                restored_to=moment,
                log_until=log.until,
                business_date=day[0],
                epoch=epoch,
                check_ok=proof.ok,
                laws_broken=tuple(law.name for law in proof.laws if law.ok is False),
                later_count=count,
                later_file=LATER,
                later_sha256=sha256,
                later=shown,
                later_files=tuple(one for one in files_at_end if one not in sent),
            )
            facts = {"epoch": epoch, "backup": backup.id, "restored_to": moment, "digest": write_report(folder, report)}
            connection.execute(SQL["begin_epoch"], facts)
    except psycopg.Error as error:
        raise explain(error) from error
    planted.settle()
    return report


def _write_later(connection: psycopg.Connection[Any], folder: Path) -> tuple[int, tuple[Later, ...], str]:
    count = 0
    shown: list[Later] = []
    file = folder / LATER
    with (
        (folder / KEYS).open(encoding="utf-8", newline="") as at_end,
        file.open("w", encoding="utf-8", newline="") as text,
    ):
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("client", "key"))
        for client, key in later_keys(_keys(connection), ((row[0], row[1]) for row in csv.reader(at_end))):
            writer.writerow((client, key))
            count += 1
            if len(shown) < SHOWN_MAX:
                shown.append(Later(client, key))
    with file.open("rb") as content:
        return count, tuple(shown), hashlib.file_digest(content, "sha256").hexdigest()


def _keys(connection: psycopg.Connection[Any]) -> Iterator[Key]:
    with connection.cursor() as cursor, cursor.copy(SQL["copy_keys"]) as copy:
        copy.set_types(["text", "text"])
        yield from copy.rows()


def _files(connection: psycopg.Connection[Any]) -> tuple[LaterFile, ...]:
    """Those that may have been sent."""
    return tuple(
        LaterFile(run=run, file=file, business=business, date=date, digest=digest)
        for run, file, business, date, digest in connection.execute(SQL["read_files"])
    )


def _next_epoch(store: Store, connection: psycopg.Connection[Any]) -> int:
    """Higher than any that this store ever gave, so that two restores of one backup are not taken for each other."""
    named = store.known()
    row = connection.execute(SQL["read_highest_epoch"]).fetchone()
    assert named is not None and row is not None
    epoch: int = max(named.epoch, row[0]) + 1
    store.name(msgspec.structs.replace(named, epoch=epoch))
    return epoch
