"""Composing and writing: what does not fit is refused, what is written is read again."""

from __future__ import annotations

import io

import numpy as np
import pytest
import zengin_samples as z

from kanjo.errors import Refused
from kanjo.formats.zengin import Records, Writer, compose, compose_header, with_results

PAYEE = {"bank": 9999, "branch": 1, "deposit_type": 1, "account": 1, "name": ["ｱ"]}


def test_columns_come_back_as_they_were_given():
    """compose and Reader are inverse, at the borders of every number too."""
    given = {
        "bank": np.array([0, 9999, 1234]),
        "branch": np.array([0, 999, 10]),
        "deposit_type": np.array([1, 2, 9]),
        "account": np.array([0, 9_999_999, 1]),
        "amount_yen": np.array([1, 9_999_999_999, 100_000_000]),
        "new_code": np.array([0, 1, 2]),
        "result": np.array([0, 9, 4]),
    }
    raw = compose("91", name=["ｱ", "ｶﾞ", "ﾔﾏﾀﾞ ﾀﾛｳ"], customer=[0, 10**18, 7], **given)
    stream = io.BytesIO()
    writer = Writer(stream)
    writer.header(header("91"))
    writer.records(raw)
    writer.trailer(results=True)
    writer.end()
    (records,) = [event for event in z.read(stream.getvalue()) if isinstance(event, Records)]

    for name, column in given.items():
        assert column.tolist() == getattr(records, name).tolist()
    assert records.customer.tolist() == [b"0" * 20, b"01" + b"0" * 18, b"0" * 19 + b"7"]
    assert np.array_equal(raw, records.raw)


def header(kind: str):
    return compose_header(
        kind,
        originator="0000000001",
        originator_name="テスト",
        month=2,
        day=29,
        bank=9999,
        branch=1,
        deposit_type=2,
        account=1,
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bank", 10_000),
        ("branch", -1),
        ("account", 10_000_000),
        ("amount_yen", 10_000_000_000),
        ("amount_yen", 1.5),
        ("new_code", 10),
        ("bank", "9999"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(field, value):
    """No number is cut or rounded into its field."""
    with pytest.raises((Refused, ValueError)):
        compose("11", **{"amount_yen": [1], **PAYEE, field: value})


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"amount_yen": [0]}, "amount"),
        ({"deposit_type": 9}, "deposit_type"),
        ({"new_code": 7}, "new_code"),
        ({"name": ["ｶ)ABC"]}, "name"),
        ({"name": ["ｱﾞ"]}, "name"),
        ({"customer": ["X" * 20]}, "employee"),
        ({"edi": ["ﾃｽﾄ"]}, "EDI"),
    ],
)
def test_what_our_reader_would_refuse_is_not_composed(change, shown):
    """compose keeps to the strict profile."""
    with pytest.raises(Refused) as refused:
        compose("11", **{"amount_yen": [1], **PAYEE, **change})

    assert shown in refused.value.message
    assert "ABC" not in refused.value.message


def test_long_names_are_cut_to_thirty_bytes():
    """A name of 31 bytes whose last is a mark loses the kana before it too."""
    raw = compose("11", **{"amount_yen": [1], **PAYEE, "name": ["ア" * 29 + "ガ"]})

    assert raw[0, 50:80].tobytes() == (b"\xb1" * 29 + b" ")


def test_results_change_byte_112_only():
    """The request comes back byte for byte but for the code (A.6)."""
    request = compose("91", **{"amount_yen": np.arange(1, 8), **PAYEE})
    codes = [0, 1, 2, 3, 4, 8, 9]
    result = with_results(request, codes)

    assert result[:, 111].tobytes() == b"0123489"
    assert np.array_equal(np.delete(request, 111, axis=1), np.delete(result, 111, axis=1))
    with pytest.raises(Refused):
        with_results(request, [5] * 7)


def test_a_writer_refuses_records_it_cannot_write():
    """Raw records from elsewhere pass the same checks."""
    raw = compose("11", **{"amount_yen": [1], **PAYEE})
    raw[0, 50] = ord("a")
    writer = Writer(io.BytesIO())
    writer.header(header("11"))

    with pytest.raises(Refused) as refused:
        writer.records(raw)
    assert (refused.value.details["field"], refused.value.details["position"]) == ("name", 51)


def test_a_writer_keeps_the_totals_within_their_digits():
    """A group of more than twelve digits of yen cannot be written (ZC-6)."""
    raw = compose("11", **{**PAYEE, "amount_yen": np.full(101, 9_999_999_999)})
    writer = Writer(io.BytesIO())
    writer.header(header("11"))

    with pytest.raises(Refused):
        writer.records(raw)


def test_a_file_is_of_one_kind():
    """A second header of another kind is refused (Z-13)."""
    writer = Writer(io.BytesIO())
    writer.header(header("11"))
    writer.trailer()

    with pytest.raises(Refused):
        writer.header(header("12"))


def test_an_empty_group_is_a_file():
    """Header, trailer of zeros, end: data* may be nothing."""
    stream = io.BytesIO()
    writer = Writer(stream)
    writer.header(header("91"))
    writer.trailer()
    writer.end()

    assert z.faults(stream.getvalue()) == []
