"""The checks a receiver must run, ZC-1 to ZC-9, each by its number, and what surrounds them."""

from __future__ import annotations

import io

import numpy as np
import pytest
import zengin_samples as z

from kanjo.formats.zengin import LENIENT, BadFile, GroupEnd, Reader, Writer, compose, compose_header
from kanjo.formats.zengin.group import Group
from kanjo.formats.zengin.records import Trailer

PAID = z.patched(z.D91, 112, b"0")
OTHER = z.patched(z.D91, 92, b"00000000000000001003")
REQUEST_TRAILER = z.record("8000001000000010000000000000000000000000000000000000000")


def debit(*data: bytes, trailer: bytes) -> bytes:
    return z.crlf(z.H91, *data, trailer, z.END)


def payroll(data: bytes = z.D11, *, header: bytes = z.H11) -> bytes:
    return z.crlf(header, data, z.T11, z.END)


def test_the_file_the_other_tests_break_is_lawful():
    """What each test spoils in one place is right without it."""
    assert z.faults(payroll()) == []
    assert z.faults(debit(PAID, trailer=REQUEST_TRAILER)) == []
    assert z.faults(debit(PAID, OTHER, trailer=z.T91)) == []


def test_zc_1_a_short_record_is_one_error_at_its_first_missing_byte():
    """A record cut in its customer code is too short; its fields are not complained about one by one."""
    assert z.faults(debit(PAID[:100], trailer=REQUEST_TRAILER)) == [(2, 101, "record_length", "ZC-1")]


def test_zc_1_a_long_record_is_one_error():
    """A record of 121 bytes is too long even when the surplus is a space."""
    assert z.faults(debit(PAID + b" ", trailer=REQUEST_TRAILER)) == [(2, 121, "record_length", "ZC-1")]


def test_zc_1_without_separators_the_last_record_shows_the_missing_bytes():
    """Bytes missing at the end of an unseparated file are found in its last record."""
    content = z.H11 + z.D11 + z.T11[:12]

    assert (3, 13, "record_length", "ZC-1") in z.faults(content)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([z.D11, z.T11, z.END], [(1, 1)]),
        ([z.END], [(1, 1)]),
        ([z.T11, z.END], [(1, 1)]),
        ([z.H11, z.END], [(2, 1)]),
        ([z.H11, z.D11, z.END], [(3, 1)]),
        ([z.H11, z.D11, z.T11], [(4, 1)]),
        ([z.H11, z.D11], [(3, 1)]),
        ([z.H11, z.D11, z.T11, z.T11, z.END], [(4, 1)]),
        ([z.H11, z.D11, z.T11, z.D11, z.END], [(4, 1)]),
        ([z.H11, z.H11, z.D11, z.T11, z.END], [(2, 1)]),
        ([z.H11, z.D11, z.T11, z.END, z.END], [(5, 1)]),
        ([z.H11, z.D11, z.T11, z.END, z.H11, z.D11, z.T11, z.END], [(5, 1)]),
        ([z.H11, b"7" + z.D11[1:], z.T11, z.END], [(2, 1)]),
    ],
)
def test_zc_2_records_out_of_order_are_found_where_the_order_breaks(records, expected):
    """The shape is (header data* trailer)+ end; a break is told once, without errors that only follow from it."""
    for content in (z.crlf(*records), b"".join(records)):
        assert expected == [(record, position) for record, position, _, check in z.faults(content) if check == "ZC-2"]
        assert len(expected) == len(z.faults(content))


@pytest.mark.parametrize(
    ("position", "field"),
    [(2, "bank"), (21, "branch"), (44, "account"), (50, "account"), (81, "amount"), (90, "amount")],
)
@pytest.mark.parametrize("byte", [b"O", b" ", b"-", b"\xb1", b"\x00", b"\xff"])
def test_zc_3_only_digits_stand_in_a_number(position, field, byte):
    """One byte that is no digit in a number is found at its place."""
    assert z.faults(payroll(z.patched(z.D11, position, byte))) == [(2, position, field, "ZC-3")]


