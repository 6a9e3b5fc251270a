"""What is known of a backup and of the log beside it: the files that are written last."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from kanjo.backup.sums import Sum


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """A complete base backup. `parent`: the backup whose unchanged blocks it leaves out; None when it holds all.

    Places in the log are PostgreSQL's (LSN); times are the server's own.
    """

    id: str
    parent: str | None
    system_identifier: str
    timeline: int
    start_lsn: str
    end_lsn: str
    began_at: datetime
    ended_at: datetime
    business_date: date | None
    epoch: int
    bytes: int
    sums_sha256: str


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """The drawn log: every moment before `until` can be restored, if a backup ended before it."""

    until: datetime
    lsn: str
    files: dict[str, Sum]


def lsn_number(lsn: str) -> int:
    """A place in the log as a number of bytes."""
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def ends_after(segment: str, length: int, place: int) -> bool:
    """A segment's name is its timeline, the number of 4 GiB of the log, and its own number in them; 8 digits each."""
    return (int(segment[8:16], 16) << 32) + (int(segment[16:24], 16) + 1) * length > place


def chain(backups: list[Backup], last: Backup) -> list[Backup]:
    """The backups that `last` is made of, the full one first."""
    by_id = {one.id: one for one in backups}
    found = [last]
    while (parent := found[0].parent) is not None:
        found.insert(0, by_id[parent])
    return found


def base_for(backups: list[Backup], moment: datetime) -> Backup | None:
    """The last backup that had ended by that moment."""
    return max((one for one in backups if one.ended_at <= moment), key=lambda one: one.ended_at, default=None)
