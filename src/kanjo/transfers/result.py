"""The result of a direct debit: the request written back with a code for each record (A.6, R-9)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from kanjo.errors import Refused
from kanjo.formats.zengin import LENIENT, Writer, header_of, with_results
from kanjo.ledger import Reason, Store, Unit
from kanjo.transfers.kept import NO_OUTCOME, Kept
from kanjo.transfers.runs import encoding_of, require_header, require_run
from kanjo.transfers.whole_file import whole_file

PAID, SHORT, NO_ACCOUNT, STOPPED_BY_PAYER, NO_MANDATE, STOPPED_BY_ORIGINATOR, OTHER = 0, 1, 2, 3, 4, 8, 9

CODE_OF_REASON: dict[Reason, int] = {
    Reason.ACCEPTED: PAID,
    Reason.INSUFFICIENT_FUNDS: SHORT,
    Reason.ACCOUNT_UNKNOWN: NO_ACCOUNT,
    Reason.ACCOUNT_CLOSED: NO_ACCOUNT,
    Reason.DEBIT_STOPPED: STOPPED_BY_PAYER,
    Reason.MANDATE_STOPPED: STOPPED_BY_PAYER,
    Reason.NO_MANDATE: NO_MANDATE,
    Reason.WITHDRAWN: STOPPED_BY_ORIGINATOR,
    Reason.CANCELLED: STOPPED_BY_ORIGINATOR,
    Reason.ACCOUNT_FROZEN: OTHER,
    Reason.FAILED: OTHER,
}
"""振替結果コード; a reason that is not here cannot be an item's."""

_CODES = np.full(256, OTHER, np.uint8)
for _reason, _code in CODE_OF_REASON.items():
    _CODES[_reason] = _code
_CODES[NO_OUTCOME] = NO_ACCOUNT  # an account of another bank


def save_result(store: Store, run: int, path: Path, *, progress: Callable[[int], None] = lambda _: None) -> int:
    """Write the result to `path`, whole or not at all; returns the number of records. Errors: see `write_result`."""
    with store.unit() as unit:
        _require_result(unit, run)
    with whole_file(path) as stream:
        return write_result(store, run, stream, progress=progress)


def write_result(store: Store, run: int, stream: BinaryIO, *, progress: Callable[[int], None] = lambda _: None) -> int:
    """Write the run's result file to `stream` in chunks; returns the number of data records.

    `progress` hears how many records each chunk had.
    Errors (Refused): `run-unknown`, `run-not-finished`, `no-result-file` for a run that is no direct debit.
    """
    with store.unit() as unit:
        header = header_of(_require_result(unit, run))
        writer = Writer(stream, encoding=encoding_of(header), profile=LENIENT)
        writer.header(header)
        for rows, reasons in Kept(unit).records_with_reasons(run):
            writer.records(with_results(rows, _CODES[reasons]))
            progress(len(reasons))
        trailer = writer.trailer(results=True)
        writer.end()
        return trailer.count


def _require_result(unit: Unit, run: int) -> bytes:
    row = require_run(unit, run)
    raw = require_header(unit, row, "no-result-file")
    if row.detail.get("kind") != "91":
        raise Refused(
            "no-result-file",
            f"run {run} is {row.business}: only direct debits (91) have a result file; what was not paid returned to "
            "the originator's account",
            run=run,
        )
    if row.finished is None:
        raise Refused(
            "run-not-finished", f"run {run} has no result yet: `kanjo cut status {run}` shows what is left", run=run
        )
    return raw
