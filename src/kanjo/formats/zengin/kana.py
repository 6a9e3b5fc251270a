"""Text for our own files: what can be written is brought into the standard's characters, the rest is refused (A.8).

Small kana become large, the long mark a hyphen, lower case upper case, full width half width, hiragana katakana. Kanji
and other signs have no such form.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kanjo.errors import Refused
from kanjo.formats.zengin.layout import Class
from kanjo.formats.zengin.profile import STRICT

_SMALL_TO_LARGE = str.maketrans("ァィゥェォャュョッヮヵヶ", "アイウエオヤユヨツワカケ")
_HYPHENS = "ー‐‑‒–—―−ｰ－"
_MARKS_OF = {"\u3099": "ﾞ", "\u309a": "ﾟ", "゛": "ﾞ", "゜": "ﾟ"}


def _half_width_table() -> dict[int, str]:
    table: dict[int, str] = {}
    half_of = {unicodedata.normalize("NFKC", chr(code)): chr(code) for code in range(0xFF61, 0xFF9E)}
    for code in range(0x30A1, 0x30FB):
        full = chr(code).translate(_SMALL_TO_LARGE)
        base, *marks = tuple(unicodedata.normalize("NFD", full))
        if base in half_of:
            half = half_of[base] + "".join(_MARKS_OF[mark] for mark in marks)
            table[code] = half
            if code <= 0x30F6:  # hiragana stand 0x60 before
                table[code - 0x60] = half
    for code in range(0xFF67, 0xFF70):  # small kana of half width
        table[code] = table[ord(unicodedata.normalize("NFKC", chr(code)))]
    for code in range(0xFF01, 0xFF5F):  # full-width ASCII
        table[code] = chr(code - 0xFEE0).upper()
    for code in range(ord("a"), ord("z") + 1):
        table[code] = chr(code).upper()
    table |= {ord(hyphen): "-" for hyphen in _HYPHENS}
    table |= {ord(mark): half for mark, half in _MARKS_OF.items()}
    table |= {ord("「"): "｢", ord("」"): "｣", ord("\u3000"): " ", ord("¥"): "\\", ord("￥"): "\\"}
    return table


_HALF_WIDTH = _half_width_table()

# Bytes that are never changed: text of these alone, the usual case, is spared the normalisation.
_LAWFUL = STRICT.texts[Class.EDI] + b"\n"


def normalise(text: str) -> str:
    """`text` with every character that has one in its single-byte form; characters without one stay as they are."""
    return text.translate(_HALF_WIDTH)


def encode(text: str, width: int) -> bytes:
    """`text` normalised, cut to `width` bytes and encoded. Refuses (`bad-text`) what has no single-byte form."""
    return bytes(encode_all([text], width)[0])


def encode_all(texts: Sequence[str], width: int) -> NDArray[np.bytes_]:
    """Many texts at once, as an array S`width`. Errors name the place in `texts` and the code point, not the text."""
    joined = "\n".join(texts)
    encoded = joined.encode("cp932", "replace")
    if len(encoded) != len(joined) or encoded.translate(None, delete=_LAWFUL):
        encoded = _encoded(normalise(joined))
    lines = encoded.split(b"\n")
    if len(lines) != len(texts):
        raise Refused("bad-text", "a text holds a line feed, which no field of a Zengin file may hold")
    return np.array([line if len(line) <= width else cut(line, width) for line in lines], dtype=f"S{width}")


def _encoded(joined: str) -> bytes:
    try:
        encoded = joined.encode("cp932")
    except UnicodeEncodeError as error:
        raise _unwritable(joined, error.start) from None
    if len(encoded) != len(joined):
        wide = next(place for place, character in enumerate(joined) if len(character.encode("cp932")) > 1)
        raise _unwritable(joined, wide)
    return encoded


def cut(text: bytes, width: int) -> bytes:
    """`text` cut to at most `width` bytes; a kana is never separated from its mark."""
    if len(text) <= width:
        return text
    return text[: width - 1] if text[width] in b"\xde\xdf" else text[:width]


def _unwritable(joined: str, place: int) -> Refused:
    number = joined.count("\n", 0, place) + 1
    code_point = f"U+{ord(joined[place]):04X}"
    return Refused(
        "bad-text",
        f"text {number} holds {code_point}, which has no form in a Zengin file; write the name in kana",
        number=number,
        code_point=code_point,
    )
