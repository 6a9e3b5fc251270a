"""Which bytes each class of field may hold (A.8), as data: one table of 256 per class and profile.

Sources disagree on width, so there are two profiles: STRICT is the standard's table and refuses what is doubtful,
LENIENT takes every symbol some bank is known to take. Neither takes lower case, comma, small kana or the long mark.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kanjo.formats.zengin.layout import Class, Field

SPACE = 0x20
DIGITS = b"0123456789"
LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
KANA = bytes(range(0xB1, 0xDE))
WO = b"\xa6"
VOICED_MARK, HALF_VOICED_MARK = 0xDE, 0xDF
MARKS = bytes([VOICED_MARK, HALF_VOICED_MARK])
_BRACKETS = b"\xa2\xa3"

_BASE = DIGITS + KANA + MARKS + b" "
_BANK_NAME = _BASE + LETTERS + b"-"
_NAME = _BASE + LETTERS + b"()-."
_PAYROLL_NAME = _BASE
_EDI = _BASE + WO + LETTERS + b"\\()-/." + _BRACKETS

# ﾞ may follow the rows of ka, sa, ta, ha and ｳ; ﾟ only the row of ha (A.8).
HA_ROW = bytes(range(0xCA, 0xCF))
VOICED_AFTER = b"\xb3" + bytes(range(0xB6, 0xC5)) + HA_ROW


@dataclass(frozen=True, slots=True)
class Profile:
    """How strictly a file is read.

    `texts` lists the bytes of each text class. `exact` also asks that marks follow a kana that can bear them, that
    bank names have no space inside, that codes are digits, fillers spaces, and amounts above zero (ZC-8).
    """

    name: Literal["strict", "lenient"]
    texts: dict[Class, bytes]
    exact: bool

    def allowed(self, field: Field) -> bytes:
        """The bytes that may stand anywhere in `field`."""
        match field.holds:
            case Class.DIGITS:
                return DIGITS
            case Class.DIGITS_OR_BLANK:
                return DIGITS + b" "
            case Class.CHOICE:
                return field.choices if self.exact else field.lenient_choices
            case Class.FILLER:
                return b" " if self.exact else bytes(range(256))
            case Class.ANY:
                return bytes(range(256))
            case _:
                return self.texts[field.holds]

    def all_or_nothing(self, field: Field) -> bool:
        """True for a field that is either all digits or all spaces, never a mixture (Z-05)."""
        return field.holds is Class.DIGITS_OR_BLANK or (self.exact and field.holds is Class.CUSTOMER)

    def __hash__(self) -> int:
        return hash(self.name)


STRICT = Profile(
    name="strict",
    texts={
        Class.BANK_NAME: _BANK_NAME,
        Class.NAME: _NAME,
        Class.PAYROLL_NAME: _PAYROLL_NAME,
        Class.EDI: _EDI,
        Class.CUSTOMER: DIGITS + b" ",
    },
    exact=True,
)
LENIENT = Profile(
    name="lenient",
    texts=dict.fromkeys((Class.BANK_NAME, Class.NAME, Class.PAYROLL_NAME, Class.EDI, Class.CUSTOMER), _EDI),
    exact=False,
)
