"""Fuzzing: real samples bent in every way a disk, a line or a hand may bend them give records or `BadFile`.

`KANJO_FUZZ_ROUNDS` says how many files are tried and `KANJO_FUZZ_SEED` which; a failure names the seed of its file.
"""

from __future__ import annotations

import io
import os
import random
import tracemalloc
from collections.abc import Callable, Iterable

import pytest
import zengin_samples as z

from kanjo.formats.zengin import LENIENT, STRICT, BadFile, FileEnd, GroupEnd, GroupStart, Reader, Records

ROUNDS = int(os.environ.get("KANJO_FUZZ_ROUNDS", "1500"))
SEED = int(os.environ.get("KANJO_FUZZ_SEED", "1"))
ERRORS_MAX = 100
MEGABYTE = 1_048_576
GOOD = [(z.SAMPLES / name).read_bytes() for name in ("payroll.txt", "debit.txt")]
BAD = [path.read_bytes() for path in sorted((z.SAMPLES / "bad").iterdir())]
GOLDEN = [z.crlf(z.H21, z.D21, z.D21Y, z.T21, z.END), z.crlf(z.H91, z.D91, z.D91, z.T91, z.END)]

Bend = Callable[[random.Random, bytes], bytes]


def _place(draw: random.Random, content: bytes) -> int:
    """Anywhere, or exactly between two records."""
    if draw.random() < 0.3:
        return draw.randrange(len(content) // 122 + 1) * 122
    return draw.randrange(len(content) + 1)


def _part(draw: random.Random, content: bytes) -> tuple[int, int]:
    first = _place(draw, content)
    return first, min(len(content), first + draw.choice((1, 2, 3, 119, 120, 121, 122, 244, draw.randrange(1, 5_000))))


def flip_bits(draw: random.Random, content: bytes) -> bytes:
    bent = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 10, 200)) if bent else 0):
        bent[draw.randrange(len(bent))] ^= 1 << draw.randrange(8)
    return bytes(bent)


def write_over(draw: random.Random, content: bytes) -> bytes:
    """Bytes with a meaning somewhere, over anything."""
    first, _ = _part(draw, content)
    word = draw.choice(
        (b"\x00", b"\x1a", b"\r", b"\n", b"\r\n", b"\xff", b"9", b"8", b"1", b"2", b" ", b"\xef\xbb\xbf")
    )
    return content[:first] + word * draw.choice((1, 1, 2, 120)) + content[first + len(word) :]


def leave_out(draw: random.Random, content: bytes) -> bytes:
    first, end = _part(draw, content)
    return content[:first] + content[end:]


def double(draw: random.Random, content: bytes) -> bytes:
    first, end = _part(draw, content)
    return content[:end] + content[first:end] * draw.choice((1, 1, 2, 50)) + content[end:]


def put_in(draw: random.Random, content: bytes) -> bytes:
    first = _place(draw, content)
    return content[:first] + draw.randbytes(draw.choice((1, 2, 120, 122, 1_000))) + content[first:]


def splice(draw: random.Random, content: bytes) -> bytes:
    other = draw.choice(GOOD + BAD + GOLDEN)
    return content[: _place(draw, content)] + other[_place(draw, other) :]


def cut_short(draw: random.Random, content: bytes) -> bytes:
    return content[: _place(draw, content)]


def shuffle(draw: random.Random, content: bytes) -> bytes:
    records = content.split(b"\r\n")
    draw.shuffle(records)
    return b"\r\n".join(records)


def reframe(draw: random.Random, content: bytes) -> bytes:
    return content.replace(b"\r\n", draw.choice((b"", b"\r", b"\n", b"\n\r", b"\r\n\r\n")))


def reencode(draw: random.Random, content: bytes) -> bytes:
    """As EBCDIC would have it, or an encoding that nobody may use."""
    return content.decode("cp932", "replace").encode(draw.choice(("cp290", "utf-8", "utf-16", "euc_jp")), "replace")


BENDS: tuple[Bend, ...] = (
    flip_bits,
    write_over,
    leave_out,
    double,
    put_in,
    splice,
    cut_short,
    shuffle,
    reframe,
    reencode,
)


class Trickle(io.RawIOBase):
    """A stream that gives as few or as many bytes at a time as it likes."""

    def __init__(self, draw: random.Random, content: bytes) -> None:
        self._draw = draw
        self._content = io.BytesIO(content)
        self._most = draw.choice((7, 1_000, 1 << 20))

    def readable(self) -> bool:
        return True

    def readinto(self, into: memoryview) -> int:  # type: ignore[override]
        part = self._content.read(self._draw.randrange(1, min(len(into), self._most) + 1))
        into[: len(part)] = part
        return len(part)


