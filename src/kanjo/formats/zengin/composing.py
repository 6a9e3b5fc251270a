"""Building records from columns: headers, data records, results. What is built here passes our own strict reader."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kanjo.errors import Refused
from kanjo.formats.zengin.checking import checker
from kanjo.formats.zengin.digits import Rows, write_digits
from kanjo.formats.zengin.headings import header_of
from kanjo.formats.zengin.kana import encode_all
from kanjo.formats.zengin.layout import KINDS, LAYOUTS, RECORD_BYTES, KindLayouts, Layout
from kanjo.formats.zengin.profile import STRICT, Profile
from kanjo.formats.zengin.records import Header, Trailer

_RESULT_AT, _EDI_FLAG_AT = 111, 112
_RESULTS = (0, 1, 2, 3, 4, 8, 9)

Texts = NDArray[np.bytes_] | Sequence[str]
"""A column of text: encoded already (cp932), or to be normalised and encoded."""


def compose(
    kind: str,
    *,
    bank: ArrayLike,
    branch: ArrayLike,
    deposit_type: ArrayLike,
    account: ArrayLike,
    amount_yen: ArrayLike,
    name: Texts,
    customer: Texts | ArrayLike | None = None,
    new_code: ArrayLike = 0,
    result: ArrayLike = 0,
    edi: Texts | None = None,
    bank_name: Texts | None = None,
    branch_name: Texts | None = None,
) -> Rows:
    """Data records of `kind` (n x 120) from columns of one length; single values stand for whole columns.

    `customer` is bytes 92-111: texts of 20 bytes, or numbers to be written in 20 digits; without it, zeros. `edi` (21
    only) puts EDI text in their place and sets byte 113. Refuses (`bad-number`, `bad-text`) what does not fit.
    """
    layouts = _layouts(kind)
    amounts = np.atleast_1d(np.asarray(amount_yen))
    rows = np.full((len(amounts), RECORD_BYTES), 0x20, np.uint8)
    rows[:, 0] = 0x32
    _number(rows, "bank", 1, 4, bank)
    _number(rows, "branch", 20, 3, branch)
    if kind != "91":
        rows[:, 38:42] = 0x30
    _number(rows, "deposit_type", 42, 1, deposit_type)
    _number(rows, "account", 43, 7, account)
    _number(rows, "amount_yen", 80, 10, amounts)
    _number(rows, "new_code", 90, 1, new_code)
    _text(rows, 50, 30, name)
    if bank_name is not None:
        _text(rows, 5, 15, bank_name)
    if branch_name is not None:
        _text(rows, 23, 15, branch_name)
    _customer(rows, customer)
    if edi is not None:
        if layouts.data_edi is None:
            raise Refused("bad-text", f"EDI text stands only in kind 21, not in {kind}")
        _text(rows, 91, 20, edi)
        rows[:, _EDI_FLAG_AT] = ord("Y")
    if kind == "91":
        _number(rows, "result", _RESULT_AT, 1, result)
    require_lawful(layouts.data if edi is None or layouts.data_edi is None else layouts.data_edi, rows)
    return rows


def compose_header(
    kind: str,
    *,
    originator: str,
    originator_name: str,
    month: int,
    day: int,
    bank: int,
    branch: int,
    bank_name: str = "",
    branch_name: str = "",
    deposit_type: int | None = None,
    account: int | None = None,
    code_division: str = "0",
) -> Header:
    """A header from its fields (A.3). Refuses (`bad-number`, `bad-text`) what does not fit."""
    layouts = _layouts(kind)
    if len(originator) != 10 or not originator.isascii() or not originator.isdigit():
        raise Refused("bad-number", f"the originator's code must have 10 digits, not {len(originator)} characters")
    rows = np.full((1, RECORD_BYTES), 0x20, np.uint8)
    rows[0, :14] = np.frombuffer(f"1{kind}{code_division}{originator}".encode("ascii"), np.uint8)
    _text(rows, 14, 40, [originator_name])
    _number(rows, "date", 54, 4, month * 100 + day)
    _number(rows, "bank", 58, 4, bank)
    _text(rows, 62, 15, [bank_name])
    _number(rows, "branch", 77, 3, branch)
    _text(rows, 80, 15, [branch_name])
    if deposit_type is not None and account is not None:
        _number(rows, "deposit_type", 95, 1, deposit_type)
        _number(rows, "account", 96, 7, account)
    require_lawful(layouts.header, rows)
    return header_of(rows[0].tobytes())


def compose_trailer(trailer: Trailer, *, has_results: bool) -> Rows:
    """A trailer record (1 x 120); `has_results` for 91, in request and result alike."""
    totals = f"8{trailer.count:06d}{trailer.amount_yen:012d}"
    if has_results:
        totals += f"{trailer.paid_count:06d}{trailer.paid_amount_yen:012d}"
        totals += f"{trailer.unpaid_count:06d}{trailer.unpaid_amount_yen:012d}"
    return np.frombuffer(totals.ljust(RECORD_BYTES).encode("ascii"), np.uint8).reshape(1, RECORD_BYTES)


def with_results(raw: Rows, results: ArrayLike) -> Rows:
    """A copy of data records of 91 with the result codes (A.6) in byte 112; all else stays as it is."""
    codes = np.asarray(results)
    if not np.isin(codes, _RESULTS).all():
        raise Refused("bad-number", f"a result code must be one of {_RESULTS}")
    rows = raw.copy()
    rows[:, _RESULT_AT] = codes.astype(np.uint8) + 0x30
    return rows


def require_lawful(layout: Layout, rows: Rows, profile: Profile = STRICT) -> None:
    """Refuse (`bad-text`) records that our own reader would refuse; the error names field and byte, not the text."""
    check = checker(layout, profile)
    faults = check.faults(rows) if not check.is_lawful(rows) or _has_zero(layout, rows) else None
    if faults is None or not faults.any():
        return
    row, place = (int(found[0]) for found in np.nonzero(faults))
    field = next(field for field in layout if field.start <= place < field.stop)
    raise Refused(
        "bad-text",
        f"record {row + 1} cannot be written: {field.name} holds 0x{int(rows[row, place]):02X} at byte {place + 1}, "
        "which the standard does not allow there",
        record=row + 1,
        field=field.name,
        position=place + 1,
    )


def _has_zero(layout: Layout, rows: Rows) -> bool:
    is_data = layout[0].choices == b"2"
    return is_data and bool((rows[:, 80:90] == 0x30).all(axis=1).any())


def _layouts(kind: str) -> KindLayouts:
    if kind not in LAYOUTS:
        raise Refused("bad-kind", f'kind must be one of {" ".join(KINDS)}, not "{kind}"')
    return LAYOUTS[kind]


def _number(rows: Rows, name: str, start: int, width: int, values: ArrayLike) -> None:
    numbers = np.asarray(values)
    if numbers.dtype.kind not in "iu":
        raise Refused("bad-number", f"{name} must be whole numbers, not {numbers.dtype}")
    if numbers.size and (int(numbers.min()) < 0 or int(numbers.max()) >= 10**width):
        raise Refused("bad-number", f"{name} must have at most {width} digits and no sign")
    write_digits(rows, start, width, numbers)


def _text(rows: Rows, start: int, width: int, texts: Texts) -> None:
    if isinstance(texts, np.ndarray):
        if texts.dtype.itemsize > width:
            raise Refused("bad-text", f"an encoded text has {texts.dtype.itemsize} bytes, {width} fit")
        encoded = texts.astype(f"S{width}")
    else:
        encoded = encode_all(texts, width)
    column = np.ascontiguousarray(np.broadcast_to(encoded, (len(rows),))).view(np.uint8).reshape(len(rows), width)
    # The array fills up with NUL, the file with spaces.
    rows[:, start : start + width] = np.where(column == 0, 0x20, column)


def _customer(rows: Rows, customer: Texts | ArrayLike | None) -> None:
    if customer is None:
        rows[:, 91:111] = 0x30
        return
    column = np.asarray(customer)
    if column.dtype.kind in "iu":
        _number(rows, "customer", 91, 20, column)
    elif column.dtype.kind == "S":
        _text(rows, 91, 20, column)
    else:
        _text(rows, 91, 20, [str(text) for text in np.atleast_1d(column).tolist()])
