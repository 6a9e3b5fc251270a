"""Prove that a backup and the log behind it are whole: by our checksums, and by PostgreSQL's own judgement."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from kanjo.backup.catalogue import Backup, chain
from kanjo.backup.create import PARTIAL
from kanjo.backup.store import Store, read_sums
from kanjo.backup.sums import Sum, first_difference, sum_of
from kanjo.db import run_program
from kanjo.errors import Refused, SystemFailed


class Damage(msgspec.Struct, frozen=True):
    """A file that is not as it was; `byte`: where the first page that differs begins. None: PostgreSQL says so."""

    file: str
    byte: int | None
    found: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, and all that is not whole."""

    ok: bool
    backups: tuple[str, ...]
    files: int
    damages: tuple[Damage, ...]


def verify(store: Store, backup_id: str | None = None) -> Verdict:
    """Read every byte of the backups (or of one, with those it stands on) and of the log from its start.

    Errors: `backup-none`, `backup-unknown`, `backup-damaged` (a catalogue that cannot be read).
    """
    known = store.backups()
    drawn = store.drawn()
    if not known or drawn is None:
        raise Refused("backup-none", f"There is no complete backup in {store.path}.")
    asked = known if backup_id is None else [one for one in known if one.id == backup_id]
    if not asked:
        raise Refused("backup-unknown", f"There is no complete backup {backup_id} in {store.path}.")
    wanted = {one.id: one for last in asked for one in chain(known, last)}
    damages: list[Damage] = []
    count = 0
    for backup in wanted.values():
        found, files = _of_backup(store, backup)
        damages += found
        count += files
    for name, expected in drawn.files.items():
        count += 1
        damages += _of_log_file(store.log, name, expected)
    if not damages:
        damages += _judged(store, list(wanted.values()))
    return Verdict(ok=not damages, backups=tuple(wanted), files=count, damages=tuple(damages))


def require_whole(store: Store, backup: Backup) -> None:
    """Error: `backup-damaged`, which names the first damage."""
    verdict = verify(store, backup.id)
    if not verdict.ok:
        first = verdict.damages[0]
        raise SystemFailed(
            "backup-damaged",
            f"{first.file}{'' if first.byte is None else f' from byte {first.byte}'}: {first.found}. Restore from "
            "another copy of the store.",
            file=first.file,
            byte=first.byte,
        )


def _of_backup(store: Store, backup: Backup) -> tuple[list[Damage], int]:
    data = store.data(backup)
    content = store.sums(backup)
    if hashlib.sha256(content).hexdigest() != backup.sums_sha256:
        return [Damage(str(data.with_name("sums.json")), 0, "the list of checksums was changed")], 0
    sums = read_sums(content)
    damages = [found for name, expected in sums.items() for found in _of_file(data / name, expected)]
    strangers = {str(file.relative_to(data)) for file in data.rglob("*") if file.is_file()} - sums.keys()
    damages += [Damage(str(data / name), 0, "this file is not of the backup") for name in sorted(strangers)]
    return damages, len(sums)


def _of_log_file(folder: Path, name: str, expected: Sum) -> list[Damage]:
    """A segment that was not full when it was drawn may have been filled by a later draw that was killed."""
    path = folder / name
    if name.endswith(PARTIAL):
        path = path if path.exists() else folder / name.removesuffix(PARTIAL)
        return _of_file(path, expected, expected.bytes)
    return _of_file(path, expected)


def _of_file(path: Path, expected: Sum, bytes_max: int | None = None) -> list[Damage]:
    try:
        byte = first_difference(expected, sum_of(path, bytes_max))
    except OSError as error:
        return [Damage(str(path), 0, f"it cannot be read: {error.strerror}")]
    return [] if byte is None else [Damage(str(path), byte, "it is not as it was written")]


def _judged(store: Store, backups: list[Backup]) -> list[Damage]:
    """PostgreSQL reads its manifests itself: our sums only say that nothing changed since."""
    damages = []
    for backup in backups:
        try:
            run_program("pg_verifybackup", ["--no-parse-wal", "--quiet", store.data(backup)])
        except SystemFailed as error:
            damages.append(Damage(str(store.data(backup)), None, error.message))
    return damages