def test_zc_3_an_optional_number_is_all_digits_or_all_spaces():
    """An omitted code is zeros or spaces (Z-05), never a mixture."""
    assert z.faults(payroll(z.patched(z.D11, 92, b" " * 20))) == []
    assert z.faults(payroll(z.patched(z.D11, 39, b" " * 4))) == []
    assert z.faults(payroll(z.patched(z.D11, 39, b"0 00"))) == [(2, 40, "clearing_house", "ZC-3")]
    assert z.faults(payroll(z.patched(z.D11, 92, b"         1"))) == [(2, 101, "employee", "ZC-3")]


@pytest.mark.parametrize("byte", [b"a", b",", b"\xa7", b"\xb0", b"A", b"(", b"-", b".", b"\xa6", b"\x0b", b"\xe0"])
def test_zc_4_payroll_names_hold_kana_digits_and_space_only(byte):
    """Payroll names have no letters and no signs under strict (A.8)."""
    assert z.faults(payroll(z.patched(z.D11, 53, byte))) == [(2, 53, "name", "ZC-4")]
    assert z.faults(payroll(header=z.patched(z.H11, 16, byte))) == [(1, 16, "originator_name", "ZC-4")]


@pytest.mark.parametrize("byte", [b"A", b"(", b")", b"-", b".", b" ", b"9"])
def test_zc_4_other_names_also_hold_letters_and_four_signs(byte):
    """Names of 21 and 91 may hold A-Z ( ) - . and space."""
    assert z.faults(debit(z.patched(PAID, 55, byte), trailer=REQUEST_TRAILER)) == []


@pytest.mark.parametrize(
    ("byte", "is_lawful"), [(b"-", True), (b"A", True), (b".", False), (b"(", False), (b" ", False)]
)
def test_zc_4_bank_names_hold_letters_and_a_hyphen_but_no_space_inside(byte, is_lawful):
    """Bank and branch names have fewer signs than other names; spaces only fill them up."""
    found = z.faults(payroll(z.patched(z.D11, 6, b"\xb1" + byte + b"\xb2")))

    assert ([] if is_lawful else [(2, 8 if byte == b" " else 7, "bank_name", "ZC-4")]) == found


@pytest.mark.parametrize("text", ["ｶﾞ", "ｳﾞ", "ﾊﾟ", "ﾎﾞ", "ﾄﾞ"])
def test_zc_4_marks_follow_the_kana_that_bear_them(text):
    """ﾞ follows the rows of ka, sa, ta, ha and ｳ; ﾟ the row of ha."""
    assert z.faults(payroll(z.patched(z.D11, 51, text.encode("cp932")))) == []


@pytest.mark.parametrize("text", ["ｱﾞ", "ｶﾟ", "ﾅﾞ", "ﾏﾟ", "ﾝﾞ", "ﾞｱ", " ﾞ", "1ﾟ"])
def test_zc_4_marks_follow_no_other_byte(text):
    """A mark behind anything else is found at the mark, also as the first byte of a name."""
    position = 51 if text[0] == "ﾞ" else 52

    assert z.faults(payroll(z.patched(z.D11, 51, text.encode("cp932")))) == [(2, position, "name", "ZC-4")]


@pytest.mark.parametrize("sign", ["\\", "｢", "｣", "/", "ｦ", "A", "."])
def test_zc_4_edi_text_has_more_signs(sign):
    """EDI text takes ｦ, brackets, slash and the yen sign, which names do not."""
    edi = z.patched(z.D21Y, 95, sign.encode("cp932"))

    assert z.faults(z.crlf(z.H21, z.D21, edi, z.T21, z.END)) == []


def test_zc_4_edi_text_is_lawful_only_where_byte_113_says_so():
    """Without Y the same bytes are two codes of digits, and payroll knows no EDI text at all."""
    plain = z.patched(z.D21Y, 113, b" ")

    assert (3, 92, "customer_1", "ZC-3") in z.faults(z.crlf(z.H21, z.D21, plain, z.T21, z.END))
    assert z.faults(payroll(z.patched(z.D11, 92, b"INV"))) == [(2, 92, "employee", "ZC-3")]


