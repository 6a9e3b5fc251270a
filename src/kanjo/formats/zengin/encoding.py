"""Encodings of a file: JIS X 0201 (a part of cp932), EBCDIC kana (IBM code page 290), and UTF-8, which is refused.

Bytes of EBCDIC are mapped one to one onto bytes of the cp932 form. Those without a twin go to bytes that no field may
hold, so that they are found by the ordinary checks and can still be shown as they were.
"""

from __future__ import annotations

import codecs
import re
from typing import Literal

import ebcdic  # noqa: F401  # registers cp290 with codecs

Encoding = Literal["cp932", "ebcdic"]

# Code page 290 has the yen sign and the overline where JIS X 0201 puts them on 0x5C and 0x7E.
_JIS_OF = {"\u00a5": 0x5C, "\u203e": 0x7E}


def _to_jis(byte: int) -> int | None:
    character = bytes([byte]).decode("cp290", "replace")
    if character in _JIS_OF:
        return _JIS_OF[character]
    encoded = character.encode("cp932", "ignore")
    return encoded[0] if len(encoded) == 1 else None


def _permutation() -> bytes:
    known: dict[int, int] = {}
    taken: set[int] = set(_JIS_OF.values())
    for byte in range(256):
        jis = _to_jis(byte)
        if jis is not None and (jis not in taken or bytes([byte]).decode("cp290") in _JIS_OF):
            known[byte] = jis
            taken.add(jis)
    free = iter(sorted(set(range(256)) - set(known.values())))
    return bytes(known[byte] if byte in known else next(free) for byte in range(256))


EBCDIC_TO_CP932 = _permutation()
CP932_TO_EBCDIC = bytes(EBCDIC_TO_CP932.index(byte) for byte in range(256))

# Record separators as bytes of the file. A text editor of the host writes 0x25 or 0x15, a gateway appends 0x0A.
LINE_FEEDS: dict[Encoding, bytes] = {"cp932": b"\n", "ebcdic": b"\x25\x0a\x15"}
CARRIAGE_RETURN = 0x0D
END_MARKS: dict[Encoding, bytes] = {"cp932": b"\x1a", "ebcdic": b"\x1a\x3f"}

CODE_DIVISION: dict[Encoding, str] = {"cp932": "0", "ebcdic": "1"}

# Half-width kana, full width, and the common ranges of Japanese in UTF-8: no legal file has a byte of 0xE0 or above.
_JAPANESE_UTF8 = re.compile(rb"\xef[\xbb-\xbe][\x80-\xbf]|[\xe3-\xe9][\x80-\xbf][\x80-\xbf]")


def encoding_of(first_byte: int) -> Encoding:
    """The encoding a file beginning with this byte has: EBCDIC digits are 0xF0 to 0xF9."""
    return "ebcdic" if 0xF0 <= first_byte <= 0xF9 else "cp932"


def looks_like_utf8(source: bytes | bytearray | memoryview) -> bool:
    """True when `source`, perhaps cut at either end, is UTF-8 with Japanese in it."""
    text = bytes(source)
    if _JAPANESE_UTF8.search(text) is None:
        return False
    start = next((place for place in range(min(4, len(text))) if not 0x80 <= text[place] <= 0xBF), 0)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(text[start:])
    except UnicodeDecodeError:
        return False
    return True
