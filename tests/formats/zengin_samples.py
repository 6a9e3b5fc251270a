"""Records and files for the tests: the golden records of A.9, and short ways to build and read a file."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from kanjo.formats.zengin import STRICT, BadFile, Event, Profile, Reader, Records

SAMPLES = Path(__file__).parent.parent / "data" / "zengin"


def record(text: str) -> bytes:
    """A record written with `_` for spaces, filled up to 120 bytes."""
    return text.replace("_", " ").encode("cp932").ljust(120)


H21 = record("12109000000001ﾃｽﾄｼﾖｳｼﾞ(ｶ______________________________08259999ﾃｽﾄｷﾞﾝｺｳ_______001ﾎﾝﾃﾝ___________21234567")
D21 = record(
    "29998ｱﾅｻﾞ-__________012ﾐﾅﾐ____________000017654321ﾔﾏﾀﾞ_ﾀﾛｳ______________________00001000000000000000100000000027"
)
D21Y = record(
    "29998_______________012___________________10000042ｶ)ｴ-ﾋﾞ-ｼ-_____________________00000025001INV-2026/0825_ｦ_____7Y"
)
T21 = record("8000002000000102500")
END = record("9")
H91 = record("19100000000002ﾃﾞﾝﾘﾖｸ(ｶ________________________________08259999_______________002_______________27000001")
D91 = record(
    "29999ﾃｽﾄｷﾞﾝｺｳ_______001ﾎﾝﾃﾝ_______________12222222ﾔﾏﾀﾞ_ﾀﾛｳ______________________00000100000000000000000000010021"
)
T91 = record("8000002000000020000000001000000010000000001000000010000")
H11 = record("11100000000001ﾃｽﾄｼﾖｳｼﾞ_ｶ______________________________08259999_______________001")
D11 = record(
    "29999_______________001_______________000012222222ﾔﾏﾀﾞ_ﾀﾛｳ______________________0000010000000000000010000000000"
)
T11 = record("8000001000000010000")


def patched(raw: bytes, position: int, content: bytes) -> bytes:
    """`raw` with `content` from the 1-based byte `position` on."""
    return raw[: position - 1] + content + raw[position - 1 + len(content) :]


def crlf(*records: bytes) -> bytes:
    return b"".join(raw + b"\r\n" for raw in records)


def read(content: bytes, *, profile: Profile = STRICT, chunk_records: int = 16_384) -> list[Event]:
    return list(Reader(io.BytesIO(content), name="a.txt", profile=profile, chunk_records=chunk_records))


def faults(content: bytes, *, profile: Profile = STRICT) -> list[tuple[int, int, str, str]]:
    """Record, position, field and check of every error of a file; none for a good one."""
    try:
        read(content, profile=profile)
    except BadFile as refused:
        return [(error.record, error.position, error.field, error.check) for error in refused.errors]
    return []


def raw_records(events: list[Event]) -> np.ndarray:
    """All data records that came out, as one matrix."""
    parts = [event.raw for event in events if isinstance(event, Records)]
    return np.concatenate(parts) if parts else np.empty((0, 120), np.uint8)
