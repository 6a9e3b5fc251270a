"""Properties: what is written comes back, and any bytes at all give records or `BadFile`."""

from __future__ import annotations

import io

import numpy as np
import zengin_samples as z
from hypothesis import given, settings
from hypothesis import strategies as st

from kanjo.formats.zengin import (
    LENIENT,
    STRICT,
    BadFile,
    FieldError,
    FileEnd,
    GroupEnd,
    GroupStart,
    Reader,
    Records,
    Writer,
    compose,
    compose_header,
    with_results,
)
from kanjo.formats.zengin.layout import KINDS

KANA = "ｱｲｳｴｵｶｷｸﾊﾋﾔﾕﾖﾗﾘﾙﾝ"
names = st.lists(st.sampled_from([*KANA, "ｶﾞ", "ﾊﾟ", "ｳﾞ", " ", "7"]), max_size=15).map("".join)
framings = st.sampled_from(["crlf", "none", "cr", "lf"])
encodings = st.sampled_from(["cp932", "ebcdic"])
chunks = st.sampled_from([1, 3, 8, 100, 16_384])


@st.composite
def groups(draw, kind: str):
    """A header and its records."""
    header = compose_header(
        kind,
        originator=draw(st.from_regex("[0-9]{10}", fullmatch=True)),
        originator_name=draw(names),
        month=draw(st.integers(1, 12)),
        day=draw(st.integers(1, 29)),
        bank=draw(st.integers(0, 9999)),
        branch=draw(st.integers(0, 999)),
        deposit_type=draw(st.sampled_from([1, 2])),
        account=draw(st.integers(0, 9_999_999)),
    )
    size = draw(st.integers(0, 30))
    if not size:
        return header, np.empty((0, 120), np.uint8)
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    raw = compose(
        kind,
        bank=random.integers(0, 10_000, size),
        branch=random.integers(0, 1_000, size),
        deposit_type=random.integers(1, 3, size),
        account=random.integers(0, 10_000_000, size),
        amount_yen=random.integers(1, 10_000_000_000, size),
        name=draw(st.lists(names, min_size=size, max_size=size)),
        customer=random.integers(0, 2**62, size),
        new_code=random.integers(0, 3, size),
    )
    return header, raw


files = st.sampled_from(KINDS).flatmap(
    lambda kind: st.tuples(st.just(kind), st.lists(groups(kind), min_size=1, max_size=4))
)


def write(written, framing, encoding, *, results=None) -> bytes:
    stream = io.BytesIO()
    writer = Writer(stream, framing=framing, encoding=encoding)
    for header, raw in written:
        writer.header(header)
        writer.records(raw)
        writer.trailer(results=results is not None)
    writer.end()
    return stream.getvalue()


@settings(max_examples=80, deadline=None)
@given(files, framings, encodings, chunks)
def test_what_is_written_is_read_again(file, framing, encoding, chunk_records):
    """Headers, records, totals and digests come back in every framing and encoding, in chunks of any size."""
    _, written = file
    content = write(written, framing, encoding)
    events = z.read(content, chunk_records=chunk_records)
    plain = z.read(write(written, "crlf", "cp932"))

    headers = [event.header for event in events if isinstance(event, GroupStart)]
    assert [h.raw[4:] for h, _ in written] == [h.raw[4:] for h in headers]
    assert np.array_equal(np.concatenate([raw for _, raw in written]), z.raw_records(events))
    ends = [event for event in events if isinstance(event, GroupEnd)]
    assert [(len(raw), len(raw)) for _, raw in written] == [(end.count, end.trailer.count) for end in ends]
    assert [e.digest for e in plain if isinstance(e, GroupEnd)] == [end.digest for end in ends]
    assert isinstance(events[-1], FileEnd)


