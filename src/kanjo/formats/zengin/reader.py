"""Reading a file: frames in, events out, every fault collected with its place.

Whatever the bytes are, reading ends with `FileEnd` or `BadFile`. No record of a frame with a fault is ever handed out.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from kanjo.formats.zengin.checking import checker
from kanjo.formats.zengin.columns import Columns, columns_of
from kanjo.formats.zengin.description import Description
from kanjo.formats.zengin.digits import Rows
from kanjo.formats.zengin.encoding import CODE_DIVISION, looks_like_utf8
from kanjo.formats.zengin.framing import Frame, frames
from kanjo.formats.zengin.group import Group
from kanjo.formats.zengin.headings import header_of, trailer_of
from kanjo.formats.zengin.inspection import Inspection, kind_spans
from kanjo.formats.zengin.layout import (
    DATA,
    END,
    END_LAYOUT,
    HEADER,
    KINDS,
    LAYOUTS,
    RECORD_BYTES,
    TRAILER,
    UNKNOWN_KIND,
    KindLayouts,
    Layout,
)
from kanjo.formats.zengin.profile import STRICT, Profile
from kanjo.formats.zengin.records import Event, FileEnd, GroupEnd, GroupStart
from kanjo.formats.zengin.refusal import BadFile, FieldError, show_byte, show_digits

_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class _Place(Enum):
    """Where in `(header data* trailer)+ end` the reader stands; the value says what may come next (Z-11, Z-14)."""

    START = '"1" (header)'
    IN_GROUP = '"2" (data) or "8" (trailer)'
    BETWEEN = '"1" (header) or "9" (end)'
    AFTER_END = "end of file"


class _LimitReached(Exception):
    """More errors than may be listed: the search for them ends."""


class Reader:
    """Reads one file from `stream` and yields `Event`s; it can be iterated once.

    At most about `chunk_records` records are held at a time. `name` only names the file in errors. Raises `BadFile`
    with up to `errors_max` errors at the end of the file, or as soon as there are more.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        name: str = "",
        profile: Profile = STRICT,
        chunk_records: int = 16_384,
        errors_max: int = 100,
    ) -> None:
        assert chunk_records > 0 and errors_max > 0
        self._stream = stream
        self._profile = profile
        self._describe = Description(name, profile)
        self._inspection = Inspection(profile, self._describe, errors_max)
        self._chunk_records = chunk_records
        self._errors_max = errors_max
        self._errors: list[FieldError] = []
        self._place = _Place.START
        self._kind: str | None = None
        self._layouts: KindLayouts = UNKNOWN_KIND
        self._group: Group | None = None
        self._group_count = 0
        self._record_count = 0
        self._is_over = False  # nothing more is to be looked at
        self._has_orphans = False  # data outside a group: the totals of the next group cannot be trusted

    def __iter__(self) -> Iterator[Event]:
        try:
            for frame in frames(self._stream, records_max=self._chunk_records):
                events = self._frame(frame)
                self._record_count += len(frame.rows)
                if not self._errors:
                    yield from events
                if self._is_over:
                    break
            self._file_end()
        except _LimitReached:
            raise BadFile(tuple(self._errors[: self._errors_max]), True) from None
        if self._errors:
            raise BadFile(tuple(self._errors), False)
        yield FileEnd(self._record_count, self._group_count)

    # -- one frame ---------------------------------------------------------------------------------------------------

    def _frame(self, frame: Frame) -> list[Event]:
        """Check the records of `frame` and go through its structure; the events are void when there are errors."""
        self._describe.encoding = frame.encoding
        found: list[FieldError] = []
        events: list[Event] = []
        end = self._end_in(frame.rows)
        if end:
            self._records_until(end, frame, events, found)
        if end < len(frame.rows):
            # Something follows the end record: one error, whatever it is and however long (Z-14).
            self._order_error(end, int(frame.rows[end, 0]), found)
            self._is_over = True
        found.sort(key=lambda error: (error.record, error.position))
        if found and looks_like_utf8(frame.source):
            found = [self._describe.utf8_error(frame.rows, self._record_count + 1)]
            self._place, self._is_over = _Place.AFTER_END, True
        self._errors.extend(found)
        if len(self._errors) > self._errors_max:
            raise _LimitReached
        return events

    def _end_in(self, rows: Rows) -> int:
        """How many rows there are up to the end record, that one included."""
        if self._place is _Place.AFTER_END:
            return 0
        is_end = rows[:, 0] == END
        return int(is_end.argmax()) + 1 if is_end.any() else len(rows)

    def _records_until(self, end: int, frame: Frame, events: list[Event], found: list[FieldError]) -> None:
        rows = frame.rows[:end]
        is_data = rows[:, 0] == DATA
        others = np.flatnonzero(~is_data)
        data = rows[is_data] if len(others) else rows
        data.flags.writeable = False  # the records are handed out while their digest goes on
        numbers = np.flatnonzero(is_data)
        spans = kind_spans(self._kind, self._layouts, rows, others, numbers)
        columns = columns_of(data, has_results=any(layouts is LAYOUTS["91"] for _, layouts in spans))
        lengths = None if frame.lengths is None else frame.lengths[numbers]
        is_hidden = self._inspection.faults(columns, spans, numbers + self._record_count + 1, lengths, found)
        self._structure(frame, others, columns, is_hidden, events, found)

    # -- structure ---------------------------------------------------------------------------------------------------

    def _structure(
        self,
        frame: Frame,
        others: NDArray[np.int64],
        columns: Columns,
        is_hidden: NDArray[np.bool_] | None,
        events: list[Event],
        found: list[FieldError],
    ) -> None:
        """Go from one header, trailer or end to the next; data records between them are taken as one run."""
        done = 0
        for seen, place in enumerate(others.tolist()):
            # Data records before this place, counted among data records: their rows less the others before them.
            self._data_run(columns, done - seen, place - seen, done, is_hidden, events, found)
            self._other_record(frame, place, events, found)
            done = place + 1
            if len(found) > self._errors_max:
                return
        count = len(others)
        self._data_run(columns, done - count, len(columns.raw), done, is_hidden, events, found)

    def _data_run(
        self,
        columns: Columns,
        start: int,
        stop: int,
        place: int,
        is_hidden: NDArray[np.bool_] | None,
        events: list[Event],
        found: list[FieldError],
    ) -> None:
        if start == stop:
            return
        if self._place is not _Place.IN_GROUP or self._group is None:
            if not self._has_orphans:
                self._order_error(place, DATA, found)
            self._has_orphans = True
            return
        group = self._group
        first_number = group.count + 1
        group.add(columns, start, stop)
        if is_hidden is not None and is_hidden[start:stop].any():
            group.are_totals_known = False
        if not self._errors and not found:
            group.hash(columns.raw[start:stop])
            events.append(columns.records(start, stop, first_number))

    def _order_error(self, place: int, kind: int, found: list[FieldError]) -> None:
        shown = f'"{chr(kind)}"' if chr(kind) in "1289" else show_byte(kind)
        found.append(
            self._describe.error("ZC-2", self._record_count + place + 1, 1, "record_kind", shown, self._place.value)
        )

    def _other_record(self, frame: Frame, place: int, events: list[Event], found: list[FieldError]) -> None:
        row = frame.rows[place : place + 1]
        kind = int(row[0, 0])
        before = len(found)
        match (kind, self._place):
            case (0x31, _):  # header
                if self._place is _Place.IN_GROUP:
                    self._order_error(place, kind, found)
                self._header(frame, place, events, found)
            case (0x38, _Place.IN_GROUP):
                self._trailer(frame, place, events, found)
            case (0x39, _Place.BETWEEN):
                self._row_errors(END_LAYOUT, frame, place, found)
                self._place = _Place.AFTER_END
            case (0x39, _):
                self._order_error(place, kind, found)
                self._place = _Place.AFTER_END
            case (0x38, _) if self._has_orphans:
                # The trailer of data whose header is missing, which was told at the first of them.
                self._has_orphans = False
                self._place = _Place.BETWEEN
            case _:
                self._order_error(place, kind, found)
                if self._group is not None:
                    self._group.are_totals_known = False
                elif kind == TRAILER:
                    self._place = _Place.BETWEEN
                else:
                    self._has_orphans = True  # perhaps a spoiled header: what follows belongs to it
        assert kind in (HEADER, TRAILER, END) or len(found) > before, "an unknown kind must not pass (ZC-2)"

    def _row_errors(self, layout: Layout, frame: Frame, place: int, found: list[FieldError]) -> bool:
        """Check one record that is not data; true when it is lawful."""
        row = frame.rows[place : place + 1]
        length = RECORD_BYTES if frame.lengths is None else int(frame.lengths[place])
        check = checker(layout, self._profile)
        if length <= RECORD_BYTES and check.is_lawful(row):
            return True
        errors = self._describe.record_errors(
            layout, row[0], check.faults(row)[0], self._record_count + place + 1, length
        )
        found.extend(errors)
        return not errors

    def _header(self, frame: Frame, place: int, events: list[Event], found: list[FieldError]) -> None:
        record = self._record_count + place + 1
        raw = frame.rows[place].tobytes()
        self._place = _Place.IN_GROUP
        self._group = Group(None, not self._has_orphans, record + 1)
        self._has_orphans = False
        kind = raw[1:3].decode("latin-1")
        if self._kind is None:
            self._kind, self._layouts = kind, LAYOUTS.get(kind, UNKNOWN_KIND)
        elif kind != self._kind:
            self._layouts = UNKNOWN_KIND
        if kind.isdecimal() and (kind not in LAYOUTS or kind != self._kind):
            expected = "one of " + " ".join(KINDS) if kind not in LAYOUTS else f"{self._kind}, as in the first header"
            found.append(self._describe.error("A.2", record, 2, "kind", f'"{kind}"', expected))
        if not self._row_errors(self._layouts.header, frame, place, found):
            return
        month, day = int(raw[54:56]), int(raw[56:58])
        if not (1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]):
            found.append(self._describe.error("ZC-10", record, 55, "date", show_digits(raw[54:58]), "a date, MMDD"))
        division = CODE_DIVISION[frame.encoding]
        if self._profile.exact and raw[3:4] != division.encode():
            expected = f'"{division}": the file is {"EBCDIC" if division == "1" else "JIS"}'
            found.append(self._describe.error("Z-06", record, 4, "code_division", show_digits(raw[3:4]), expected))
        if found or self._errors:
            return
        header = header_of(raw)
        self._group.header = header
        self._group.hash_header(raw)
        events.append(GroupStart(header))

    def _trailer(self, frame: Frame, place: int, events: list[Event], found: list[FieldError]) -> None:
        group = self._group
        assert group is not None, "a trailer is read only within a group"
        self._group = None
        self._place = _Place.BETWEEN
        self._group_count += 1
        record = self._record_count + place + 1
        if not self._row_errors(self._layouts.trailer, frame, place, found):
            return
        has_results = self._layouts is LAYOUTS["91"]
        trailer = trailer_of(frame.rows[place].tobytes(), has_results=has_results)
        if group.are_totals_known:
            faults = list(group.total_faults(trailer))
            is_result = has_results and group.is_result(trailer)
            # A group whose totals are wrong would show the same fault again in the totals of its results.
            if is_result and not faults:
                faults = list(group.result_faults(trailer))
            for check, field, position, expected, said in faults:
                found.append(self._describe.error(check, record, position, field, str(said), expected))
        if found or self._errors:
            return
        group.hash(frame.rows[place : place + 1])
        events.append(GroupEnd(trailer, group.digest, group.count, group.amount_yen, group.duplicates(), is_result))

    # -- the end -----------------------------------------------------------------------------------------------------

    def _file_end(self) -> None:
        if self._place is not _Place.AFTER_END:
            record = self._record_count + 1
            self._errors.append(
                self._describe.error("ZC-2", record, 1, "record_kind", "end of file", self._place.value)
            )
        if len(self._errors) > self._errors_max:
            raise _LimitReached
