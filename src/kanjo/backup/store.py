"""The folder of backups: what lies where, and who may work in it.

store.json            the name of this store, and the last epoch given to a restore
base/ID/data/         PostgreSQL's base backup with its manifest
base/ID/sums.json     checksums of all its files
base/ID/backup.json   the catalogue; its folder gets the name ID only when all of this is on the disk
log/                  the drawn log, in segments
log.json              how far it was drawn, and its checksums
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from kanjo.backup.catalogue import Backup, Log
from kanjo.backup.sums import Sum
from kanjo.errors import Refused, SystemFailed
from kanjo.folders import write_whole

UNFINISHED = "unfinished"
_T = TypeVar("_T")


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """What the store knows of itself. `ended`: no more log comes into it."""

    slot: str
    system_identifier: str
    epoch: int = 1
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of backups of one server."""

    path: Path

    @property
    def base(self) -> Path:
        return self.path / "base"

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def _log_file(self) -> Path:
        return self.path / "log.json"

    @property
    def _named_file(self) -> Path:
        return self.path / "store.json"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Work in it as the only one; what a killed command left unfinished is removed. Error: `backup-store-busy`."""
        for folder in (self.path, self.base, self.log):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused(
                    "backup-store-busy",
                    f"Another command works in {self.path}; wait for its end.",
                    store=str(self.path),
                ) from None
            os.set_inheritable(descriptor, True)  # PostgreSQL's programs hold it too, should we be killed before them
            shutil.rmtree(self.base / UNFINISHED, ignore_errors=True)
            yield
        finally:
            os.close(descriptor)

    def named(self, system_identifier: str, slot: str | None = None) -> Named:
        """What it knows of itself, made at its first use. Error: `backup-store-foreign` (another server's)."""
        found = self.known()
        if found is None:
            own = f"kanjo_backup_{secrets.token_hex(4)}"
            found = Named(slot=slot or own, system_identifier=system_identifier)
            self.name(found)
        if found.system_identifier != system_identifier:
            raise Refused(
                "backup-store-foreign",
                f"{self.path} holds backups of another server (or of the one that this one was restored from). Choose "
                "another folder for this one.",
                store=str(self.path),
            )
        return found

    def known(self) -> Named | None:
        """What it knows of itself; None before its first use."""
        return self._read(self._named_file, Named) if self._named_file.exists() else None

    def name(self, named: Named) -> None:
        """Keep it."""
        write_whole(self._named_file, msgspec.json.encode(named))

    def backups(self) -> list[Backup]:
        """The complete ones, oldest first."""
        found = [self._read(file, Backup) for file in self.base.glob("[0-9]*/backup.json")]
        return sorted(found, key=lambda one: one.ended_at)

    def drawn(self) -> Log | None:
        """How far the log was drawn; None before the first backup."""
        return self._read(self._log_file, Log) if self._log_file.exists() else None

    def draw_to(self, log: Log) -> None:
        """Keep how far it was drawn."""
        write_whole(self._log_file, msgspec.json.encode(log))

    def data(self, backup: Backup) -> Path:
        """Where the files of a backup lie."""
        return self.base / backup.id / "data"

    def sums(self, backup: Backup) -> bytes:
        """The checksums of a backup, as they are written."""
        return (self.base / backup.id / "sums.json").read_bytes()

    def _read(self, file: Path, kind: type[_T]) -> _T:
        try:
            return msgspec.json.decode(file.read_bytes(), type=kind)
        except (OSError, msgspec.DecodeError) as error:
            raise SystemFailed("backup-damaged", f"{file} cannot be read: {error}.", file=str(file), byte=0) from error


def read_sums(content: bytes) -> dict[str, Sum]:
    """The checksums by path."""
    return msgspec.json.decode(content, type=dict[str, Sum])
