"""What a restore brought back and what it forgot: the report that two persons read before they open the doors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path

import msgspec

from kanjo.errors import SystemFailed, WrongUsage
from kanjo.folders import write_whole

FILE = "restore.json"
LATER = "later-keys.csv"
SHOWN_MAX = 100

Key = tuple[str, str]
"""Client and key."""


class Later(msgspec.Struct, frozen=True):
    """An instruction that was answered after the moment of the restore: the bank has told its outcome to somebody."""

    client: str
    key: str


class LaterFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file for others that the bank may have sent after the moment of the restore, and that the restored ledger would
    send again. `file`: `outgoing` or `result`; `digest`: of the loaded file that the run was made of.
    """

    run: int
    file: str
    business: str
    date: date
    digest: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A restore. `later` shows the first keys that were answered later than `restored_to`; all of them, `later_count`,
    stand in `later_file`, whose SHA-256 is `later_sha256`. They are those of the log, which was drawn until
    `log_until`: what the source answered after that is not known here. The same holds for `later_files`.
    """

    backup: str
    system_identifier: str
    restored_to: datetime
    log_until: datetime
    business_date: date | None
    epoch: int
    check_ok: bool
    laws_broken: tuple[str, ...]
    later_count: int
    later_file: str
    later_sha256: str
    later: tuple[Later, ...]
    later_files: tuple[LaterFile, ...] = ()


def later_keys(restored: Iterable[Key], at_end: Iterable[Key]) -> Iterator[Key]:
    """What the log's end has and the restored ledger has not; both in order. A key is never forgotten on the way (C-2).

    Error: `restore-inconsistent`.
    """
    wanted = iter(restored)
    next_restored = next(wanted, None)
    for key in at_end:
        if key == next_restored:
            next_restored = next(wanted, None)
        else:
            yield key
    if next_restored is not None:
        raise SystemFailed(
            "restore-inconsistent",
            f"The restored ledger has the key {next_restored[1]} of {next_restored[0]}, which the log's end has not.",
        )


def write_report(folder: Path, report: Report) -> str:
    """Write it and return its digest."""
    content = msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
    write_whole(folder / FILE, content)
    return _digest(content)


def read_report(file: Path) -> Report:
    """A report from its file. Error: `file-unreadable`."""
    return msgspec.json.decode(_content(file), type=Report)


def digest_of_report(file: Path) -> str:
    """What two persons sign: the report to its last byte. Error: `file-unreadable`."""
    read_report(file)
    return _digest(_content(file))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _content(file: Path) -> bytes:
    try:
        content = file.read_bytes()
        msgspec.json.decode(content, type=Report)
    except (OSError, msgspec.DecodeError) as error:
        raise WrongUsage("file-unreadable", f"{file} is no report of a restore: {error}", file=str(file)) from error
    return content
