"""A stream cut into records: no separator, CR LF, CR or LF, with constant memory (A.1, Z-07 to Z-10).

The good path takes a block whose separators stand where they should and copies it into a matrix at once. Anything else
(stripped spaces, mixed separators, wrong lengths) goes line by length: one step for each distinct length, not for each
record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from kanjo.formats.zengin.digits import Rows
from kanjo.formats.zengin.encoding import (
    CARRIAGE_RETURN,
    CP932_TO_EBCDIC,
    EBCDIC_TO_CP932,
    END_MARKS,
    LINE_FEEDS,
    Encoding,
    encoding_of,
)
from kanjo.formats.zengin.layout import RECORD_BYTES

# A separator is looked for in this many bytes of the beginning; a lawful one stands at byte 121 or before.
_HEAD_BYTES = 2 * (RECORD_BYTES + 2)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Consecutive records. `lengths` is None when all have 120 bytes; a shorter one was filled with spaces in `rows`.

    `source` is the part of the file the frame was cut from, for a look at its encoding; it is valid until the next
    frame is asked for.
    """

    rows: Rows
    lengths: NDArray[np.int64] | None
    encoding: Encoding
    source: memoryview


def frames(stream: BinaryIO, *, records_max: int) -> Iterator[Frame]:
    """The records of `stream` in frames of at most about `records_max` records."""
    buffer = bytearray(_HEAD_BYTES)
    head = bytes(buffer[: _fill(stream, buffer, 0)])
    if not head:
        return
    encoding = encoding_of(head[0])
    separator = _separator_in(head, encoding)
    if separator:
        yield from _separated(stream, head, encoding, separator, records_max)
    else:
        yield from _unseparated(stream, head, encoding, records_max)


def _fill(stream: BinaryIO, into: bytearray, filled: int) -> int:
    """Read into `into` from `filled` on until it is full or the stream ends; how much of it is filled then."""
    readinto = getattr(stream, "readinto", None)
    with memoryview(into) as view:
        while filled < len(into):
            if readinto is not None:
                count = readinto(view[filled:]) or 0
            else:
                part = stream.read(len(into) - filled) or b""
                count = len(part)
                view[filled : filled + count] = part
            if not count:
                break
            filled += count
    return filled


def _without_end_marks(block: bytearray, filled: int, encoding: Encoding) -> int:
    """How much of `block` remains when the Ctrl-Z at its end are left out (Z-10)."""
    while filled and block[filled - 1] in END_MARKS[encoding]:
        filled -= 1
    return filled


def _separator_in(head: bytes, encoding: Encoding) -> bytes:
    """The separator of the file: empty, or one or two bytes."""
    feeds = LINE_FEEDS[encoding]
    place = next((place for place, byte in enumerate(head) if byte == CARRIAGE_RETURN or byte in feeds), None)
    if place is None:
        return b""
    if head[place] == CARRIAGE_RETURN and place + 1 < len(head) and head[place + 1] in feeds:
        return bytes(head[place : place + 2])
    return bytes(head[place : place + 1])


def _unseparated(stream: BinaryIO, head: bytes, encoding: Encoding, records_max: int) -> Iterator[Frame]:
    carried = head
    size = max(records_max * RECORD_BYTES, len(head) + RECORD_BYTES)
    size -= size % RECORD_BYTES
    while True:
        block = bytearray(size)
        block[: len(carried)] = carried
        filled = _fill(stream, block, len(carried))
        at_end = filled < size
        if at_end:
            filled = _without_end_marks(block, filled, encoding)
        whole = filled - filled % RECORD_BYTES
        carried = bytes(block[whole:filled])
        if whole:
            rows = np.frombuffer(block, np.uint8, whole).reshape(-1, RECORD_BYTES)
            yield Frame(_as_cp932(rows, encoding), None, encoding, memoryview(block)[:whole])
        if at_end:
            break
    if carried:
        last = np.frombuffer(carried.ljust(RECORD_BYTES, _space(encoding)), np.uint8).reshape(1, RECORD_BYTES)
        yield Frame(_as_cp932(last, encoding), np.array([len(carried)]), encoding, memoryview(carried))


