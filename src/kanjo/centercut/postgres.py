"""Runs and slices on PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import msgspec
import numpy as np
from psycopg.types.json import Jsonb

from kanjo.centercut.run import Counted, Finish, Items, NewRun, RunRow, Slice, Totals
from kanjo.db.columns import POSTGRES_EPOCH
from kanjo.db.queries import Queries
from kanjo.ledger import Item, Phase, PostgresUnit, Reason, business_date

SQL = Queries("kanjo.centercut")

SLICE_WAIT_MS = 10_000
"""A worker's commit takes a fraction of a second; one that takes so long is not waited for."""

_COPY = "COPY ledger.item (cell, date, run, kind, item, account, amount, customer) FROM STDIN (FORMAT BINARY)"
_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
_FIXED = [
    ("fields", ">i2"),
    ("cell_length", ">i4"),
    ("cell", ">i2"),
    ("date_length", ">i4"),
    ("date", ">i4"),
    ("run_length", ">i4"),
    ("run", ">i4"),
    ("kind_length", ">i4"),
    ("kind", ">i2"),
    ("item_length", ">i4"),
    ("item", ">i4"),
    ("account_length", ">i4"),
    ("account", ">i8"),
    ("amount_length", ">i4"),
    ("amount", ">i8"),
    ("customer_length", ">i4"),
]


