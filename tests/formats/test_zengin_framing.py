"""Framings of A.1: separators, missing last separators, stripped spaces, Ctrl-Z, and the borders of chunks."""

from __future__ import annotations

import io

import numpy as np
import pytest
import zengin_samples as z

from kanjo.formats.zengin import BadFile, FileEnd, GroupEnd, Reader
from kanjo.formats.zengin.encoding import CP932_TO_EBCDIC

SEPARATORS = {"none": b"", "crlf": b"\r\n", "cr": b"\r", "lf": b"\n"}
EBCDIC_SEPARATORS = {
    "none": b"",
    "cr lf": b"\x0d\x25",
    "appended crlf": b"\r\n",
    "lf": b"\x25",
    "nl": b"\x15",
    "cr": b"\r",
}


def records_of(name: str) -> list[bytes]:
    return (z.SAMPLES / name).read_bytes().split(b"\r\n")[:-1]


def same_as_sample(name: str, content: bytes, chunk_records: int = 16_384) -> None:
    """`content` gives the same records and the same digest as the sample as it lies there."""
    expected = z.read((z.SAMPLES / name).read_bytes())
    found = z.read(content, chunk_records=chunk_records)
    assert np.array_equal(z.raw_records(expected), z.raw_records(found))
    assert [e for e in expected if isinstance(e, GroupEnd | FileEnd)] == [
        e for e in found if isinstance(e, GroupEnd | FileEnd)
    ]


@pytest.mark.parametrize("name", ["payroll.txt", "debit.txt"])
@pytest.mark.parametrize("separator", SEPARATORS.values(), ids=SEPARATORS)
def test_every_framing_gives_the_same_records_and_digest(name, separator):
    """Without separator, CR LF, CR and LF: framing is no part of a file's identity (R-4)."""
    same_as_sample(name, b"".join(raw + separator for raw in records_of(name)))


@pytest.mark.parametrize("separator", [b"\r\n", b"\r", b"\n"])
def test_the_last_separator_may_be_missing(separator):
    """Some files in circulation leave out the separator behind the last record (Z-09)."""
    same_as_sample("payroll.txt", separator.join(records_of("payroll.txt")))


@pytest.mark.parametrize("separator", [b"\r\n", b"\r", b"\n"])
@pytest.mark.parametrize("chunk_records", [1, 5, 16_384])
def test_trailing_spaces_of_records_may_be_stripped(separator, chunk_records):
    """Stripped records are filled up again (Z-09), and the digest is that of whole records."""
    for name in ("payroll.txt", "debit.txt"):
        stripped = separator.join(raw.rstrip(b" ") for raw in records_of(name))
        same_as_sample(name, stripped, chunk_records)
        same_as_sample(name, stripped + separator, chunk_records)


def test_some_records_may_be_stripped_and_others_not():
    """Lines of 120 bytes beside shorter ones that add up to whole records are still told apart."""
    records = records_of("payroll.txt")
    mixed = [raw.rstrip(b" ") if place % 3 else raw for place, raw in enumerate(records)]

    same_as_sample("payroll.txt", b"\r\n".join(mixed))


def test_cr_lf_and_lf_may_be_mixed():
    """A CR before a LF belongs to the separator, whichever came first in the file."""
    records = records_of("payroll.txt")
    for first, second in ((b"\r\n", b"\n"), (b"\n", b"\r\n")):
        content = b"".join(raw + (first if place < 20 else second) for place, raw in enumerate(records))
        same_as_sample("payroll.txt", content)


@pytest.mark.parametrize("separator", SEPARATORS.values(), ids=SEPARATORS)
@pytest.mark.parametrize("chunk_records", [1, 143, 16_384])
def test_a_ctrl_z_at_the_end_is_tolerated(separator, chunk_records):
    """0x1A behind the last record, with or without its separator (Z-10)."""
    content = b"".join(raw + separator for raw in records_of("payroll.txt"))
    same_as_sample("payroll.txt", content + b"\x1a", chunk_records)
    same_as_sample("payroll.txt", separator.join(records_of("payroll.txt")) + b"\x1a", chunk_records)


def test_a_ctrl_z_inside_is_no_end():
    """0x1A before the end record is an error like any other wrong byte."""
    records = records_of("payroll.txt")

    assert z.faults(b"\r\n".join([*records[:-1], b"\x1a", records[-1]])) != []


