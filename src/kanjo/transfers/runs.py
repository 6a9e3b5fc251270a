"""What results and outgoing files ask of a run before they are written."""

from __future__ import annotations

from kanjo.centercut import RunRow, runs_in
from kanjo.errors import Refused
from kanjo.formats.zengin import Encoding, Header
from kanjo.ledger import Unit
from kanjo.transfers.kept import Kept


def require_run(unit: Unit, run: int) -> RunRow:
    """The run. Errors: Refused `run-unknown`."""
    rows = runs_in(unit).rows([run])
    if not rows:
        raise Refused("run-unknown", f"there is no run {run}", run=run)
    return rows[0]


def require_header(unit: Unit, row: RunRow, code: str) -> bytes:
    """The header of the run's group. Errors: Refused with `code` when the run did not come from a Zengin file."""
    raw = Kept(unit).header(row.run)
    if raw is None:
        raise Refused(code, f"run {row.run} ({row.business}) did not come from a Zengin file", run=row.run)
    return raw


def encoding_of(header: Header) -> Encoding:
    """Files go back in the code the header announced (Z-06)."""
    return "ebcdic" if header.code_division == "1" else "cp932"