def bent_file(draw: random.Random) -> bytes:
    """A sample bent once or several times; now and then nothing but noise."""
    if draw.random() < 0.05:
        return draw.randbytes(draw.randrange(5_000))
    content = draw.choice(GOOD + BAD + GOLDEN)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
        content = draw.choice(BENDS)(draw, content)
    return content


def require_records_or_bad_file(draw: random.Random, content: bytes) -> bool:
    """Read it to its end; whether it was good. What comes out of a good one fits together."""
    reader = Reader(
        Trickle(draw, content),
        name="bent.txt",
        profile=draw.choice((STRICT, LENIENT)),
        chunk_records=draw.choice((1, 3, 100, 16_384)),
        errors_max=ERRORS_MAX,
    )
    events = []
    try:
        events.extend(reader)
    except BadFile as refused:
        _require_places(refused)
        return False
    records = [event for event in events if isinstance(event, Records)]
    ends = [event for event in events if isinstance(event, GroupEnd)]
    assert isinstance(events[0], GroupStart) and isinstance(events[-1], FileEnd)
    assert sum(len(part) for part in records) == sum(end.count for end in ends)
    assert sum(int(part.amount_yen.sum()) for part in records) == sum(end.amount_yen for end in ends)
    return True


def _require_places(refused: BadFile) -> None:
    assert 0 < len(refused.errors) <= ERRORS_MAX
    assert all(error.record > 0 and error.position > 0 for error in refused.errors)


@pytest.mark.parametrize("part", range(4))
def test_bent_samples_give_records_or_bad_file(part: int) -> None:
    """Bits flipped, bytes written over, pieces lost, doubled, spliced, put in other order, framing or encoding."""
    good = 0
    for place in range(part, ROUNDS, 4):
        seed = f"{SEED}/{place}"
        draw = random.Random(seed)
        content = bent_file(draw)
        try:
            good += require_records_or_bad_file(draw, content)
        except Exception as error:
            raise AssertionError(f"the file of seed {seed}, {len(content)} bytes: {error!r}") from error

    assert good, "some bends do no harm; a fuzzer whose every file is refused tests only refusals"


class Endless(io.RawIOBase):
    """A piece over and over again, so many bytes of it."""

    def __init__(self, begin: bytes, piece: bytes, size: int) -> None:
        self._rest = begin
        self._piece = piece * max(1, 100_000 // len(piece))
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, into: memoryview) -> int:  # type: ignore[override]
        if not self._rest and self._left > 0:
            self._rest = self._piece
            self._left -= len(self._piece)
        part, self._rest = self._rest[: len(into)], self._rest[len(into) :]
        into[: len(part)] = part
        return len(part)


NOISE = random.Random(1).randbytes(99_991)


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        pytest.param(b"", b" ", id="spaces"),
        pytest.param(b"", b"\n", id="line feeds"),
        pytest.param(b"", b"\r\n", id="empty lines"),
        pytest.param(b"", b"\x00", id="zeros"),
        pytest.param(b"", NOISE, id="noise"),
        pytest.param(z.crlf(z.H11), b"2", id="one line without an end"),
        pytest.param(z.crlf(z.H11), z.crlf(z.patched(z.D11, 81, b"A")), id="faulty records"),
        pytest.param(z.crlf(z.H11), z.crlf(z.D11), id="the same record"),
        pytest.param(b"", z.crlf(z.H11), id="headers"),
        pytest.param(b"", z.crlf(z.H11, *[z.D11] * 200, z.record("8000200000002000000")), id="groups"),
        pytest.param(b"", z.crlf(z.T11), id="trailers"),
        pytest.param(z.crlf(z.H11, z.D11, z.T11, z.END), b"\x1a", id="ends of file behind the end"),
        pytest.param(z.crlf(z.H11, z.D11, z.T11, z.END), b"\r\n", id="empty lines behind the end"),
    ],
)
def test_memory_stays_bounded_whatever_is_endless(begin: bytes, piece: bytes) -> None:
    """20 MB of it: not a quarter is ever held, not even of what is no record or holds a hundred times as many."""
    tracemalloc.start()
    try:
        _read_through(Reader(Endless(begin, piece, 20 * MEGABYTE), name="endless.txt", chunk_records=1_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 5 * MEGABYTE


def _read_through(events: Iterable[object]) -> None:
    try:
        for _ in events:
            pass
    except BadFile as refused:
        _require_places(refused)
