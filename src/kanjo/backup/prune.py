"""Remove old backups and the log that only they need; what is kept is proved first, and a chain stays whole."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime

import msgspec

from kanjo.backup.catalogue import Backup, base_for, chain, ends_after, lsn_number
from kanjo.backup.create import PARTIAL
from kanjo.backup.store import UNFINISHED, Store
from kanjo.backup.verify import require_whole
from kanjo.errors import Refused
from kanjo.folders import sync_folder

HISTORY = ".history"


class Pruning(msgspec.Struct, frozen=True, kw_only=True):
    """What goes and what stays. Any moment from `earliest` on can be restored afterwards."""

    removed: tuple[str, ...]
    kept: tuple[str, ...]
    segments: tuple[str, ...]
    bytes: int
    earliest: datetime


def newest(backups: Sequence[Backup], count: int) -> list[Backup]:
    """The newest `count`, and those they stand on."""
    return _with_parents(backups, backups[-count:])


def since(backups: Sequence[Backup], moment: datetime) -> list[Backup]:
    """All that is needed to restore any moment from this one on. Error: `restore-too-early` when none ended by then."""
    first = base_for(list(backups), moment)
    if first is None:
        raise Refused(
            "restore-too-early",
            f"The first backup ended at {backups[0].ended_at.isoformat()}; nothing older is there to be removed.",
            earliest=backups[0].ended_at.isoformat(),
        )
    return _with_parents(backups, [one for one in backups if one.ended_at >= first.ended_at])


def prune(store: Store, *, keep: int | None = None, until: datetime | None = None, plan_only: bool = False) -> Pruning:
    """Keep the newest `keep` backups, or what restores any moment from `until` on, and remove the rest.

    Errors: `backup-none`, `backup-damaged` (what would be kept is not whole: nothing is removed), `backup-store-busy`.
    """
    assert (keep is None) != (until is None) and (keep is None or keep >= 1)
    with store.alone():
        backups, log = store.backups(), store.drawn()
        if not backups or log is None:
            raise Refused("backup-none", f"There is no complete backup in {store.path}.")
        kept = newest(backups, keep) if keep is not None else since(backups, until or backups[-1].ended_at)
        removed = [one for one in reversed(backups) if one not in kept]  # what stands on another goes before it
        first = min(lsn_number(one.start_lsn) for one in kept)
        files = {name: one for name, one in log.files.items() if _is_needed(name, one.bytes, first)}
        gone = sorted(log.files.keys() - files.keys())
        found = Pruning(
            removed=tuple(one.id for one in removed),
            kept=tuple(one.id for one in kept),
            segments=tuple(gone),
            bytes=sum(one.bytes for one in removed) + sum(log.files[name].bytes for name in gone),
            earliest=kept[0].ended_at,
        )
        if plan_only or not (removed or gone):
            return found
        for one in _tips(kept):
            require_whole(store, one)
        for one in removed:
            (store.base / one.id).rename(store.base / UNFINISHED)
            sync_folder(store.base)
            shutil.rmtree(store.base / UNFINISHED)
        store.draw_to(msgspec.structs.replace(log, files=files))
        for name in gone:
            (store.log / name).unlink(missing_ok=True)
        sync_folder(store.log)
    return found


def _with_parents(backups: Sequence[Backup], wanted: Sequence[Backup]) -> list[Backup]:
    needed = {one.id for last in wanted for one in chain(list(backups), last)}
    return [one for one in backups if one.id in needed]


def _tips(kept: Sequence[Backup]) -> list[Backup]:
    """Those on which no other stands: proving them proves all."""
    parents = {one.parent for one in kept}
    return [one for one in kept if one.id not in parents]


def _is_needed(name: str, length: int, first: int) -> bool:
    """A segment that was not full when it was drawn is the last one."""
    return name.endswith((HISTORY, PARTIAL)) or ends_after(name, length, first)
