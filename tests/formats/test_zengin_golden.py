"""The golden records of A.9: layouts and bytes agreed on beforehand, with their hashes."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import zengin_samples as z

from kanjo.formats.zengin import (
    FileEnd,
    GroupEnd,
    GroupStart,
    Records,
    Trailer,
    Writer,
    compose,
    compose_header,
    with_results,
)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def bulk_records() -> np.ndarray:
    plain = compose(
        "21",
        bank=9998,
        bank_name=["ｱﾅｻﾞ-"],
        branch=12,
        branch_name=["ﾐﾅﾐ"],
        deposit_type=1,
        account=7654321,
        amount_yen=100_000,
        name=["ﾔﾏﾀﾞ ﾀﾛｳ"],
        customer=["00000000010000000002"],
    )
    plain[0, 111] = ord("7")
    return plain


def test_h21_is_read_into_its_fields_and_has_its_hash():
    """The header of a bulk transfer stands byte for byte as in A.9, and every field comes from its place."""
    header = next(
        event for event in z.read(z.crlf(z.H21, z.D21, z.D21Y, z.T21, z.END)) if isinstance(event, GroupStart)
    )

    assert sha256(z.H21) == "684926af35c931fd6214422920a44b5a52a6eee44ad5795b241203d1f7e85562"
    fields = header.header
    assert (fields.kind, fields.code_division, fields.originator) == ("21", "0", "9000000001")
    assert (fields.originator_name, fields.month, fields.day) == ("ﾃｽﾄｼﾖｳｼﾞ(ｶ", 8, 25)
    assert (fields.bank, fields.bank_name, fields.branch, fields.branch_name) == (9999, "ﾃｽﾄｷﾞﾝｺｳ", 1, "ﾎﾝﾃﾝ")
    assert (fields.deposit_type, fields.account, fields.raw) == (2, 1234567, z.H21)


def test_h21_is_written_from_its_fields():
    """Composing the header from its fields gives the golden bytes."""
    header = compose_header(
        "21",
        originator="9000000001",
        originator_name="ﾃｽﾄｼﾖｳｼﾞ(ｶ",
        month=8,
        day=25,
        bank=9999,
        bank_name="ﾃｽﾄｷﾞﾝｺｳ",
        branch=1,
        branch_name="ﾎﾝﾃﾝ",
        deposit_type=2,
        account=1234567,
    )

    assert header.raw == z.H21


def test_d21_is_read_and_written():
    """A plain bulk transfer record: composing gives the golden bytes, reading gives the columns."""
    (records,) = [event for event in z.read(z.crlf(z.H21, z.D21, z.D21Y, z.T21, z.END)) if isinstance(event, Records)]

    assert sha256(z.D21) == "6ef8b21dccc1a84b6dc69a66fa68c0289781de3f6b1813474f15c978e7e62115"
    assert bulk_records().tobytes() == z.D21
    assert (records.bank[0], records.branch[0], records.deposit_type[0], records.account[0]) == (9998, 12, 1, 7654321)
    assert (records.amount_yen[0], records.new_code[0], records.result[0]) == (100_000, 0, 0)
    assert records.customer[0] == b"00000000010000000002"


def test_d21y_is_read_and_written():
    """With Y in byte 113 bytes 92-111 are EDI text; blank names and clearing number are lawful."""
    (records,) = [event for event in z.read(z.crlf(z.H21, z.D21, z.D21Y, z.T21, z.END)) if isinstance(event, Records)]
    composed = compose(
        "21",
        bank=9998,
        branch=12,
        deposit_type=1,
        account=42,
        amount_yen=2_500,
        name=["ｶ)ｴ-ﾋﾞ-ｼ-"],
        new_code=1,
        edi=["INV-2026/0825 ｦ"],
    )
    composed[0, 38:42] = ord(" ")
    composed[0, 111] = ord("7")

    assert sha256(z.D21Y) == "a5d0e1bfca1bdb3921b7f80ad4d52d7490ed8ebdce6b2cdff6958e5b33a1bde3"
    assert composed.tobytes() == z.D21Y
    assert (records.account[1], records.amount_yen[1], records.new_code[1]) == (42, 2_500, 1)
    assert records.customer[1] == "INV-2026/0825 ｦ     ".encode("cp932")


def test_t21_is_read_and_written():
    """The trailer of a bulk transfer has count and amount only."""
    (end,) = [event for event in z.read(z.crlf(z.H21, z.D21, z.D21Y, z.T21, z.END)) if isinstance(event, GroupEnd)]

    assert sha256(z.T21) == "8828dce29213f54dbaf44eb77a3655267db1de95a182e143961324db2c5516dd"
    assert end.trailer == Trailer(2, 102_500)
    assert end.digest == sha256(z.H21 + z.D21 + z.D21Y + z.T21)
    assert (end.count, end.amount_yen, end.warnings, end.is_result) == (2, 102_500, (), False)


def test_e_ends_the_file():
    """The end record is a 9 and spaces."""
    assert sha256(z.END) == "b76735d13c457c01cf867e794d4d154169fe7860eea15bb8d2d006327b613a00"
    assert z.read(z.crlf(z.H21, z.D21, z.D21Y, z.T21, z.END))[-1] == FileEnd(record_count=5, group_count=1)


def test_the_golden_file_without_separators():
    """Read and written again without separators: 600 bytes with the golden hash."""
    content = z.H21 + z.D21 + z.D21Y + z.T21 + z.END

    assert sha256(content) == "80efda1cd02c7f34e33e0c5a91865dd9a281999d67a1c13eda1aa597d3410265"
    assert content == written_again(content, "none")


def test_the_golden_file_with_crlf():
    """Read and written again with CR LF behind every record: 610 bytes with the golden hash."""
    content = z.crlf(z.H21, z.D21, z.D21Y, z.T21, z.END)

    assert sha256(content) == "b550e335ed3861454f09012fe2c3cbb6873c9e2a9217c1e4418c72b5f57978b6"
    assert content == written_again(content, "crlf")


def written_again(content: bytes, framing: str) -> bytes:
    stream = io.BytesIO()
    writer = Writer(stream, framing=framing)
    for event in z.read(content):
        match event:
            case GroupStart(header):
                writer.header(header)
            case Records():
                writer.records(event.raw)
            case GroupEnd():
                assert event.trailer == writer.trailer(results=event.is_result)
    writer.end()
    return stream.getvalue()


def test_d91_is_a_result_record():
    """A debit of 10,000 yen with result 1: the result stands in byte 112 and nothing else differs from the request."""
    request = compose(
        "91",
        bank=9999,
        bank_name=["ﾃｽﾄｷﾞﾝｺｳ"],
        branch=1,
        branch_name=["ﾎﾝﾃﾝ"],
        deposit_type=1,
        account=2222222,
        amount_yen=10_000,
        name=["ﾔﾏﾀﾞ ﾀﾛｳ"],
        customer=[1002],
    )

    assert sha256(z.D91) == "0a153f795a733dc9355e89dda55dd5ba87300c2ca4a3200c74826ef34508ab36"
    assert with_results(request, [1]).tobytes() == z.D91
    assert z.patched(z.D91, 112, b"0") == request.tobytes()


def test_t91_is_the_trailer_of_a_result():
    """One paid, one unpaid: the four last totals agree with the codes, and the group is known as a result."""
    paid = z.patched(z.D91, 112, b"0")
    content = z.crlf(z.H91, paid, z.patched(z.D91, 92, b"00000000000000001003"), z.T91, z.END)
    (end,) = [event for event in z.read(content) if isinstance(event, GroupEnd)]

    assert sha256(z.T91) == "3e881e5a6665504f0adb2e16000a1dc81341974ea4e19ce5c19403d0e2036d40"
    assert end.trailer == Trailer(2, 20_000, 1, 10_000, 1, 10_000)
    assert end.is_result
    assert content == written_again(content, "crlf")