def test_zc_4_the_lenient_profile_takes_the_wider_class_but_never_lower_case():
    """Lenient: letters and EDI signs in every text, codes of any text; small kana and lower case stay forbidden."""
    wide = z.patched(z.patched(z.D11, 53, b"A/"), 92, b"EMP-7")

    assert z.faults(payroll(wide), profile=LENIENT) == []
    assert z.faults(payroll(z.patched(z.D11, 53, b"a")), profile=LENIENT) == [(2, 53, "name", "ZC-4")]
    assert z.faults(payroll(z.patched(z.D11, 53, b"\xa7")), profile=LENIENT) == [(2, 53, "name", "ZC-4")]


def test_zc_5_the_trailer_agrees_with_its_own_group():
    """Count and amount are compared group by group: two wrongs that cancel over the file are both found."""
    more, less = z.record("8000002000000010000"), z.record("8000000000000010000")
    content = z.crlf(z.H11, z.D11, more, z.H11, z.D11, less, z.END)

    assert z.faults(content) == [(3, 2, "count", "ZC-5"), (6, 2, "count", "ZC-5")]
    assert z.faults(z.crlf(z.H11, z.D11, z.record("8000001000000010001"), z.END)) == [(3, 8, "amount", "ZC-5")]


def test_zc_5_totals_are_not_compared_with_an_unreadable_amount():
    """One letter in an amount is one error: the total cannot be known."""
    assert z.faults(payroll(z.patched(z.D11, 86, b"O"))) == [(2, 86, "amount", "ZC-3")]


def test_zc_6_the_sum_fits_twelve_digits_and_the_count_six():
    """A group of more can have no true trailer: the error says what is the most."""
    group = Group(None, True, 2, count=1_000_000, amount_yen=1_000_000_000_000)

    found = [(check, name, expected) for check, name, _, expected, _ in group.total_faults(Trailer(999_999, 1))]

    assert found == [
        ("ZC-6", "count", "at most 999999 (the records make 1000000)"),
        ("ZC-6", "amount", "at most 999999999999 (the records make 1000000000000)"),
    ]


def test_zc_6_a_file_whose_sum_has_thirteen_digits_is_refused():
    """101 records of 9,999,999,999 yen make more than twelve digits hold."""
    most = z.patched(z.D11, 81, b"9999999999")
    content = z.crlf(z.H11, *[most] * 101, z.record("8000101009999999899"), z.END)

    assert z.faults(content) == [(103, 8, "amount", "ZC-6")]


@pytest.mark.parametrize(
    ("position", "field"),
    [(25, "paid_count"), (37, "paid_amount"), (43, "unpaid_count"), (55, "unpaid_amount")],
)
def test_zc_7_the_totals_of_a_result_agree_with_its_codes(position, field):
    """Paid counts exactly the records of code 0, unpaid the rest, for counts and amounts."""
    wrong = z.patched(z.T91, position, b"7")

    assert [(4, field, "ZC-7")] == [(r, f, c) for r, _, f, c in z.faults(debit(PAID, OTHER, trailer=wrong))]


def test_zc_7_codes_without_totals_are_no_request():
    """A result code in a record makes the file a result, so its trailer must say so."""
    zeros = z.record("8000002000000020000000000000000000000000000000000000000")

    assert {"ZC-7"} == {check for *_, check in z.faults(debit(PAID, OTHER, trailer=zeros))}


@pytest.mark.parametrize("code", b"567 A")
def test_a_result_code_is_one_of_a_6(code):
    """Codes 5, 6 and 7 do not exist."""
    assert z.faults(debit(z.patched(PAID, 112, bytes([code])), trailer=REQUEST_TRAILER)) == [(2, 112, "result", "A.4")]


def test_zc_8_an_amount_of_zero_is_refused_under_strict_only():
    """Nobody pays nothing; under lenient the record passes."""
    content = z.crlf(z.H11, z.patched(z.D11, 81, b"0000000000"), z.record("8000001"), z.END)
    content = z.crlf(z.H11, z.patched(z.D11, 81, b"0000000000"), z.record("8000001000000000000"), z.END)

    assert z.faults(content) == [(2, 81, "amount", "ZC-8")]
    assert z.faults(content, profile=LENIENT) == []


