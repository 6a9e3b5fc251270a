"""Headers and trailers that passed the checks, as values."""

from __future__ import annotations

from kanjo.formats.zengin.records import Header, Trailer


def header_of(raw: bytes) -> Header:
    """A checked header record (120 bytes, cp932 form) as a value."""
    deposit_type, account = raw[95:96].strip(b" 0"), raw[96:103].strip()
    if not deposit_type and account == b"0000000":
        account = b""  # left out with zeros instead of spaces (Z-05)
    return Header(
        kind=raw[1:3].decode("ascii"),
        code_division=raw[3:4].decode("ascii"),
        originator=raw[4:14].decode("ascii"),
        originator_name=_text(raw[14:54]),
        month=int(raw[54:56]),
        day=int(raw[56:58]),
        bank=int(raw[58:62]),
        bank_name=_text(raw[62:77]),
        branch=int(raw[77:80]),
        branch_name=_text(raw[80:95]),
        deposit_type=int(deposit_type) if deposit_type else None,
        account=int(account) if account else None,
        raw=raw,
    )


def trailer_of(raw: bytes, *, has_results: bool) -> Trailer:
    """A checked trailer record (120 bytes, cp932 form) as a value; `has_results` for 91, whose trailer is longer."""
    totals = Trailer(int(raw[1:7]), int(raw[7:19]))
    if not has_results:
        return totals
    return Trailer(totals.count, totals.amount_yen, int(raw[19:25]), int(raw[25:37]), int(raw[37:43]), int(raw[43:55]))


def _text(field: bytes) -> str:
    return field.decode("cp932").rstrip(" ")
