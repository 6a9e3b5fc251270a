"""The sample files, from loading to the result file: what must come out stands in expected.json."""

from __future__ import annotations

from office import SAMPLES, TUESDAY, Office, expected

from kanjo.ledger import Code


def test_the_sample_day_comes_out_exactly(sample: Office) -> None:
    """Every balance and every result is as expected.json says, and nothing is left in between."""
    want = expected()
    [payroll] = sample.load(SAMPLES / "payroll.txt").runs
    [debit] = sample.load(SAMPLES / "debit.txt").runs
    sample.open(TUESDAY)
    sample.settle(payroll.run, debit.run)

    assert want["balances"] == sample.balances()
    assert want["debit_results"] == sample.result(debit.run)[1]
    paid = sample.status(payroll.run).totals
    assert (want["payroll"]["paid"], want["payroll"]["returned"]) == (paid.accepted, paid.refused)
    assert (want["payroll"]["other-bank"], want["other_bank"]) == (
        payroll.other_bank_items,
        payroll.other_bank_amount_yen,
    )
    assert want["other_bank"] == sample.code(Code.INTERBANK)
    assert (sample.suspense(payroll.run), sample.suspense(debit.run)) == (0, 0)
    assert sample.status(payroll.run).row.finished == sample.status(debit.run).row.finished == "completed"


def test_the_result_file_is_the_request_but_for_its_codes(sample: Office) -> None:
    """Only byte 112 of records and the last four totals of the trailer differ from the request."""
    want = expected()
    [debit] = sample.load(SAMPLES / "debit.txt").runs
    [payroll] = sample.load(SAMPLES / "payroll.txt").runs  # loaded later, yet settled first (O-1)
    sample.open(TUESDAY)
    sample.settle(debit.run, payroll.run)
    result, codes = sample.result(debit.run)
    request = (SAMPLES / "debit.txt").read_bytes()
    records, asked = result.splitlines(keepends=True), request.splitlines(keepends=True)

    assert want["debit_results"] == codes
    assert [record[:111] + b"0" + record[112:] for record in records[1:-2]] == asked[1:-2]
    assert (records[0], records[-1]) == (asked[0], asked[-1])
    paid = codes.count(0)
    assert records[-2][:55].decode() == (
        asked[-2][:19].decode()
        + f"{paid:06d}{want['collected']:012d}{180 - paid:06d}{9_171_300 - want['collected']:012d}"
    )
