"""Characters on our write side, and the EBCDIC table."""

from __future__ import annotations

import pytest

from kanjo.errors import Refused
from kanjo.formats.zengin import normalise
from kanjo.formats.zengin.encoding import CP932_TO_EBCDIC, EBCDIC_TO_CP932, looks_like_utf8
from kanjo.formats.zengin.kana import cut, encode, encode_all


def test_the_ebcdic_vector_of_a_8():
    """ｱｶﾞﾊﾟﾝABC012- in code page 290."""
    assert "ｱｶﾞﾊﾟﾝABC012-".encode("cp932").translate(CP932_TO_EBCDIC).hex() == "8186be9dbfbdc1c2c3f0f1f260"


def test_the_ebcdic_tables_are_one_to_one():
    """No two bytes become one: every fault can be shown as it was in the file."""
    assert bytes(range(256)) == bytes(range(256)).translate(EBCDIC_TO_CP932).translate(CP932_TO_EBCDIC)
    assert len(set(EBCDIC_TO_CP932)) == 256


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ヤマダ　タロウ", "ﾔﾏﾀﾞ ﾀﾛｳ"),
        ("やまだ たろう", "ﾔﾏﾀﾞ ﾀﾛｳ"),
        ("キャッシュ", "ｷﾔﾂｼﾕ"),
        ("ｷｬｯｼｭ", "ｷﾔﾂｼﾕ"),
        ("サーバー", "ｻ-ﾊﾞ-"),
        ("ｻｰﾊﾞｰ", "ｻ-ﾊﾞ-"),
        ("ヴァイオリンパート", "ｳﾞｱｲｵﾘﾝﾊﾟ-ﾄ"),
        ("abcＡｂｃ１２３", "ABCABC123"),
        ("カ）テスト．（エ", "ｶ)ﾃｽﾄ.(ｴ"),
        ("ヲ「」¥", "ｦ｢｣\\"),
        ("か゛", "ｶﾞ"),
        ("が", "ｶﾞ"),
        ("か\u3099", "ｶﾞ"),
    ],
)
def test_text_is_brought_into_the_standards_characters(text, expected):
    """Small kana to large, long mark to hyphen, lower to upper case, full to half width, hiragana to katakana (A.8)."""
    assert expected == normalise(text)
    assert expected.encode("cp932") == encode(text, 40)


@pytest.mark.parametrize("text", ["山田太郎", "ﾔﾏﾀﾞ①", "é", "A\nB", "🙂"])
def test_what_has_no_form_is_refused_without_showing_the_name(text):
    """Kanji and other signs are refused; the error gives place and code point, not the text."""
    with pytest.raises(Refused) as refused:
        encode_all(["ｱ", text], 30)

    assert refused.value.code == "bad-text"
    assert text not in refused.value.message


def test_cutting_never_separates_a_kana_from_its_mark():
    """A mark that would be cut off takes its kana with it."""
    text = "ｱｲｳｶﾞﾊﾟ".encode("cp932")

    assert [text[:0], text[:1], text[:2], text[:3], text[:3], text[:5], text[:5], text] == [
        cut(text, width) for width in range(8)
    ]


def test_utf8_is_told_from_other_wrong_bytes():
    """Japanese in UTF-8 is known, even cut in the middle of a character; kana of JIS X 0201 is not taken for it."""
    text = "ﾃｽﾄｼﾖｳｼﾞ テスト 山田".encode()

    assert looks_like_utf8(text)
    assert looks_like_utf8(text[1:-1])
    assert looks_like_utf8(b"\xef\xbb\xbf1")
    assert not looks_like_utf8("ﾃｽﾄｼﾖｳｼﾞ".encode("cp932"))
    assert not looks_like_utf8("テスト山田".encode("cp932"))
    assert not looks_like_utf8(b"ABC")
