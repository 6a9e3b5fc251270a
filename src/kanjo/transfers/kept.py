"""What is kept of the files: headers and records, byte for byte, in and out in columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kanjo.db.queries import Queries
from kanjo.formats.zengin import Records
from kanjo.ledger import PostgresUnit, Status, Unit

SQL = Queries("kanjo.transfers")

RECORD_BYTES = 120
CHUNK_RECORDS = 16_384
NO_OUTCOME = 255
"""In place of a reason: the record is for an account of another bank and never became an item."""

NO_ITEM = 0
"""In place of the account of such a record."""

Rows: TypeAlias = NDArray[np.uint8]
"""Records as a matrix (n x 120), cp932 form."""

_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
_COPY_ROW = np.dtype(
    [
        ("fields", ">i2"),
        ("cell_length", ">i4"),
        ("cell", ">i2"),
        ("run_length", ">i4"),
        ("run", ">i4"),
        ("account_length", ">i4"),
        ("account", ">i8"),
        ("item_length", ">i4"),
        ("item", ">i4"),
        ("raw_length", ">i4"),
        ("raw", "u1", RECORD_BYTES),
    ]
)


class Kept:
    """The tables of this room within one unit. Only PostgreSQL keeps files."""

    def __init__(self, unit: Unit) -> None:
        assert isinstance(unit, PostgresUnit), "files are kept on PostgreSQL only"
        self._connection = unit.connection
        self._cell = unit.cell

    def _row(self, name: str, **parameters: Any) -> tuple[Any, ...] | None:
        return self._connection.execute(SQL[name], parameters | {"cell": self._cell}, binary=True).fetchone()

    def account_status(self, account: int) -> Status | None:
        """The account's state just now; None when there is no such account."""
        row = self._row("account_status", account=account)
        return None if row is None else Status(row[0])

    def add_header(self, run: int, raw: bytes) -> None:
        self._connection.execute(SQL["insert_header"], {"run": run, "raw": raw})

    def header(self, run: int) -> bytes | None:
        """The header of the run's group; None when the run did not come from a Zengin file."""
        row = self._row("header", run=run)
        return None if row is None else bytes(row[0])

    def add_records(self, run: int, account: NDArray[np.int64], item: NDArray[np.int32], raw: Rows) -> None:
        """Keep records of a run: the account that each names (or `NO_ITEM`), and its number in the group."""
        rows = np.zeros(len(item), dtype=_COPY_ROW)
        rows["fields"] = 5
        for name in ("cell", "run", "account", "item", "raw"):
            rows[name + "_length"] = _COPY_ROW[name].itemsize
        rows["cell"] = self._cell
        rows["run"] = run
        rows["account"] = account
        rows["item"] = item
        rows["raw"] = raw
        with self._connection.cursor().copy(SQL["copy_records"]) as copy:
            copy.write(_COPY_HEADER)
            copy.write(rows.tobytes())
            copy.write(_COPY_END)

    def record(self, run: int, item: int) -> bytes | None:
        """One kept record; None when it was not kept."""
        row = self._row("records", run=run, first=item, last=item)
        return bytes(row[1]) if row is not None and row[0] else None

    def records(self, run: int) -> Iterator[Rows]:
        """The run's kept records in the order of the file, in chunks."""
        for first, last in self._ranges(run):
            row = self._row("records", run=run, first=first, last=last)
            assert row is not None
            if row[0]:
                yield _matrix(row[1], row[0])

    def records_with_reasons(self, run: int) -> Iterator[tuple[Rows, NDArray[np.uint8]]]:
        """The same, each record with the reason of its outcome or `NO_OUTCOME`."""
        for first, last in self._ranges(run):
            row = self._row("records_with_reasons", run=run, first=first, last=last)
            assert row is not None
            if row[0]:
                yield _matrix(row[1], row[0]), np.frombuffer(row[2], np.uint8)

    def _ranges(self, run: int) -> Iterator[tuple[int, int]]:
        """Ranges of item numbers that hold all records of the run, each few enough for one chunk."""
        row = self._row("last_record", run=run)
        assert row is not None
        for first in range(1, row[0] + 1, CHUNK_RECORDS):
            yield first, first + CHUNK_RECORDS - 1


def keep_where(
    kept: Kept, run: int, records: Records, account: NDArray[np.int64], chosen: NDArray[np.bool_] | None
) -> None:
    """Keep the chosen ones of `records`, or all of them."""
    if chosen is None:
        kept.add_records(run, account, records.number, records.raw)
    elif chosen.any():
        kept.add_records(run, account[chosen], records.number[chosen], records.raw[chosen])


def _matrix(content: bytes, count: int) -> Rows:
    return np.frombuffer(content, np.uint8).reshape(count, RECORD_BYTES)
