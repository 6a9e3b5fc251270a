"""Payroll, bonus and bulk transfer: funding = paid + forwarded + returned, whatever happens (R-3, R-7, R-8, K-1)."""

from __future__ import annotations

from datetime import date
from io import BytesIO
from uuid import uuid4

import pytest
from office import OTHER_BANK, SAMPLES, TUESDAY, WEDNESDAY, Group, Office, number

from kanjo import centercut, ledger, transfers
from kanjo.errors import Refused
from kanjo.formats import zengin
from kanjo.ledger import Code, Status

EMPLOYER, ONE, TWO, FROZEN, UNKNOWN = number(1), number(2), number(3), number(4), number(99)
FUNDS_YEN = 10_000


def bank_with_a_run(office: Office, kind: str = "21", *, settle: bool = True) -> int:
    """Paid 100 and 200, returned 400 and 800 (frozen, unknown), forwarded 1,600; returns the run, settled or due."""
    office.accounts((EMPLOYER, FUNDS_YEN), (ONE, 0), (TWO, 0), (FROZEN, 0, "frozen"))
    items = ((ONE, 100), (TWO, 200), (FROZEN, 400), (UNKNOWN, 800), (ONE, 1_600, OTHER_BANK))
    [run] = office.load(office.file(kind, Group(EMPLOYER, *items))).runs
    office.open(TUESDAY)
    if settle:
        office.settle(run.run)
    return run.run


def change(office: Office, account: int, status: Status) -> None:
    asked = ledger.ChangeAccount(client="test", key=uuid4(), account=account, status=status)
    [answer] = ledger.post(office.store, [asked])
    assert isinstance(answer, ledger.Outcome)
    assert answer.accepted


@pytest.mark.parametrize("kind", ["11", "12", "21", "71", "72"])
def test_k_1_funding_is_paid_forwarded_and_returned(office: Office, kind: str) -> None:
    """Each yen of the funding is in one of the three places, and the suspense is empty."""
    run = bank_with_a_run(office, kind)
    row = office.status(run).row

    assert (row.funded_yen, row.items, row.other_bank_items) == (3_100, 4, 1)
    assert (office.balance(ONE), office.balance(TWO), office.balance(FROZEN)) == (100, 200, 0)
    assert office.balance(EMPLOYER) == FUNDS_YEN - 300 - 1_600
    assert office.code(Code.INTERBANK) == 1_600
    assert office.suspense(run) == 0


def test_funding_leaves_the_account_at_load(office: Office) -> None:
    """The money is the run's from the moment it is registered."""
    office.accounts((EMPLOYER, FUNDS_YEN), (ONE, 0))
    [run] = office.load(office.file("11", Group(EMPLOYER, (ONE, 700), (ONE, 300, OTHER_BANK)))).runs

    assert (office.balance(EMPLOYER), office.suspense(run.run)) == (FUNDS_YEN - 1_000, 1_000)


def test_r_3_cancelled_before_its_date_everything_returns(office: Office) -> None:
    """Nobody is paid and the originator has all of it again, other banks' share too."""
    office.accounts((EMPLOYER, FUNDS_YEN), (ONE, 0))
    [run] = office.load(office.file("11", Group(EMPLOYER, (ONE, 700), (ONE, 300, OTHER_BANK)))).runs

    assert office.cancel(run.run) == "cancelled"
    assert (office.balance(EMPLOYER), office.balance(ONE)) == (FUNDS_YEN, 0)
    assert (office.suspense(run.run), office.code(Code.INTERBANK)) == (0, 0)


def test_r_3_cancelled_half_settled_the_rest_returns(office: Office) -> None:
    """What Before had settled stays paid; the rest and other banks' share return."""
    run = bank_with_a_run(office, settle=False)
    assert office.balance(ONE) == 100  # an enquiry settles first

    assert office.cancel(run) == "cancelled"
    assert (office.balance(ONE), office.balance(TWO)) == (100, 0)
    assert office.balance(EMPLOYER) == FUNDS_YEN - 100
    assert (office.suspense(run), office.code(Code.INTERBANK)) == (0, 0)


