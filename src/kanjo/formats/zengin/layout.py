"""The 120-byte records as data: which field stands where and what it may hold.

Payroll is written down on its own and never derived from 21: it has no EDI overlay (A.4). Positions are 1-based, as
the standard prints them; `Field.start` is the 0-based twin used for slicing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

RECORD_BYTES = 120

PAYROLL_KINDS = frozenset({"11", "12", "71", "72"})
KINDS = ("11", "12", "71", "72", "21", "91")

HEADER, DATA, TRAILER, END = b"1289"


class Class(Enum):
    """What a field may hold; `profile` turns each class into a table of 256 bytes."""

    DIGITS = "digits"
    DIGITS_OR_BLANK = "digits or all spaces"
    BANK_NAME = "bank or branch name"
    NAME = "name"
    PAYROLL_NAME = "payroll name"
    EDI = "EDI text"
    CUSTOMER = "customer code"
    CHOICE = "choice"
    FILLER = "spaces"
    ANY = "anything"


TEXTS = frozenset({Class.BANK_NAME, Class.NAME, Class.PAYROLL_NAME, Class.EDI, Class.CUSTOMER})


@dataclass(frozen=True, slots=True)
class Field:
    """One field; `choices` lists the bytes a `Class.CHOICE` field may hold, `lenient_choices` those under lenient."""

    name: str
    position: int
    length: int
    holds: Class
    choices: bytes = b""
    lenient_choices: bytes = b""

    @property
    def start(self) -> int:
        return self.position - 1

    @property
    def stop(self) -> int:
        return self.position - 1 + self.length


Layout = tuple[Field, ...]

_ANY_TYPE = b"123456789"


def _kind(byte: int) -> Field:
    return Field("record_kind", 1, 1, Class.CHOICE, bytes([byte]), bytes([byte]))


def _header(name: Class, deposit_type: bytes, account: Class) -> Layout:
    return (
        _kind(HEADER),
        Field("kind", 2, 2, Class.DIGITS),
        Field("code_division", 4, 1, Class.CHOICE, b"01", b"01 "),
        Field("originator", 5, 10, Class.DIGITS),
        Field("originator_name", 15, 40, name),
        Field("date", 55, 4, Class.DIGITS),
        Field("bank", 59, 4, Class.DIGITS),
        Field("bank_name", 63, 15, Class.BANK_NAME),
        Field("branch", 78, 3, Class.DIGITS),
        Field("branch_name", 81, 15, Class.BANK_NAME),
        Field("deposit_type", 96, 1, Class.CHOICE, deposit_type, _ANY_TYPE + b"0 "),
        Field("account", 97, 7, account),
        Field("filler", 104, 17, Class.FILLER),
    )


# Sources disagree whether a payroll header may say 9; the wider reading is taken (A.3).
_HEADER_21 = _header(Class.NAME, b"1290 ", Class.DIGITS_OR_BLANK)
_HEADER_PAYROLL = _header(Class.PAYROLL_NAME, b"1290 ", Class.DIGITS_OR_BLANK)
_HEADER_91 = _header(Class.NAME, b"129", Class.DIGITS)
_HEADER_UNKNOWN = _header(Class.ANY, b"1290 ", Class.DIGITS_OR_BLANK)


def _data(clearing: Class, deposit_type: bytes, name: Class, *tail: Field) -> Layout:
    return (
        _kind(DATA),
        Field("bank", 2, 4, Class.DIGITS),
        Field("bank_name", 6, 15, Class.BANK_NAME),
        Field("branch", 21, 3, Class.DIGITS),
        Field("branch_name", 24, 15, Class.BANK_NAME),
        Field("clearing_house" if clearing is not Class.FILLER else "filler", 39, 4, clearing),
        Field("deposit_type", 43, 1, Class.CHOICE, deposit_type, _ANY_TYPE),
        Field("account", 44, 7, Class.DIGITS),
        Field("name", 51, 30, name),
        Field("amount", 81, 10, Class.DIGITS),
        *tail,
    )


_NEW_CODE = Field("new_code", 91, 1, Class.CHOICE, b"012", b"0123456789")

_DATA_21 = _data(
    Class.DIGITS_OR_BLANK,
    b"1249",
    Class.NAME,
    _NEW_CODE,
    Field("customer_1", 92, 10, Class.CUSTOMER),
    Field("customer_2", 102, 10, Class.CUSTOMER),
    Field("transfer_division", 112, 1, Class.CHOICE, b"780 ", b"0123456789 "),
    Field("edi_flag", 113, 1, Class.CHOICE, b"Y ", b"Y 0"),
    Field("filler", 114, 7, Class.FILLER),
)
_DATA_21_EDI = (*_DATA_21[:11], Field("edi", 92, 20, Class.EDI), *_DATA_21[13:])
_DATA_PAYROLL = _data(
    Class.DIGITS_OR_BLANK,
    b"12",
    Class.PAYROLL_NAME,
    _NEW_CODE,
    Field("employee", 92, 10, Class.CUSTOMER),
    Field("department", 102, 10, Class.CUSTOMER),
    Field("filler", 112, 9, Class.FILLER),
)
_DATA_91 = _data(
    Class.FILLER,
    b"1239",
    Class.NAME,
    _NEW_CODE,
    # The number that finds the mandate: unlike the other codes it is not optional, so not blank under strict.
    Field("customer", 92, 20, Class.DIGITS),
    Field("result", 112, 1, Class.CHOICE, b"0123489", b"0123489"),
    Field("filler", 113, 8, Class.FILLER),
)
# What holds whatever the kind: used after an unknown kind, so that the rest of the file is still looked at.
_DATA_UNKNOWN = (
    _kind(DATA),
    Field("bank", 2, 4, Class.DIGITS),
    Field("bank_name", 6, 15, Class.ANY),
    Field("branch", 21, 3, Class.DIGITS),
    Field("branch_name", 24, 19, Class.ANY),
    Field("deposit_type", 43, 1, Class.CHOICE, _ANY_TYPE, _ANY_TYPE),
    Field("account", 44, 7, Class.DIGITS),
    Field("name", 51, 30, Class.ANY),
    Field("amount", 81, 10, Class.DIGITS),
    Field("rest", 91, 30, Class.ANY),
)

_TOTALS = (_kind(TRAILER), Field("count", 2, 6, Class.DIGITS), Field("amount", 8, 12, Class.DIGITS))
_TRAILER = (*_TOTALS, Field("filler", 20, 101, Class.FILLER))
_TRAILER_91 = (
    *_TOTALS,
    Field("paid_count", 20, 6, Class.DIGITS),
    Field("paid_amount", 26, 12, Class.DIGITS),
    Field("unpaid_count", 38, 6, Class.DIGITS),
    Field("unpaid_amount", 44, 12, Class.DIGITS),
    Field("filler", 56, 65, Class.FILLER),
)
_TRAILER_UNKNOWN = (*_TOTALS, Field("rest", 20, 101, Class.ANY))

END_LAYOUT: Layout = (_kind(END), Field("filler", 2, 119, Class.FILLER))


@dataclass(frozen=True, slots=True)
class KindLayouts:
    """The layouts of one kind; `data_edi` is the overlay of 21 where byte 113 is Y, and None elsewhere."""

    header: Layout
    data: Layout
    trailer: Layout
    data_edi: Layout | None = None


UNKNOWN_KIND = KindLayouts(_HEADER_UNKNOWN, _DATA_UNKNOWN, _TRAILER_UNKNOWN)
_PAYROLL = KindLayouts(_HEADER_PAYROLL, _DATA_PAYROLL, _TRAILER)
LAYOUTS: dict[str, KindLayouts] = {
    **dict.fromkeys(sorted(PAYROLL_KINDS), _PAYROLL),
    "21": KindLayouts(_HEADER_21, _DATA_21, _TRAILER, _DATA_21_EDI),
    "91": KindLayouts(_HEADER_91, _DATA_91, _TRAILER_91),
}