def test_zc_9_a_payment_that_stands_twice_in_a_group_is_a_warning():
    """Same payee, amount and code: the later record is named with the earlier; the file is still good."""
    twice = z.crlf(z.H11, z.D11, z.patched(z.D11, 92, b"0000000002"), z.D11, z.record("8000003000000030000"), z.END)
    (end,) = [event for event in z.read(twice) if isinstance(event, GroupEnd)]

    assert [(w.record, w.check, w.message) for w in end.warnings] == [(4, "ZC-9", "same payment as record 2")]


@pytest.mark.parametrize(
    ("position", "content"),
    [(2, b"9998"), (21, b"002"), (43, b"2"), (44, b"7"), (81, b"1"), (92, b"1"), (101, b"9"), (111, b"1")],
)
def test_zc_9_payments_that_differ_are_no_duplicates(position, content):
    """A payment to another account, of another amount or with another code is another payment."""
    other = z.patched(z.D11, position, content)
    rows = np.frombuffer(other + z.D11, np.uint8).reshape(-1, 120)
    stream = io.BytesIO()
    writer = Writer(stream)
    writer.header(a_header())
    writer.records(rows)
    writer.trailer()
    writer.end()
    (end,) = [event for event in z.read(stream.getvalue()) if isinstance(event, GroupEnd)]

    assert end.warnings == ()


def test_zc_9_the_same_payment_in_another_group_is_no_duplicate():
    """Groups are separate runs: what stands once in each of them is no warning."""
    content = z.crlf(z.H11, z.D11, z.T11, z.H11, z.D11, z.T11, z.END)

    assert [event.warnings for event in z.read(content) if isinstance(event, GroupEnd)] == [(), ()]


def test_zc_9_duplicates_are_found_across_chunks_and_their_list_is_bounded():
    """Thousands of copies give a hundred warnings and one that says how many more there are."""
    count = 5_000
    rows = compose("11", bank=9999, branch=1, deposit_type=1, account=7, amount_yen=[5] * count, name=["ｱ"])
    stream = io.BytesIO()
    writer = Writer(stream)
    writer.header(a_header())
    writer.records(rows)
    writer.trailer()
    writer.end()
    (end,) = [e for e in z.read(stream.getvalue(), chunk_records=1_000) if isinstance(e, GroupEnd)]

    assert len(end.warnings) == 101
    assert end.warnings[-1].message == "4899 more payments stand twice"
    assert (end.warnings[0].record, end.warnings[0].message) == (3, "same payment as record 2")


def a_header():
    return compose_header("11", originator="0000000001", originator_name="ﾃｽﾄ", month=8, day=25, bank=9999, branch=1)


@pytest.mark.parametrize("date", [b"0000", b"0100", b"0132", b"0230", b"0431", b"1301", b"0001"])
def test_a_date_of_no_year_is_refused(date):
    """30 February exists in no year."""
    assert z.faults(payroll(header=z.patched(z.H11, 55, date))) == [(1, 55, "date", "ZC-10")]


@pytest.mark.parametrize("date", [b"0229", b"0131", b"1231", b"0430"])
def test_a_date_of_some_year_passes(date):
    """29 February exists in some years; which year is meant is decided elsewhere (ZC-11)."""
    assert z.faults(payroll(header=z.patched(z.H11, 55, date))) == []


@pytest.mark.parametrize(("header", "lawful"), [(z.H11, b"1290 "), (z.H21, b"1290 "), (z.H91, b"129")])
def test_header_deposit_types_are_those_of_its_kind(header, lawful):
    """The header's account is optional but in a direct debit."""
    for code in b"0123456789 A":
        content = z.crlf(
            z.patched(header, 96, bytes([code])),
            z.record("8000000000000000000".ljust(55, "0")) if header is z.H91 else z.record("8000000000000000000"),
            z.END,
        )
        assert ([] if code in lawful else [(1, 96, "deposit_type", "A.4")]) == z.faults(content)