def test_r_3_what_was_delivered_to_other_banks_does_not_return(office: Office) -> None:
    """Once the outgoing file is out, a cancel forwards its share all the same."""
    run = bank_with_a_run(office, settle=False)
    transfers.write_outgoing(office.store, run, office.folder / "out.txt")
    written = (office.folder / "out.txt").read_bytes()

    assert office.cancel(run) == "cancelled"
    assert office.balance(EMPLOYER) == FUNDS_YEN - 1_600
    assert (office.suspense(run), office.code(Code.INTERBANK)) == (0, 1_600)
    transfers.write_outgoing(office.store, run, office.folder / "again.txt")
    assert (office.folder / "again.txt").read_bytes() == written


def test_a_cancelled_file_may_be_loaded_again(office: Office) -> None:
    """R-4 looks at runs that are not cancelled."""
    office.accounts((EMPLOYER, FUNDS_YEN), (ONE, 0))
    path = office.file("11", Group(EMPLOYER, (ONE, 700)))
    [first] = office.load(path).runs
    with pytest.raises(Refused) as caught:
        office.load(path)
    office.cancel(first.run)
    [second] = office.load(path).runs

    assert (caught.value.code, caught.value.details["run"]) == ("duplicate-file", first.run)
    assert second.run != first.run


def test_r_4_the_same_content_in_another_framing_is_the_same_file(office: Office) -> None:
    """Neither separators nor the code make another file of it; another date does."""
    office.accounts((EMPLOYER, FUNDS_YEN), (ONE, 0))
    group = Group(EMPLOYER, (ONE, 700))
    office.load(office.file("11", group))
    for options in ({"framing": "none"}, {"framing": "lf"}, {"encoding": "ebcdic"}):
        with pytest.raises(Refused, match="same content"):
            office.load(office.file("11", group, **options))
    loaded = office.load(office.file("11", Group(EMPLOYER, (ONE, 700), due=WEDNESDAY)))

    assert [run.due for run in loaded.runs] == [WEDNESDAY]


def test_r_4_same_total_with_other_content_is_a_warning(office: Office) -> None:
    """The operator is told which run is alike."""
    office.accounts((EMPLOYER, FUNDS_YEN), (ONE, 0), (TWO, 0))
    [first] = office.load(office.file("11", Group(EMPLOYER, (ONE, 700)))).runs
    loaded = office.load(office.file("11", Group(EMPLOYER, (TWO, 700))))

    assert [f"run {first.run} has the same originator" in warning for warning in loaded.warnings] == [True]


def test_zc_9_a_payment_that_stands_twice_is_a_warning(office: Office) -> None:
    """Both are loaded; the record is named."""
    office.accounts((EMPLOYER, FUNDS_YEN), (ONE, 0))
    path = office.file("11", Group(EMPLOYER, (ONE, 700), (ONE, 700)))
    lines = path.read_bytes().split(b"\r\n")
    lines[2] = lines[1]
    path.write_bytes(b"\r\n".join(lines))
    loaded = office.load(path)

    assert (loaded.runs[0].items, loaded.warnings) == (2, ["record 3: same payment as record 2 (ZC-9)"])


def test_zc_10_a_date_just_missed_is_next_years_only_if_the_operator_says_so(office: Office) -> None:
    """R-5 takes the first occurrence; a year ahead is outside the window, and nothing is loaded unless confirmed."""
    office.accounts((EMPLOYER, FUNDS_YEN), (ONE, 0))
    path = office.file("11", Group(EMPLOYER, (ONE, 700), due=date(2026, 8, 20)))
    before = (office.rows(), office.balances())
    with pytest.raises(Refused) as caught:
        office.load(path)

    assert (caught.value.code, caught.value.details) == ("outside-window", {"due": "2027-08-20", "ahead_days": 361})
    assert "2027-08-20, 361 days ahead" in caught.value.message and "--date 2027-08-20" in caught.value.message
    assert before == (office.rows(), office.balances())

    loaded = office.load(path, due=date(2027, 8, 20))

    assert ([run.due for run in loaded.runs], loaded.warnings) == ([date(2027, 8, 20)], [])


