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
from kanjo.formats.zengin.digits import Rows
from kanjo.formats.zengin.encoding import CODE_DIVISION, CP932_TO_EBCDIC, Encoding, looks_like_utf8
from kanjo.formats.zengin.framing import Frame, frames
from kanjo.formats.zengin.group import Group
from kanjo.formats.zengin.layout import (
    DATA,
    END,
    END_LAYOUT,
    HEADER,
    KINDS,
    LAYOUTS,
    RECORD_BYTES,
    TEXTS,
    TRAILER,
    UNKNOWN_KIND,
    Class,
    Field,
    KindLayouts,
    Layout,
)
from kanjo.formats.zengin.profile import STRICT, Profile
from kanjo.formats.zengin.records import Event, FileEnd, GroupEnd, GroupStart, Header, Trailer
from kanjo.formats.zengin.refusal import BadFile, FieldError, show_byte, show_digits

_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_EDI_FLAG = 112


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
        self._name = name
        self._profile = profile
        self._chunk_records = chunk_records
        self._errors_max = errors_max
        self._errors: list[FieldError] = []
        self._place = _Place.START
        self._kind: str | None = None
        self._layouts: KindLayouts = UNKNOWN_KIND
        self._group: Group | None = None
        self._group_count = 0
        self._record_count = 0
        self._has_orphans = False  # data outside a group: the totals of the next group cannot be trusted
        self._encoding: Encoding = "cp932"

    def __iter__(self) -> Iterator[Event]:
        try:
            for frame in frames(self._stream, records_max=self._chunk_records):
                events = self._frame(frame)
                self._record_count += len(frame.rows)
                if not self._errors:
                    yield from events
                if self._is_over():
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
        errors_before = len(self._errors)
        self._encoding = frame.encoding
        rows = frame.rows
        is_data = rows[:, 0] == DATA
        others = np.flatnonzero(~is_data)
        data = rows if not len(others) else rows[is_data]
        numbers = None if not len(others) else np.flatnonzero(is_data)
        data.flags.writeable = False  # the records are handed out while their digest goes on
        spans = self._kind_spans(rows, others, numbers)
        columns = columns_of(data, has_results=any(layouts is LAYOUTS["91"] for _, layouts in spans))
        found: list[FieldError] = []
        is_hidden = self._data_faults(data, columns.amount_yen, numbers, spans, frame, found)
        events: list[Event] = []
        self._structure(frame, others, columns, is_hidden, events, found)
        found.sort(key=lambda error: (error.record, error.position))
        if found and looks_like_utf8(frame.source):
            found = [self._utf8_error(frame)]
            self._place = _Place.AFTER_END
        self._errors[errors_before:] = found
        if len(self._errors) > self._errors_max:
            raise _LimitReached
        return events

    def _is_over(self) -> bool:
        """After the end record nothing more is looked at once something wrong follows it."""
        return self._place is _Place.AFTER_END and bool(self._errors)

    def _kind_spans(
        self, rows: Rows, others: NDArray[np.int64], numbers: NDArray[np.int64] | None
    ) -> list[tuple[slice, KindLayouts]]:
        """Which data records of a frame are of which kind.

        The first header gives the kind of the whole file (Z-13). Before it, and from a header of another kind on, the
        kind is unknown and only what holds for all of them is checked: the same wherever a frame ends.
        """
        kind, layouts = self._kind, self._layouts
        cuts = [(0, layouts)]
        for place in others[rows[others, 0] == HEADER].tolist() if len(others) else []:
            found = rows[place, 1:3].tobytes().decode("latin-1")
            if kind is None:
                kind, layouts = found, LAYOUTS.get(found, UNKNOWN_KIND)
            elif found != kind:
                layouts = UNKNOWN_KIND
            if layouts is not cuts[-1][1]:
                cuts.append((place, layouts))
        if len(cuts) == 1:
            return [(slice(None), layouts)]
        assert numbers is not None, "a header in a frame leaves data records with gaps"
        starts = np.searchsorted(numbers, [place for place, _ in cuts]).tolist()
        ends = [*starts[1:], len(numbers)]
        return [
            (slice(start, end), layouts)
            for start, end, (_, layouts) in zip(starts, ends, cuts, strict=True)
            if start < end
        ]

    # -- data records ------------------------------------------------------------------------------------------------

    def _data_faults(
        self,
        data: Rows,
        amount_yen: NDArray[np.int64],
        numbers: NDArray[np.int64] | None,
        spans: list[tuple[slice, KindLayouts]],
        frame: Frame,
        found: list[FieldError],
    ) -> NDArray[np.bool_] | None:
        """Check all data records of a frame; the answer marks those whose amount is not known, None when all are."""
        is_hidden: NDArray[np.bool_] | None = None
        lengths = frame.lengths if frame.lengths is None or numbers is None else frame.lengths[numbers]
        for layout, which in _layout_parts(data, spans):
            rows = data if which is None else data[which]
            part_lengths = lengths if lengths is None or which is None else lengths[which]
            check = checker(layout, self._profile)
            part_amounts = amount_yen if which is None else amount_yen[which]
            has_zero = self._profile.exact and not part_amounts.all()
            is_length_wrong = part_lengths is not None and bool((part_lengths > RECORD_BYTES).any())
            if not has_zero and not is_length_wrong and check.is_lawful(rows):
                continue
            if is_hidden is None:
                is_hidden = np.zeros(len(data), np.bool_)
            faults = check.faults(rows)
            # Not the zero of ZC-8, which is a fault but a number; byte 112 counts, since it tells what was paid.
            unknown = ((rows[:, 80:90] < 0x30) | (rows[:, 80:90] > 0x39)).any(axis=1) | faults[:, 111]
            bad = faults.any(axis=1)
            if part_lengths is not None:
                is_short = (part_lengths < RECORD_BYTES) & bad
                unknown |= is_short
                bad |= part_lengths > RECORD_BYTES
                unknown |= part_lengths > RECORD_BYTES
            is_hidden[slice(None) if which is None else which] = unknown
            places = np.arange(len(data)) if which is None else np.arange(len(data))[which]
            for place in np.flatnonzero(bad).tolist():
                in_data = int(places[place])
                record = self._record_count + 1 + (in_data if numbers is None else int(numbers[in_data]))
                length = RECORD_BYTES if part_lengths is None else int(part_lengths[place])
                found.extend(self._record_errors(layout, rows[place], faults[place], record, length))
                if len(found) > self._errors_max:
                    break
        return is_hidden

    def _record_errors(
        self, layout: Layout, row: NDArray[np.uint8], faults: NDArray[np.bool_], record: int, length: int
    ) -> list[FieldError]:
        """The errors of one record, one for each field; a wrong length (ZC-1) stands for all of them."""
        if length > RECORD_BYTES or (length < RECORD_BYTES and faults[length:].any()):
            return [self._length_error(record, length)]
        errors = []
        for field in layout:
            part = faults[field.start : field.stop]
            if part.any():
                errors.append(self._field_error(field, row, field.position + int(part.argmax()), record))
        return errors

    def _length_error(self, record: int, length: int) -> FieldError:
        position = min(length, RECORD_BYTES) + 1
        return self._error("ZC-1", record, position, "record_length", f"{length} bytes", f"{RECORD_BYTES} bytes")

    def _field_error(self, field: Field, row: NDArray[np.uint8], position: int, record: int) -> FieldError:
        byte = int(row[position - 1])
        text = row[field.start : field.stop].tobytes()
        byte_in_file = byte if self._encoding == "cp932" else CP932_TO_EBCDIC[byte]
        found = show_byte(byte_in_file) if field.holds in TEXTS else show_byte(byte_in_file, chr(byte))
        match field.holds:
            case Class.CHOICE:
                # One byte cannot be a name, so the byte itself may be shown.
                choices = " ".join(f'"{chr(choice)}"' for choice in self._profile.allowed(field))
                found = show_digits(text) if text.isdigit() else found
                return self._error("A.4", record, position, field.name, found, f"one of {choices}")
            case Class.DIGITS if field.name == "amount" and text.isdigit():
                return self._error("ZC-8", record, position, field.name, show_digits(text), "an amount above zero")
            case Class.DIGITS:
                return self._error("ZC-3", record, position, field.name, found, f"{field.length} digits")
            case Class.DIGITS_OR_BLANK:
                return self._error("ZC-3", record, position, field.name, found, f"{field.length} digits, or all spaces")
            case Class.CUSTOMER if self._profile.exact:
                return self._error("ZC-3", record, position, field.name, found, f"{field.length} digits, or all spaces")
            case Class.FILLER:
                return self._error("A.4", record, position, field.name, found, "spaces")
            case _:
                expected = f"characters of a {field.holds.value} under the {self._profile.name} profile"
                return self._error("ZC-4", record, position, field.name, found, expected)

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
            if self._is_followed(place, found):
                return
            self._other_record(frame, place, events, found)
            done = place + 1
            if len(found) > self._errors_max:
                return
        count = len(others)
        self._data_run(columns, done - count, len(frame.rows) - count, done, is_hidden, events, found)

    def _is_followed(self, place: int, found: list[FieldError]) -> bool:
        """Anything after the end record is one error (Z-14)."""
        if self._place is not _Place.AFTER_END:
            return False
        record = self._record_count + place + 1
        if not any(error.field == "record_kind" and error.expected == _Place.AFTER_END.value for error in found):
            found.append(self._error("ZC-2", record, 1, "record_kind", "another record", _Place.AFTER_END.value))
        return True

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
        if start == stop or self._is_followed(place, found):
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
        found.append(self._error("ZC-2", self._record_count + place + 1, 1, "record_kind", shown, self._place.value))

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
        errors = self._record_errors(layout, row[0], check.faults(row)[0], self._record_count + place + 1, length)
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
            found.append(self._error("A.2", record, 2, "kind", f'"{kind}"', expected))
        if not self._row_errors(self._layouts.header, frame, place, found):
            return
        month, day = int(raw[54:56]), int(raw[56:58])
        if not (1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]):
            found.append(self._error("ZC-10", record, 55, "date", show_digits(raw[54:58]), "a date, MMDD"))
        division = CODE_DIVISION[frame.encoding]
        if self._profile.exact and raw[3:4] != division.encode():
            expected = f'"{division}": the file is {"EBCDIC" if division == "1" else "JIS"}'
            found.append(self._error("Z-06", record, 4, "code_division", show_digits(raw[3:4]), expected))
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
                found.append(self._error(check, record, position, field, str(said), expected))
        if found or self._errors:
            return
        group.hash(frame.rows[place : place + 1])
        events.append(GroupEnd(trailer, group.digest, group.count, group.amount_yen, group.duplicates(), is_result))

    # -- the end -----------------------------------------------------------------------------------------------------

    def _file_end(self) -> None:
        if self._place is not _Place.AFTER_END:
            record = self._record_count + 1
            self._errors.append(self._error("ZC-2", record, 1, "record_kind", "end of file", self._place.value))
        if len(self._errors) > self._errors_max:
            raise _LimitReached

    def _utf8_error(self, frame: Frame) -> FieldError:
        """One error for a file in the wrong encoding: its lengths and characters are all wrong together."""
        high = frame.rows >= 0x80
        place = int(high.any(axis=1).argmax())
        position = int(high[place].argmax()) + 1
        expected = "JIS X 0201 (cp932) or EBCDIC kana; convert the file first"
        return self._error("A.1", self._record_count + place + 1, position, "encoding", "UTF-8", expected)

    def _error(self, check: str, record: int, position: int, field: str, found: str, expected: str) -> FieldError:
        return FieldError(self._name, record, position, field, found, expected, check)