@pytest.mark.parametrize("separator", EBCDIC_SEPARATORS.values(), ids=EBCDIC_SEPARATORS)
@pytest.mark.parametrize("end", [b"", b"\x1a", b"\x3f"])
def test_ebcdic_is_known_by_its_first_byte(separator, end):
    """EBCDIC kana with its own or with appended separators: the same digest as the JIS file of the same content."""
    header, *others = records_of("payroll.txt")
    records = [z.patched(header, 4, b"1"), *others]
    content = b"".join(raw.translate(CP932_TO_EBCDIC) + separator for raw in records) + end

    same_as_sample("payroll.txt", content)


def test_an_error_in_an_ebcdic_file_shows_the_byte_of_the_file():
    """What is found is the byte a reader of the file sees, not its translation."""
    header, first, *others = records_of("payroll.txt")
    records = [z.patched(header, 4, b"1"), first, *others]
    content = bytearray(b"".join(raw.translate(CP932_TO_EBCDIC) for raw in records))
    content[120 + 50] = 0x81 - 0x40  # 0x41: a sign no name may hold

    with pytest.raises(BadFile) as refused:
        z.read(bytes(content))
    (error,) = refused.value.errors
    assert (error.record, error.position, error.field, error.found) == (2, 51, "name", "byte 0x41")


@pytest.mark.parametrize("chunk_records", [1, 2, 3, 4, 5, 10, 47, 139, 140, 141, 142, 143, 144])
@pytest.mark.parametrize("separator", SEPARATORS.values(), ids=SEPARATORS)
def test_chunks_may_end_anywhere(chunk_records, separator):
    """Groups, records and digests are the same wherever a chunk ends."""
    one = records_of("payroll.txt")[:-1]
    records = [*one, *one, *one, z.END]
    content = b"".join(raw + separator for raw in records)
    whole = z.read(content)

    parts = z.read(content, chunk_records=chunk_records)

    assert np.array_equal(z.raw_records(whole), z.raw_records(parts))
    ends = [event for event in parts if isinstance(event, GroupEnd)]
    assert len(ends) == 3
    assert len({end.digest for end in ends}) == 1
    assert FileEnd(len(records), 3) == parts[-1]


def test_numbers_begin_anew_in_each_group():
    """`number` counts data records within their group over all its chunks."""
    one = records_of("payroll.txt")[:-1]
    numbers = [event.number for event in z.read(z.crlf(*one, *one, z.END), chunk_records=9) if hasattr(event, "number")]

    assert [*range(1, 141), *range(1, 141)] == np.concatenate(numbers).tolist()


def test_a_stream_may_answer_in_small_pieces():
    """A pipe gives what it has: short answers are no end of file, with and without `readinto`."""
    content = (z.SAMPLES / "debit.txt").read_bytes()

    class Trickle(io.RawIOBase):
        def __init__(self) -> None:
            self._rest = io.BytesIO(content)

        def readable(self) -> bool:
            return True

        def readinto(self, into: memoryview) -> int:
            part = self._rest.read(min(len(into), 77))
            into[: len(part)] = part
            return len(part)

    class OnlyRead:
        def __init__(self) -> None:
            self._rest = io.BytesIO(content)

        def read(self, size: int) -> bytes:
            return self._rest.read(min(size, 1_001))

    for stream in (Trickle(), OnlyRead()):
        assert FileEnd(183, 1) == list(Reader(stream))[-1]


@pytest.mark.parametrize("separator", [b"\r\n", b"\n", b"\r"])
def test_a_record_longer_than_the_memory_for_a_chunk_is_one_error(separator):
    """A line that never seems to end is told once and skipped; what follows is read."""
    records = records_of("payroll.txt")
    endless = records[1][:50] + b"\xb1" * 100_000
    content = separator.join([records[0], endless, *records[2:]]) + separator

    with pytest.raises(BadFile) as refused:
        z.read(content, chunk_records=10)

    assert [(e.record, e.position, e.field) for e in refused.value.errors] == [(2, 121, "record_length")]


def test_an_empty_line_is_a_record_of_no_bytes():
    """Between records it is out of order; behind the end record something follows."""
    records = records_of("payroll.txt")

    assert [error[:2] for error in z.faults(z.crlf(*records[:2], b"", *records[2:]))] == [(3, 1)]
    assert [error[:2] for error in z.faults(z.crlf(*records, b""))] == [(144, 1)]