@pytest.mark.parametrize(("due", "is_taken"), [(date(2026, 11, 24), True), (date(2026, 11, 25), False)])
def test_zc_10_the_window_is_92_days(office: Office, due: date, is_taken: bool) -> None:
    """The last day of it is taken unasked, the next one is not."""
    office.accounts((EMPLOYER, FUNDS_YEN), (ONE, 0))
    path = office.file("11", Group(EMPLOYER, (ONE, 700), due=due))

    if is_taken:
        assert [run.due for run in office.load(path).runs] == [due]
    else:
        with pytest.raises(Refused, match="93 days ahead"):
            office.load(path)


def test_a_8_the_lenient_profile_is_chosen_by_the_environment(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the strict one refuses, in the header that names the business and in a record, is read then."""
    office.accounts((EMPLOYER, FUNDS_YEN), (ONE, 0))
    header, record, *rest = office.file("21", Group(EMPLOYER, (ONE, 700))).read_bytes().split(b"\r\n")
    in_header, in_record = office.folder / "header.txt", office.folder / "record.txt"
    in_header.write_bytes(b"\r\n".join((header[:-1] + b"X", record, *rest)))
    in_record.write_bytes(b"\r\n".join((header, record[:-1] + b"X", *rest)))

    for path, load in ((in_header, transfers.business_of_file), (in_record, office.load)):
        with pytest.raises(Refused) as caught:
            load(path)
        assert caught.value.code == "bad-file"
    monkeypatch.setenv("KANJO_ZENGIN_PROFILE", "lenient")

    assert [office.load(path).runs[0].items for path in (in_header, in_record)] == [1, 1]


def test_groups_of_a_file_are_runs_of_their_own(office: Office) -> None:
    """Three groups, one of them empty: each is funded, settled and closed by itself."""
    office.accounts((EMPLOYER, FUNDS_YEN), (ONE, 0), (TWO, 500))
    groups = (
        Group(EMPLOYER, (ONE, 700)),
        Group(TWO, (ONE, 50, OTHER_BANK), originator="0000000008"),
        Group(EMPLOYER, originator="0000000009"),
    )
    runs = [run.run for run in office.load(office.file("21", *groups)).runs]
    office.open(TUESDAY)
    office.settle(*runs)

    assert [office.status(run).row.finished for run in runs] == ["completed"] * 3
    assert [office.suspense(run) for run in runs] == [0, 0, 0]
    assert (office.balance(EMPLOYER), office.balance(TWO), office.balance(ONE)) == (FUNDS_YEN - 700, 450, 700)
    assert office.code(Code.INTERBANK) == 50


def test_r_7_a_frozen_originator_gets_its_return_in_suspense(office: Office) -> None:
    """The run completes all the same, with a line for the report."""
    run = bank_with_a_run(office, settle=False)
    change(office, EMPLOYER, Status.FROZEN)
    office.settle(run)
    row = office.status(run).row

    assert row.finished == "completed"
    assert office.code(Code.SUSPENSE) == 1_200
    assert (office.suspense(run), office.code(Code.INTERBANK)) == (0, 1_600)
    assert row.note == "1,200 yen (returned) could not be credited to 001-1-0000001 and lie in suspense"


def test_c_4_the_headers_account_cannot_be_closed_meanwhile(office: Office) -> None:
    """An account that a run may still return money to stays open, even when it is empty."""
    office.accounts((EMPLOYER, 700), (ONE, 0))
    office.load(office.file("11", Group(EMPLOYER, (ONE, 700))))
    closing = ledger.ChangeAccount(client="test", key=uuid4(), account=EMPLOYER, status=Status.CLOSED)
    [answer] = ledger.post(office.store, [closing])

    assert isinstance(answer, ledger.Outcome)
    assert answer.reason.word == "account-not-empty"


def test_r_8_the_outgoing_file_holds_the_other_banks_records(office: Office) -> None:
    """The records as they came, under the same header, with totals of their own; the same bytes every time."""
    run = bank_with_a_run(office)
    asked = (office.folder / "file.txt").read_bytes().split(b"\r\n")
    first, again = office.folder / "out.txt", office.folder / "again.txt"
    written = transfers.write_outgoing(office.store, run, first)
    transfers.write_outgoing(office.store, run, again)
    lines = first.read_bytes().split(b"\r\n")

    assert (written.number, written.records, written.amount_yen) == (run, 1, 1_600)
    assert first.read_bytes() == again.read_bytes()
    assert lines[:2] == [asked[0], asked[5]]
    assert lines[2] == b"8000001000000001600".ljust(120)
    assert [type(event).__name__ for event in zengin.Reader(BytesIO(first.read_bytes()))][-1] == "FileEnd"


def test_a_long_outgoing_file_tells_how_far_it_is(office: Office) -> None:
    """How many records each chunk had."""
    run = bank_with_a_run(office)
    heard: list[int] = []

    transfers.write_outgoing(office.store, run, office.folder / "out.txt", progress=heard.append)

    assert heard == [1]


def test_r_8_the_outgoing_file_waits_for_its_date(office: Office) -> None:
    """Before D it is refused, nothing is written, and the run may still be cancelled as a whole."""
    office.accounts((EMPLOYER, FUNDS_YEN), (ONE, 0))
    [run] = office.load(office.file("21", Group(EMPLOYER, (ONE, 300, OTHER_BANK)))).runs
    with pytest.raises(Refused) as caught:
        transfers.write_outgoing(office.store, run.run, office.folder / "out.txt")

    assert caught.value.code == "not-due"
    assert [path.name for path in office.folder.iterdir()] == ["file.txt"]
    assert office.status(run.run).row.detail == {"kind": "21"}


@pytest.mark.parametrize("kind", ["21", "91"])
def test_no_outgoing_file_without_other_banks(office: Office, kind: str) -> None:
    """Nothing to send is said, and debits of other banks are never sent."""
    office.accounts((EMPLOYER, FUNDS_YEN), (ONE, 0))
    items = [(ONE, 300)] if kind == "21" else [(ONE, 300), (ONE, 300, OTHER_BANK)]
    [run] = office.load(office.file(kind, Group(EMPLOYER, *items))).runs
    office.open(TUESDAY)
    with pytest.raises(Refused) as caught:
        transfers.write_outgoing(office.store, run.run, office.folder / "out.txt")

    assert caught.value.code == "no-outgoing-file"


def test_a_run_cancelled_before_delivery_has_no_outgoing_file(office: Office) -> None:
    """The money went back, so the file must not go out."""
    run = bank_with_a_run(office, settle=False)
    office.cancel(run)
    with pytest.raises(Refused) as caught:
        transfers.write_outgoing(office.store, run, office.folder / "out.txt")

    assert caught.value.code == "run-cancelled"
    assert office.balance(EMPLOYER) == FUNDS_YEN


def test_a_run_of_other_banks_only_closes_when_it_is_started(office: Office) -> None:
    """No item is ours: nothing to settle, everything to forward."""
    office.accounts((EMPLOYER, FUNDS_YEN))
    [run] = office.load(office.file("21", Group(EMPLOYER, (ONE, 300, OTHER_BANK), (TWO, 400, OTHER_BANK)))).runs
    office.open(TUESDAY)
    office.settle(run.run)

    assert (run.items, run.other_bank_items) == (0, 2)
    assert office.status(run.run).row.finished == "completed"
    assert (office.code(Code.INTERBANK), office.balance(EMPLOYER)) == (700, FUNDS_YEN - 700)


def test_a_withdrawn_credit_returns(office: Office) -> None:
    """The originator takes one item back before it is settled."""
    run = bank_with_a_run(office, settle=False)
    centercut.withdraw(office.store, run, 2)
    office.settle(run)

    assert (office.balance(ONE), office.balance(TWO)) == (100, 0)
    assert office.balance(EMPLOYER) == FUNDS_YEN - 100 - 1_600


def test_credits_have_no_result_file(office: Office) -> None:
    """What was not paid is in the originator's account, not in a file."""
    run = bank_with_a_run(office)
    with pytest.raises(Refused) as caught:
        transfers.write_result(office.store, run, BytesIO())

    assert caught.value.code == "no-result-file"


def test_another_bank_of_its_own_code(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under KANJO_BANK_CODE 9998 the other bank's items are ours and ours are others'."""
    monkeypatch.setenv("KANJO_BANK_CODE", str(OTHER_BANK))
    office.accounts((EMPLOYER, FUNDS_YEN), (ONE, 0))
    [run] = office.load(office.file("21", Group(EMPLOYER, (ONE, 300), (ONE, 400, OTHER_BANK), bank=OTHER_BANK))).runs
    office.open(TUESDAY)
    office.settle(run.run)

    assert (office.balance(ONE), office.code(Code.INTERBANK)) == (400, 300)


def test_law_1_the_books_balance_after_the_sample(sample: Office) -> None:
    """Whatever was loaded, forwarded and returned, the trial balance is zero."""
    runs = [run.run for name in ("payroll.txt", "debit.txt") for run in sample.load(SAMPLES / name).runs]
    sample.open(TUESDAY)
    sample.settle(*runs)
    transfers.write_outgoing(sample.store, runs[0], sample.folder / "out.txt")
    row = sample.owner.execute("SELECT sum(balance) FROM ledger.account").fetchone()
    assert row is not None

    codes = sum(sample.code(code) for code in Code)
    assert row[0] + codes == 0


def _forwarded(office: Office) -> int:
    run = bank_with_a_run(office, settle=False)
    transfers.write_outgoing(office.store, run, office.folder / "out.txt")
    office.settle(run)
    return run


FORWARDED, FORWARDED_YEN = 5, 1_600
"""The one record for another bank of `bank_with_a_run`."""


def test_r_8_what_another_bank_sends_back_goes_to_the_originator_once(office: Office) -> None:
    """Told twice, it is posted once; interbank owes that much less."""
    run = _forwarded(office)
    before, owed = office.balance(EMPLOYER), office.code(Code.INTERBANK)

    first = transfers.give_back(office.store, run, FORWARDED)
    again = transfers.give_back(office.store, run, FORWARDED)

    assert (first.replayed, again.replayed) == (False, True)
    assert office.balance(EMPLOYER) == before + FORWARDED_YEN
    assert office.code(Code.INTERBANK) == owed - FORWARDED_YEN
    assert office.suspense(run) == 0


def test_r_8_what_comes_back_to_a_frozen_originator_lies_in_suspense(office: Office) -> None:
    """As at closing (R-7)."""
    run = _forwarded(office)
    change(office, EMPLOYER, Status.FROZEN)

    assert transfers.give_back(office.store, run, FORWARDED).accepted
    assert office.code(Code.SUSPENSE) == FORWARDED_YEN


def test_r_8_only_what_was_forwarded_comes_back(office: Office) -> None:
    """Not an item of this bank, and nothing before the file was delivered and the run closed."""
    run = bank_with_a_run(office, settle=False)
    for asked in (1, FORWARDED, 1_000):
        with pytest.raises(Refused) as caught:
            transfers.give_back(office.store, run, asked)
        assert caught.value.code == "not-forwarded"
