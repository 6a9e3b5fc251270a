"""Large files: bounded memory, and a rate far above reading record by record."""

from __future__ import annotations

import io
import time
import tracemalloc

import numpy as np
import zengin_samples as z

from kanjo.formats.zengin import FileEnd, GroupEnd, Reader, Records

_MEGABYTE = 1_048_576


class Endless(io.RawIOBase):
    """A payroll file of `count` records that differ in their code, made as it is read."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._next = 0
        self._rest = z.crlf(z.H11)
        self._is_ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, into: memoryview) -> int:
        if not self._rest:
            self._rest = self._more()
        part, self._rest = self._rest[: len(into)], self._rest[len(into) :]
        into[: len(part)] = part
        return len(part)

    def _more(self) -> bytes:
        size = min(4_000, self._count - self._next)
        if size:
            rows = np.tile(np.frombuffer(z.crlf(z.D11), np.uint8), (size, 1))
            number = np.arange(self._next, self._next + size)
            for place in range(100, 90, -1):
                number, rows[:, place] = np.divmod(number, 10)
            rows[:, 91:101] += 0x30
            self._next += size
            return rows.tobytes()
        if self._is_ended:
            return b""
        self._is_ended = True
        return z.crlf(z.record(f"8{self._count:06d}{self._count * 10_000:012d}"), z.END)


def test_memory_does_not_grow_with_the_file():
    """120 MB of records are read within 40 MB: chunks, and eight bytes a record for ZC-9."""
    count = 983_000
    tracemalloc.start()
    try:
        seen = 0
        for event in Reader(Endless(count), name="big"):
            if isinstance(event, Records):
                seen += len(event)
            elif isinstance(event, GroupEnd):
                assert event.warnings == ()
        assert isinstance(event, FileEnd)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert count == seen
    assert peak < 40 * _MEGABYTE


def test_reading_is_several_times_faster_than_record_by_record():
    """Three times at the very least, checks and digest included, on a busy machine too; it is seven on an idle one."""
    content = Endless(100_000).read()

    def plainly() -> int:
        total_yen = 0
        stream = io.BytesIO(content)
        while raw := stream.read(122):
            text = raw.decode("cp932")
            if text[0] == "2":
                fields = (
                    int(text[1:5]), int(text[20:23]), int(text[42]), int(text[43:50]), text[50:80],
                    int(text[80:90]), text[90], text[91:111], text[111],
                )  # fmt: skip
                total_yen += fields[5]
        return total_yen

    def with_reader() -> int:
        return sum(int(event.amount_yen.sum()) for event in Reader(io.BytesIO(content)) if isinstance(event, Records))

    def seconds(work) -> float:
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            assert work() == 1_000_000_000
            best = min(best, time.process_time() - start)
        return best

    assert seconds(with_reader) * 3 < seconds(plainly)
