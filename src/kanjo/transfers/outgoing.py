"""The outgoing file (他行宛): credits for accounts of other banks, written from stored rows (R-8)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from kanjo.centercut import RunRow, runs_in
from kanjo.errors import Refused
from kanjo.formats.zengin import LENIENT, Writer, header_of
from kanjo.ledger import Store, Unit
from kanjo.transfers.kept import Kept
from kanjo.transfers.runs import require_header, require_run
from kanjo.transfers.whole_file import whole_file

DELIVERED = "outgoing_delivered"
"""Set in a run's detail when its outgoing file was handed out: from then on a cancel does not take it back (R-3)."""


class Outgoing(msgspec.Struct, frozen=True):
    """An outgoing file as written; its number is the run's, so it is the same every time."""

    number: int
    records: int
    amount_yen: int
    path: Path


def is_delivered(row: RunRow) -> bool:
    """Whether the run's outgoing file was handed out."""
    return bool(row.detail.get(DELIVERED))


def write_outgoing(store: Store, run: int, path: Path, *, progress: Callable[[int], None] = lambda _: None) -> Outgoing:
    """Write the run's records for other banks to `path`: a Zengin file with its own totals, the same bytes every time.

    The file appears only after the run remembers, for good, that it was delivered; until then a cancel waits.
    `progress` hears how many records each chunk had.
    Errors (Refused): `run-unknown`, `no-outgoing-file`, `not-due` before its date is open, `run-cancelled` before
    delivery.
    """
    with whole_file(path) as stream, store.unit() as unit:
        runs_in(unit).lock_run(run)
        row = require_run(unit, run)
        header = header_of(_require_outgoing(unit, row))
        # Always in cp932: the file is this bank's own, whatever code the originator sent.
        writer = Writer(stream, profile=LENIENT)
        writer.header(header)
        for rows in Kept(unit).records(run):
            writer.records(rows)
            progress(len(rows))
        trailer = writer.trailer()
        writer.end()
        assert (trailer.count, trailer.amount_yen) == (row.other_bank_items, row.other_bank_amount_yen)
        if not is_delivered(row):
            runs_in(unit).set_detail(run, {DELIVERED: True})
    return Outgoing(run, trailer.count, trailer.amount_yen, path)


def _require_outgoing(unit: Unit, row: RunRow) -> bytes:
    raw = require_header(unit, row, "no-outgoing-file")
    if row.detail.get("kind") == "91" or not row.other_bank_items:
        why = "debits of other banks' accounts are not forwarded" if row.detail.get("kind") == "91" else "it has no"
        raise Refused("no-outgoing-file", f"run {row.run} has no outgoing file: {why}", run=row.run)
    today = runs_in(unit).today()
    if today is None or today < row.due:
        raise Refused(
            "not-due",
            f"run {row.run} is for {row.due}; its outgoing file is released when that date opens",
            run=row.run,
        )
    if row.cancelled and not is_delivered(row):
        raise Refused("run-cancelled", f"run {row.run} was cancelled before its outgoing file was written", run=row.run)
    return raw