def _separated(
    stream: BinaryIO, head: bytes, encoding: Encoding, separator: bytes, records_max: int
) -> Iterator[Frame]:
    stride = RECORD_BYTES + len(separator)
    size = max(records_max * stride, len(head) + stride)
    size -= size % stride
    block = bytearray(size)
    carried = head
    in_overlong = False  # inside a record longer than the block: its beginning was already handed out
    while True:
        block[: len(carried)] = carried
        filled = _fill(stream, block, len(carried))
        at_end = filled < size
        if at_end:
            filled = _without_end_marks(block, filled, encoding)
        flat = np.frombuffer(block, np.uint8, filled)
        is_mark = flat == separator[-1]
        if not in_overlong and _is_regular(flat, is_mark, separator):
            count = len(flat) // stride
            whole = count * stride
            if count:
                rows = np.ascontiguousarray(flat[:whole].reshape(count, stride)[:, :RECORD_BYTES])
                yield Frame(_as_cp932(rows, encoding), None, encoding, memoryview(block)[:whole])
        else:
            ends = np.flatnonzero(is_mark)
            starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
            if in_overlong and len(ends):
                starts, ends, in_overlong = starts[1:], ends[1:], False
            whole = int(np.flatnonzero(is_mark)[-1]) + 1 if is_mark.any() else 0
            if whole == 0 and not at_end:
                if not in_overlong:  # a record that fills the block: hand out its beginning, skip the rest of it
                    starts, ends, in_overlong = np.array([0]), np.array([len(flat)]), True
                whole = len(flat)
            # in bounded parts: a block of empty lines holds a hundred times as many records as one of full lines
            for first in range(0, len(starts), records_max):
                part = slice(first, first + records_max)
                yield _by_lengths(flat, starts[part], ends[part], separator, encoding, memoryview(block)[:whole])
        carried = bytes(flat[whole:])
        if at_end:
            break
    if carried and not in_overlong:
        last = np.frombuffer(carried, np.uint8)
        yield _by_lengths(last, np.array([0]), np.array([len(last)]), separator, encoding, memoryview(carried))


def _is_regular(flat: NDArray[np.uint8], is_mark: NDArray[np.bool_], separator: bytes) -> bool:
    """True when every record has 120 bytes and the separator behind it, and none stands elsewhere."""
    stride = RECORD_BYTES + len(separator)
    count = len(flat) // stride
    grid = flat[: count * stride].reshape(count, stride)
    for offset, byte in enumerate(separator):
        if not (grid[:, RECORD_BYTES + offset] == byte).all():
            return False
    return int(np.count_nonzero(is_mark)) == count


def _by_lengths(
    flat: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    separator: bytes,
    encoding: Encoding,
    source: memoryview,
) -> Frame:
    """Records from `starts` to `ends` of `flat`, filled with spaces; one step for each distinct length."""
    if separator[-1] != CARRIAGE_RETURN:
        # CR LF and LF may be mixed: the CR before a LF belongs to the separator.
        before = flat[np.maximum(ends - 1, 0)]
        ends = ends - ((before == CARRIAGE_RETURN) & (ends > starts))
    lengths = ends - starts
    rows = np.full((len(starts), RECORD_BYTES), _space(encoding)[0], np.uint8)
    shown = np.minimum(lengths, RECORD_BYTES)
    for length in np.unique(shown).tolist():
        if length == 0:
            continue
        which = np.flatnonzero(shown == length)
        windows = as_strided(flat, (len(flat) - length + 1, length), (1, 1), writeable=False)
        rows[which, :length] = windows[starts[which]]
    return Frame(_as_cp932(rows, encoding), lengths, encoding, source)


def _space(encoding: Encoding) -> bytes:
    return b" " if encoding == "cp932" else b" ".translate(CP932_TO_EBCDIC)


def _as_cp932(rows: Rows, encoding: Encoding) -> Rows:
    if encoding == "cp932":
        return rows
    return np.frombuffer(rows.tobytes().translate(EBCDIC_TO_CP932), np.uint8).reshape(-1, RECORD_BYTES)