@settings(max_examples=40, deadline=None)
@given(groups("91").filter(lambda group: len(group[1])), framings, encodings, st.data())
def test_results_are_written_and_pass_our_own_checks(group, framing, encoding, data):
    """A result file of any codes satisfies ZC-7, and the codes come back."""
    header, raw = group
    codes = data.draw(st.lists(st.sampled_from([0, 1, 2, 3, 4, 8, 9]), min_size=len(raw), max_size=len(raw)))
    content = write([(header, with_results(raw, codes))], framing, encoding, results=True)
    events = z.read(content)

    (end,) = [event for event in events if isinstance(event, GroupEnd)]
    assert end.is_result
    assert codes.count(0) == end.trailer.paid_count
    assert codes == np.concatenate([event.result for event in events if isinstance(event, Records)]).tolist()


def outcome(content: bytes, **options) -> None:
    """Reads `content`; anything but events to the end or `BadFile` fails the test."""
    events, refused = [], None
    try:
        events = list(Reader(io.BytesIO(content), **options))
    except BadFile as error:
        refused = error
    if refused is None:
        assert isinstance(events[-1], FileEnd)
        return
    places = [(error.record, error.position) for error in refused.errors]
    assert places
    assert places == sorted(places)
    assert all(record >= 1 and 1 <= position <= 121 for record, position in places)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2_000), chunks, st.sampled_from([STRICT, LENIENT]))
def test_any_bytes_give_records_or_a_refusal(content, chunk_records, profile):
    """No input raises anything else."""
    outcome(content, chunk_records=chunk_records, profile=profile)


RECORDS = [z.H21, z.D21, z.D21Y, z.T21, z.END, z.H91, z.D91, z.T91, z.H11, z.D11, z.T11]


@st.composite
def spoiled_files(draw) -> bytes:
    """Records in any order, with bytes taken out, put in and changed: the nearer a file is to a good one, the deeper it
    gets into the reader."""
    separator = draw(st.sampled_from([b"", b"\r\n", b"\n", b"\r"]))
    content = bytearray(b"".join(raw + separator for raw in draw(st.lists(st.sampled_from(RECORDS), max_size=12))))
    for _ in range(draw(st.integers(0, 4))):
        place = int(draw(st.floats(0, 1)) * len(content))
        what = draw(st.binary(min_size=1, max_size=3))
        stop = place if draw(st.booleans()) else place + len(what)
        content[place:stop] = what if draw(st.booleans()) else b""
    return bytes(content)


@settings(max_examples=200, deadline=None)
@given(spoiled_files(), chunks, st.sampled_from([STRICT, LENIENT]), st.integers(1, 20))
def test_spoiled_files_give_records_or_a_refusal(content, chunk_records, profile, errors_max):
    """No file made of real records and damage raises anything else."""
    outcome(content, chunk_records=chunk_records, profile=profile, errors_max=errors_max)


def errors_of(content: bytes, chunk_records: int, profile) -> tuple[FieldError, ...]:
    try:
        list(Reader(io.BytesIO(content), chunk_records=chunk_records, profile=profile, errors_max=10_000))
    except BadFile as refused:
        return refused.errors
    return ()


def test_an_endless_line_is_told_the_same_whatever_the_chunks():
    """A stray CR at the beginning makes one line of all the rest, and no chunk holds it whole."""
    content = b"\r" + b"1" * 479
    found = {errors_of(content, chunk_records, STRICT) for chunk_records in (1, 3, 5, 100)}

    assert len(found) == 1
    assert any(error.found == "more than 240 bytes" for error in found.pop())


@settings(max_examples=200, deadline=None)
@given(spoiled_files(), st.sampled_from([STRICT, LENIENT]))
def test_the_errors_of_a_file_do_not_depend_on_its_chunks(content, profile):
    """The same errors wherever chunks end."""
    found = [errors_of(content, chunk_records, profile) for chunk_records in (1, 5, 100)]

    assert found[0] == found[1] == found[2]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["payroll.txt", "debit.txt"]), st.floats(0, 0.999), st.integers(0, 255))
def test_one_wrong_byte_is_found_the_same_way_in_chunks_of_any_size(name, where, byte):
    """The errors of a file do not depend on how it was cut."""
    content = bytearray((z.SAMPLES / name).read_bytes())
    content[int(where * len(content))] = byte
    found = [errors_of(bytes(content), chunk_records, STRICT) for chunk_records in (3, 50, 16_384)]

    assert found[0] == found[1] == found[2]