class PostgresRuns:
    """Obeys `store.Runs`."""

    def __init__(self, unit: PostgresUnit) -> None:
        self._connection = unit.connection
        self._cell = unit.cell

    def _rows(self, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(SQL[name], parameters | {"cell": self._cell})
        return cursor.fetchall() if cursor.description else []

    def _value(self, name: str, **parameters: Any) -> Any:
        rows = self._rows(name, **parameters)
        return rows[0][0] if rows else None

    def today(self) -> date | None:
        return business_date(self._connection)

    def register(self, new: NewRun) -> int:
        run: int = self._value(
            "register_facts",
            due=new.due,
            phase=int(new.phase),
            priority=new.priority,
            registered_on=new.registered_on,
            registered_at=new.registered_at,
            originator=new.originator,
            account=new.account,
        )
        self._rows("register_run", run=run, business=new.business, reference=new.reference, detail=Jsonb(new.detail))
        return run

    def add_items(self, run: int, new: NewRun, items: Items) -> None:
        with self._connection.cursor().copy(_COPY) as copy:
            ordered = by_account(items)
            copy.write(_COPY_HEADER + copy_rows(self._cell, run, new.due.toordinal(), ordered) + _COPY_END)

    def end_loading(self, run: int, counted: Counted) -> None:
        columns = msgspec.structs.asdict(counted) | {"detail": Jsonb(counted.detail)}
        self._rows("end_loading", run=run, **columns)

    def lock_digest(self, digest: str) -> None:
        self._rows("lock_digest", digest=digest)

    def find_digest(self, run: int, digest: str) -> int | None:
        found: int | None = self._value("find_digest", run=run, digest=digest)
        return found

    def find_alike(self, run: int, new: NewRun, amount_yen: int) -> int | None:
        found: int | None = self._value(
            "find_alike", run=run, reference=new.reference, due=new.due, business=new.business, amount=amount_yen
        )
        return found

    def make_slices(self, run: int, new: NewRun, items_max: int) -> None:
        self._rows("make_slices", run=run, due=new.due, items_max=items_max)

    def claim(self, runs: Sequence[int] | None) -> Slice | None:
        rows = self._rows("claim", runs=None if runs is None else list(runs))
        return Slice(*rows[0]) if rows else None

    def first_claim(self, run: int, at: datetime) -> None:
        self._rows("first_claim", run=run, at=at)

    def released(self) -> list[int]:
        return [run for (run,) in self._rows("released_runs")]

    def advance_slice(self, claimed: Slice, next_account: int) -> None:
        self._rows("advance_slice", run=claimed.run, slice=claimed.slice, next_account=next_account)

    def end_slice(self, claimed: Slice) -> None:
        self._rows("end_slice", run=claimed.run, slice=claimed.slice)

    def reopen_slices(self, account: int) -> None:
        self._rows("reopen_slices", account=account)

    def open_slices(self, run: int) -> int:
        return int(self._value("open_slices", run=run))

    def wait_for_slices(self, run: int) -> int:
        self._connection.execute(f"SET LOCAL lock_timeout = {SLICE_WAIT_MS}")
        return len(self._rows("wait_for_slices", run=run))

    def lock_run(self, run: int) -> None:
        self._rows("lock_run", run=run)

    def rows(self, runs: Sequence[int] | None, *, unfinished: bool = False) -> list[RunRow]:
        rows = self._rows("rows", runs=None if runs is None else list(runs), unfinished=unfinished)
        return [RunRow(**dict(zip(RunRow.__struct_fields__, _phased(row), strict=True))) for row in rows]

    def totals(self, row: RunRow) -> Totals:
        [found] = self._rows("totals", run=row.run, due=row.due)
        return Totals(**dict(zip(Totals.__struct_fields__, map(int, found), strict=True)))

    def counts(self, runs: Sequence[int]) -> dict[int, Totals]:
        return {
            run: Totals(
                settled=int(settled),
                accepted=int(accepted),
                refused=int(settled - accepted),
                settled_by_before=int(before),
            )
            for run, settled, accepted, before in self._rows("counts", runs=list(runs))
        }

    def item(self, row: RunRow, item: int) -> tuple[Item, Reason | None] | None:
        rows = self._rows("item", run=row.run, due=row.due, item=item)
        if not rows:
            return None
        *fields, reason = rows[0]
        return Item(*fields), None if reason is None else Reason(reason)

    def set_started(self, runs: Sequence[int]) -> None:
        self._rows("set_started", runs=list(runs))

    def set_paused(self, run: int, paused: bool) -> None:
        self._rows("set_paused", run=run, paused=paused)

    def set_cancelled(self, run: int) -> None:
        self._rows("set_cancelled", run=run)

    def set_finished(self, run: int, finished: Finish, at: datetime, note: str) -> None:
        self._rows("set_closed", run=run)
        self._rows("set_finished", run=run, finished=finished, at=at, note=note)

    def set_detail(self, run: int, detail: dict[str, Any]) -> None:
        self._rows("set_detail", run=run, detail=Jsonb(detail))


def _phased(row: tuple[Any, ...]) -> list[Any]:
    values = list(row)
    values[3] = Phase(values[3])
    return values


def by_account(items: Items) -> Items:
    """In the order of the key: a portion of a file in its own order visits a page of the index for each row."""
    order = np.argsort(items.account, kind="stable")
    customer = items.customer
    if isinstance(customer, np.ndarray):
        customer = customer[order]
    elif customer is not None:
        customer = [customer[place] for place in order.tolist()]
    return Items(
        item=items.item[order],
        account=items.account[order],
        amount_yen=items.amount_yen[order],
        kind=items.kind,
        customer=customer,
    )


def copy_rows(cell: int, run: int, due_ordinal: int, items: Items) -> bytes:
    """The rows of a binary COPY, written by numpy in one go; customers of one width cost no loop either."""
    customers, width = _customers(items)
    columns = [*_FIXED, ("customer", f"S{width}")] if width else _FIXED
    rows = np.zeros(len(items), dtype=columns)
    rows["fields"] = 8
    for name, value in (("cell", cell), ("date", due_ordinal - POSTGRES_EPOCH), ("run", run), ("kind", items.kind)):
        rows[name + "_length"] = rows.dtype[name].itemsize
        rows[name] = value
    for name, values in (("item", items.item), ("account", items.account), ("amount", items.amount_yen)):
        rows[name + "_length"] = rows.dtype[name].itemsize
        rows[name] = values
    rows["customer_length"] = width or -1
    if not width:
        if customers is None:
            return rows.tobytes()
        fixed = rows.dtype.itemsize
        packed = rows.tobytes()
        parts = []
        for index, customer in enumerate(customers):
            text = customer.encode() if isinstance(customer, str) else customer
            row = packed[index * fixed : (index + 1) * fixed - 4]
            parts.append(row + len(text).to_bytes(4, "big") + text)
        return b"".join(parts)
    rows["customer"] = customers
    return rows.tobytes()


def _customers(items: Items) -> tuple[Any, int]:
    """The customers, and their width if all have the same and are ASCII; else width 0."""
    if items.customer is None:
        return None, 0
    if isinstance(items.customer, np.ndarray) and items.customer.dtype.kind == "S" and len(items.customer):
        width = items.customer.dtype.itemsize
        matrix = np.ascontiguousarray(items.customer).view(np.uint8).reshape(len(items.customer), width)
        if matrix.min() > 0x20 and matrix.max() < 0x7F:
            return items.customer, width
        return [value.decode("cp932").rstrip(" \0") for value in items.customer.tolist()], 0
    return list(items.customer), 0
