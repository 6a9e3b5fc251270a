"""Writing a file: headers, data records, trailers with the totals of what was written, and the end."""

from __future__ import annotations

from typing import BinaryIO, Literal

import numpy as np

from kanjo.errors import Refused
from kanjo.formats.zengin.composing import compose_trailer, require_lawful
from kanjo.formats.zengin.digits import Rows, ten_digits
from kanjo.formats.zengin.encoding import CODE_DIVISION, CP932_TO_EBCDIC, Encoding
from kanjo.formats.zengin.group import AMOUNT_MAX_YEN, COUNT_MAX
from kanjo.formats.zengin.layout import END, LAYOUTS, RECORD_BYTES
from kanjo.formats.zengin.profile import STRICT, Profile
from kanjo.formats.zengin.records import Header, Trailer

Framing = Literal["crlf", "none", "cr", "lf"]

_SEPARATORS: dict[Framing, bytes] = {"crlf": b"\r\n", "none": b"", "cr": b"\r", "lf": b"\n"}


class Writer:
    """Writes one file to `stream`: (header, records..., trailer) once or more, then end.

    The code division of the headers is set to the encoding. In EBCDIC the separators are that code's own (CR 0x0D, LF
    0x25). Records that our reader would refuse under `profile` are refused here too.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        framing: Framing = "crlf",
        encoding: Encoding = "cp932",
        profile: Profile = STRICT,
    ) -> None:
        self._stream = stream
        self._separator = np.frombuffer(_SEPARATORS[framing], np.uint8)
        self._encoding: Encoding = encoding
        self._profile = profile
        self._kind: str | None = None
        self._in_group = False
        self._is_ended = False
        self._count = 0
        self._amount_yen = 0
        self._paid_count = 0
        self._paid_amount_yen = 0

    def header(self, header: Header) -> None:
        """Begin a group. All groups of a file are of one kind (Z-13)."""
        assert not self._in_group and not self._is_ended, "a header stands at the beginning or after a trailer (Z-11)"
        if self._kind not in (None, header.kind):
            raise Refused("bad-kind", f"a file of kind {self._kind} cannot take a header of kind {header.kind} (Z-13)")
        self._kind, self._in_group = header.kind, True
        self._count = self._amount_yen = self._paid_count = self._paid_amount_yen = 0
        rows = np.frombuffer(header.raw, np.uint8).reshape(1, RECORD_BYTES).copy()
        rows[0, 3] = ord(CODE_DIVISION[self._encoding])
        require_lawful(LAYOUTS[header.kind].header, rows, self._profile)
        self._write(rows)

    def records(self, raw: Rows) -> None:
        """Write data records (n x 120, cp932 form)."""
        assert self._in_group and self._kind is not None, "data records stand between a header and a trailer (Z-11)"
        rows = np.ascontiguousarray(raw, dtype=np.uint8).reshape(-1, RECORD_BYTES)
        if not len(rows):
            return
        layouts = LAYOUTS[self._kind]
        has_edi = rows[:, 112] == ord("Y") if layouts.data_edi is not None else np.zeros(len(rows), np.bool_)
        require_lawful(layouts.data, rows[~has_edi] if has_edi.any() else rows, self._profile)
        if layouts.data_edi is not None and has_edi.any():
            require_lawful(layouts.data_edi, rows[has_edi], self._profile)
        amounts = ten_digits(rows, 80)
        total_yen = int(amounts.sum())
        if self._count + len(rows) > COUNT_MAX or self._amount_yen + total_yen > AMOUNT_MAX_YEN:
            raise Refused(
                "bad-number",
                f"a group holds at most {COUNT_MAX} records and {AMOUNT_MAX_YEN} yen (ZC-6); begin another group",
            )
        is_paid = rows[:, 111] == 0x30
        self._count += len(rows)
        self._amount_yen += total_yen
        self._paid_count += int(np.count_nonzero(is_paid))
        self._paid_amount_yen += int(amounts[is_paid].sum())
        self._write(rows)

    def trailer(self, *, results: bool = False) -> Trailer:
        """End the group with the totals of what was written; `results` also fills those of a result of 91 (ZC-7)."""
        assert self._in_group, "a trailer ends a group (Z-14)"
        assert not results or self._kind == "91", "only a direct debit has results"
        self._in_group = False
        trailer = Trailer(self._count, self._amount_yen)
        if results:
            trailer = Trailer(
                self._count,
                self._amount_yen,
                self._paid_count,
                self._paid_amount_yen,
                self._count - self._paid_count,
                self._amount_yen - self._paid_amount_yen,
            )
        self._write(compose_trailer(trailer, has_results=self._kind == "91"))
        return trailer

    def end(self) -> None:
        """Write the end record; nothing may follow."""
        assert self._kind is not None and not self._in_group and not self._is_ended, "the end follows a trailer (Z-11)"
        self._is_ended = True
        rows = np.full((1, RECORD_BYTES), 0x20, np.uint8)
        rows[0, 0] = END
        self._write(rows)

    def _write(self, rows: Rows) -> None:
        if len(self._separator):
            framed = np.empty((len(rows), RECORD_BYTES + len(self._separator)), np.uint8)
            framed[:, :RECORD_BYTES] = rows
            framed[:, RECORD_BYTES:] = self._separator
            rows = framed
        content = rows.tobytes()
        self._stream.write(content if self._encoding == "cp932" else content.translate(CP932_TO_EBCDIC))