def _layout_parts(
    data: Rows, spans: list[tuple[slice, KindLayouts]]
) -> list[tuple[Layout, NDArray[np.int64] | slice | None]]:
    """The layout of each part of `data`, None for all of it: 21 has another one where byte 113 is Y (EDI)."""
    if len(spans) == 1 and (spans[0][1].data_edi is None or not (data[:, _EDI_FLAG] == ord("Y")).any()):
        return [(spans[0][1].data, None)]
    parts: list[tuple[Layout, NDArray[np.int64] | slice | None]] = []
    for span, layouts in spans:
        if layouts.data_edi is None:
            parts.append((layouts.data, span))
            continue
        has_edi = data[span, _EDI_FLAG] == ord("Y")
        first = span.start or 0
        parts.append((layouts.data, np.flatnonzero(~has_edi) + first))
        parts.append((layouts.data_edi, np.flatnonzero(has_edi) + first))
    return parts


def header_of(raw: bytes) -> Header:
    """A checked header record (120 bytes, cp932 form) as a value."""
    deposit_type, account = raw[95:96].strip(b" 0"), raw[96:103].strip()
    if not deposit_type and account == b"0000000":
        account = b""  # left out with zeros instead of spaces (Z-05)
    return Header(
        kind=raw[1:3].decode("ascii"),
        code_division=raw[3:4].decode("ascii"),
        originator=raw[4:14].decode("ascii"),
        originator_name=_text(raw[14:54]),
        month=int(raw[54:56]),
        day=int(raw[56:58]),
        bank=int(raw[58:62]),
        bank_name=_text(raw[62:77]),
        branch=int(raw[77:80]),
        branch_name=_text(raw[80:95]),
        deposit_type=int(deposit_type) if deposit_type else None,
        account=int(account) if account else None,
        raw=raw,
    )


def trailer_of(raw: bytes, *, has_results: bool) -> Trailer:
    """A checked trailer record (120 bytes, cp932 form) as a value; `has_results` for 91, whose trailer is longer."""
    totals = Trailer(int(raw[1:7]), int(raw[7:19]))
    if not has_results:
        return totals
    return Trailer(totals.count, totals.amount_yen, int(raw[19:25]), int(raw[25:37]), int(raw[37:43]), int(raw[43:55]))


def _text(field: bytes) -> str:
    return field.decode("cp932").rstrip(" ")
