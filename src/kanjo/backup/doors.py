"""The doors of a restored ledger: shut in a new epoch, opened by two persons who signed the restore's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg

from kanjo.backup.create import SQL
from kanjo.db import Database, explain
from kanjo.errors import Refused

if TYPE_CHECKING:
    from kanjo.sites.person import Signature


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """A life of the ledger (世代). The first was not restored; a later one was, and is shut until it is released."""

    epoch: int
    began_at: datetime
    backup: str | None
    restored_to: datetime | None
    digest: str | None
    released_at: datetime | None
    signatures: list[dict[str, str]] | None


def epochs(database: Database) -> list[Epoch]:
    """All lives of this ledger, the current one last."""
    try:
        with database.connect(role="owner") as connection:
            return _epochs(connection)
    except psycopg.Error as error:
        raise explain(error) from error


def release(database: Database, signatures: Sequence[Signature], persons: Mapping[str, str]) -> Epoch:
    """Open the doors. Errors: `doors-open` (nothing to release), and those of `require_two`; then they stay shut."""
    from kanjo.sites.person import require_two  # needs the extra `sites`, and backups shall not

    try:
        with database.connect(role="owner") as connection:
            row = connection.execute(SQL["lock_day"]).fetchone()
            assert row is not None
            current = _epochs(connection)[-1]
            if not row[0] or current.digest is None:
                raise Refused(
                    "doors-open", f"The doors of epoch {current.epoch} are open; there is nothing to release."
                )
            require_two(signatures, current.digest, persons)
            written = msgspec.json.encode(list(signatures)).decode()
            released = connection.execute(SQL["release_epoch"], {"epoch": current.epoch, "signatures": written})
            assert released.rowcount == 1
            connection.execute(SQL["open_doors"])
            return _epochs(connection)[-1]
    except psycopg.Error as error:
        raise explain(error) from error


def _epochs(connection: psycopg.Connection[Any]) -> list[Epoch]:
    names = Epoch.__struct_fields__
    rows = connection.execute(SQL["read_epochs"]).fetchall()
    return [msgspec.convert(dict(zip(names, row, strict=True)), Epoch) for row in rows]
