"""The folder of bad files: each refused whole, with the place its README names."""

from __future__ import annotations

import csv
import io
import json

import pytest
import zengin_samples as z

from kanjo.formats.zengin import LENIENT, BadFile, GroupEnd, Reader, Records

WHERE = {
    "after-end.txt": [(184, 1)],
    "bad-date.txt": [(1, 55)],
    "data-before-header.txt": [(1, 1)],
    "empty.txt": [(1, 1)],
    "letter-in-amount.txt": [(8, 86)],
    "lower-case-name.txt": [(14, 51)],
    "new-code-7.txt": [(16, 91)],
    "no-end-record.txt": [(183, 1)],
    "no-trailer.txt": [(182, 1)],
    "record-length.txt": [(6, 101)],
    "small-kana-in-name.txt": [(10, 51)],
    "trailer-amount.txt": [(182, 8)],
    "trailer-count.txt": [(182, 2)],
    "two-errors.txt": [(4, 46), (21, 85)],
    "unknown-kind.txt": [(1, 2)],
    "utf8.txt": [(1, 15)],
    "zero-amount.txt": [(12, 81)],
}


def test_every_bad_file_has_its_place_here():
    """A file added to the folder must say where its fault is."""
    assert sorted(WHERE) == sorted(path.name for path in (z.SAMPLES / "bad").iterdir())


@pytest.mark.parametrize("chunk_records", [1, 7, 16_384])
@pytest.mark.parametrize("name", sorted(WHERE))
def test_a_bad_file_is_refused_at_its_place(name, chunk_records):
    """Exactly the errors the README tells, whatever the size of the chunks."""
    content = (z.SAMPLES / "bad" / name).read_bytes()

    with pytest.raises(BadFile) as refused:
        list(Reader(io.BytesIO(content), name=name, chunk_records=chunk_records))

    assert WHERE[name] == [(error.record, error.position) for error in refused.value.errors]
    assert {name} == {error.file for error in refused.value.errors}
    assert not refused.value.truncated


def test_utf8_is_refused_with_its_name():
    """The error says UTF-8 and what to do, not a thousand wrong bytes."""
    with pytest.raises(BadFile) as refused:
        z.read((z.SAMPLES / "bad" / "utf8.txt").read_bytes())

    (error,) = refused.value.errors
    assert (error.field, error.found) == ("encoding", "UTF-8")
    assert "convert" in error.expected


def test_no_account_holder_is_named_in_any_refusal():
    """Neither message nor details of a refusal holds any name of the samples."""
    names = {row["name_kana"] for row in csv.DictReader((z.SAMPLES / "accounts.csv").open(encoding="utf-8"))}
    for path in (z.SAMPLES / "bad").iterdir():
        content = path.read_bytes()
        names |= {line[50:80].decode("cp932", "replace").strip() for line in content.split(b"\r\n") if line[:1] == b"2"}
        with pytest.raises(BadFile) as refused:
            z.read(content)
        shown = refused.value.message + json.dumps(refused.value.details, ensure_ascii=False)
        assert not [name for name in names if name and name in shown]


@pytest.mark.parametrize("profile", [z.STRICT, LENIENT])
@pytest.mark.parametrize(
    ("name", "count", "amount_yen"), [("payroll.txt", 140, 29_915_719), ("debit.txt", 180, 9_171_300)]
)
def test_the_good_samples_are_read_under_both_profiles(name, count, amount_yen, profile):
    """Payroll and debit: their records and totals, and no warning."""
    events = z.read((z.SAMPLES / name).read_bytes(), profile=profile)
    (end,) = [event for event in events if isinstance(event, GroupEnd)]
    records = [event for event in events if isinstance(event, Records)]

    assert (count, amount_yen) == (end.count, end.amount_yen)
    assert (count, amount_yen) == (sum(map(len, records)), sum(int(part.amount_yen.sum()) for part in records))
    assert end.warnings == ()
    assert not end.is_result