@pytest.mark.parametrize(("kind", "lawful"), [("11", b"12"), ("12", b"12"), ("71", b"12"), ("21", b"1249")])
def test_data_deposit_types_are_those_of_its_kind(kind, lawful):
    """Payroll pays into ordinary and current accounts only."""
    header = z.patched(z.H11, 2, kind.encode())
    for code in b"0123456789 A":
        content = z.crlf(header, z.patched(z.D11, 43, bytes([code])), z.T11, z.END)
        assert ([] if code in lawful else [(2, 43, "deposit_type", "A.4")]) == z.faults(content)


def test_all_headers_of_a_file_are_of_one_kind():
    """A bonus group behind a salary group is refused (Z-13)."""
    content = z.crlf(z.H11, z.D11, z.T11, z.patched(z.H11, 2, b"12"), z.D11, z.T11, z.END)

    assert z.faults(content) == [(4, 2, "kind", "A.2")]


def test_the_code_division_tells_the_encoding_truly():
    """A JIS file that says EBCDIC is refused under strict (Z-06)."""
    assert z.faults(payroll(header=z.patched(z.H11, 4, b"1"))) == [(1, 4, "code_division", "Z-06")]
    assert z.faults(payroll(header=z.patched(z.H11, 4, b"1")), profile=LENIENT) == []


@pytest.mark.parametrize(("position", "raw"), [(104, "header"), (112, "data"), (20, "trailer"), (2, "end")])
def test_fillers_are_spaces(position, raw):
    """Something in a filler is refused under strict and ignored under lenient."""
    records = {"header": z.H11, "data": z.D11, "trailer": z.T11, "end": z.END}
    records[raw] = z.patched(records[raw], position, b"X")
    content = z.crlf(*records.values())

    assert [(position, "filler", "A.4")] == [error[1:] for error in z.faults(content)]
    assert z.faults(content, profile=LENIENT) == []


def test_all_errors_are_listed_in_order_up_to_the_limit():
    """Every bad record is named; beyond the limit the list is cut and says so."""
    bad = z.patched(z.patched(z.D11, 44, b"X"), 91, b"7")
    content = z.crlf(z.H11, *[bad] * 60, z.record("8000060000000600000"), z.END)

    with pytest.raises(BadFile) as refused:
        list(Reader(io.BytesIO(content), name="b.txt", errors_max=200))
    assert [(r, p) for r in range(2, 62) for p in (44, 91)] == [(e.record, e.position) for e in refused.value.errors]
    assert refused.value.truncated is False

    with pytest.raises(BadFile) as refused:
        list(Reader(io.BytesIO(content), name="b.txt", errors_max=100))
    assert len(refused.value.errors) == 100
    assert refused.value.truncated is True
    assert "and at least 100 more errors" in refused.value.message


def test_a_refusal_names_file_record_byte_field_found_and_expected():
    """The message names the first error, the details list all of them for a program."""
    with pytest.raises(BadFile) as refused:
        z.read(payroll(z.patched(z.D11, 86, b"O")))

    assert refused.value.code == "bad-file"
    assert refused.value.message == 'a.txt: record 2, byte 86, amount: found byte 0x4F ("O"), expected 10 digits'
    assert refused.value.details["errors"] == [
        {
            "file": "a.txt",
            "record": 2,
            "position": 86,
            "field": "amount",
            "found": 'byte 0x4F ("O")',
            "expected": "10 digits",
            "check": "ZC-3",
        }
    ]


def test_no_name_is_shown_by_an_error_even_when_records_slip():
    """One byte too few shifts every record behind it, so that names stand where numbers should: none is shown."""
    records = [z.patched(z.D11, 51, b"YAMADA TARO HANAKO") for _ in range(5)]
    content = b"".join([z.H11, *records, z.T11, z.END])

    for start in range(121, 320, 7):
        with pytest.raises(BadFile) as refused:
            z.read(content[:start] + content[start + 1 :])
        shown = str(refused.value) + str(refused.value.details)
        assert not any(part in shown for part in ("YA", "AMA", "MADA", "TARO", "HANA"))
