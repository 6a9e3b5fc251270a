"""Files that are refused leave nothing behind: R-4 to R-7, ZC-10 to ZC-14."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from office import BUSINESSES, MONDAY, NOW, OTHER_BANK, SAMPLES, Group, Office, number

from kanjo import centercut, ledger, transfers
from kanjo.db import Database
from kanjo.errors import KanjoError, Refused, WrongUsage

BAD_FILES = sorted(path.name for path in (SAMPLES / "bad").iterdir())


@pytest.fixture(scope="module")
def bank(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """The sample's bank on Monday, shared: what is refused changes nothing."""
    found = Office(module_database, tmp_path_factory.mktemp("files"))
    try:
        found.open(MONDAY)
        with (SAMPLES / "accounts.csv").open(encoding="utf-8", newline="") as lines:
            ledger.import_accounts(found.store, lines, name="accounts.csv")
        found.accounts(
            (number(1), 1_000),
            (number(2), 0),
            (number(3), 0, "frozen"),
            (number(4), 0, "closed"),
            (number(5), 9, "debit-stopped"),
        )
        yield found
    finally:
        found.quit()


def refused(bank: Office, path: Path, business: str, due: date | None = None) -> Refused:
    """Load a file that must be refused, and see that nothing is left of it."""
    before = (bank.rows(), bank.balances())
    with pytest.raises(Refused) as caught:
        centercut.load(bank.store, BUSINESSES[business], path, now=NOW, due=due)
    assert before == (bank.rows(), bank.balances())
    return caught.value


@pytest.mark.parametrize("name", BAD_FILES)
def test_zc_14_a_bad_file_is_refused_whole(bank: Office, name: str) -> None:
    """Each file of the folder is refused with its faults, and no table has a row more."""
    error = refused(bank, SAMPLES / "bad" / name, "direct-debit")

    assert error.code in ("bad-file", "no-such-date")
    assert error.code == "no-such-date" or error.details["errors"]


def test_a_fault_in_the_last_record_undoes_all_before_it(bank: Office) -> None:
    """Items that were stored before the fault was seen are gone with it."""
    path = bank.file("11", Group(number(1), *[(number(2), 1)] * 300))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"8000300000000000300", b"8000300000000000301"))

    assert refused(bank, path, "payroll").code == "bad-file"


def test_zc_10_the_date_is_a_business_day_and_never_moved(bank: Office) -> None:
    """A Saturday is refused, and the next business day is named."""
    path = bank.file("11", Group(number(1), (number(2), 1), due=date(2026, 8, 29)))
    error = refused(bank, path, "payroll")

    assert error.code == "not-a-business-day"
    assert "2026-08-31" in error.message


def test_r_5_the_date_asked_for_must_be_the_headers(bank: Office) -> None:
    """`--date` does not move a file."""
    path = bank.file("11", Group(number(1), (number(2), 1)))

    assert refused(bank, path, "payroll", due=date(2026, 8, 26)).code == "date-mismatch"


def test_o_3_a_file_for_the_open_date_comes_too_late(bank: Office) -> None:
    """A pre-business run is for a date still to come."""
    path = bank.file("11", Group(number(1), (number(2), 1), due=MONDAY))

    assert refused(bank, path, "payroll").code == "date-already-open"


@pytest.mark.parametrize(
    ("group", "code"),
    [
        (Group(number(1), (number(2), 1), bank=OTHER_BANK), "other-bank"),
        (Group(number(1), (number(2), 1), has_account=False), "header-account-missing"),
        (Group(number(9), (number(2), 1)), "account-unknown"),
        (Group(number(4), (number(2), 1)), "account-closed"),
        (Group(number(3), (number(2), 1)), "account-frozen"),
        (Group(number(5), (number(2), 1)), "debit-stopped"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_r_7_the_headers_account_is_an_open_one_of_this_bank(bank: Office, group: Group, code: str) -> None:
    """Anything else refuses the file, for credits and debits alike."""
    assert refused(bank, bank.file("21", group), "bulk-transfer").code == code
    if group.has_account:
        assert refused(bank, bank.file("91", group), "direct-debit").code == code


def test_a_short_originator_loads_nothing(bank: Office) -> None:
    """The whole total, other banks' share included, must be there at load."""
    path = bank.file("21", Group(number(1), (number(2), 600), (number(2), 401, OTHER_BANK)))
    error = refused(bank, path, "bulk-transfer")

    assert error.code == "insufficient-funds"
    assert error.details["amount_yen"] == 1_001


def test_one_bad_group_refuses_the_whole_file(bank: Office) -> None:
    """A second group whose originator is short takes the first one with it (R-5)."""
    groups = (Group(number(1), (number(2), 600)), Group(number(1), (number(2), 500)))

    assert refused(bank, bank.file("11", *groups), "payroll").code == "insufficient-funds"


def test_the_same_group_twice_in_a_file_is_a_duplicate(bank: Office) -> None:
    """The second is refused although neither is loaded yet (R-4)."""
    group = Group(number(1), (number(2), 6))

    assert refused(bank, bank.file("11", group, group), "payroll").code == "duplicate-file"


def test_the_header_decides_the_business(bank: Office) -> None:
    """A payroll file cannot be loaded as a bulk transfer."""
    path = bank.file("71", Group(number(1), (number(2), 6)))

    assert transfers.business_of_file(path) == "payroll"
    assert refused(bank, path, "bulk-transfer").code == "business-mismatch"


def test_a_result_file_is_not_a_request(bank: Office) -> None:
    """What a bank sent back cannot be loaded as something to collect."""
    content = bank.file("91", Group(number(1), (number(2), 6))).read_bytes()
    path = bank.folder / "result.txt"
    path.write_bytes(
        content.replace(b"8000001000000000006" + b"0" * 36, b"8000001000000000006" + b"000001000000000006" + b"0" * 18)
    )

    assert refused(bank, path, "direct-debit").code == "not-a-request"


@pytest.mark.parametrize(
    ("kind", "business"),
    [
        ("11", "payroll"),
        ("71", "payroll"),
        ("12", "bonus"),
        ("72", "bonus"),
        ("21", "bulk-transfer"),
        ("91", "direct-debit"),
    ],
)
@pytest.mark.parametrize("encoding", ["cp932", "ebcdic"])
def test_every_kind_has_its_business(bank: Office, kind: str, business: str, encoding: str) -> None:
    """The kind in the header names the business, whatever the file's code."""
    path = bank.file(kind, Group(number(1), (number(2), 6)), encoding=encoding)

    assert transfers.business_of_file(path) == business


def test_a_bad_header_is_refused_before_a_business_is_chosen(bank: Office) -> None:
    """An unknown kind is a fault of the file like any other."""
    with pytest.raises(Refused) as caught:
        transfers.business_of_file(SAMPLES / "bad" / "unknown-kind.txt")

    assert caught.value.code == "bad-file"


def test_a_missing_file_is_wrong_usage(bank: Office) -> None:
    """The command line named something that is not there."""
    with pytest.raises(WrongUsage) as caught:
        transfers.business_of_file(bank.folder / "nothing.txt")

    assert caught.value.code == "file-unreadable"


@pytest.mark.parametrize("text", ["999", "99999", "９９９９", "abcd"])
def test_the_banks_own_code_has_four_digits(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A wrong setting is said so, and never taken for another bank."""
    monkeypatch.setenv("KANJO_BANK_CODE", text)

    with pytest.raises(KanjoError) as caught:
        transfers.bank_code()
    assert caught.value.code == "bad-bank-code"


def test_zc_8_an_amount_of_zero_is_not_loaded_under_the_lenient_profile_either(
    bank: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The format takes it, the ledger posts nothing: the record is named."""
    content = bank.file("21", Group(number(1), (number(2), 6), (number(2), 7))).read_bytes()
    path = bank.folder / "zero.txt"
    path.write_bytes(content.replace(b"0000000007", b"0000000000", 2).replace(b"000000000013", b"000000000006"))
    monkeypatch.setenv("KANJO_ZENGIN_PROFILE", "lenient")

    error = refused(bank, path, "bulk-transfer")

    assert (error.code, error.details) == ("zero-amount", {"item": 2})


@pytest.mark.parametrize("text", ["Strict", "none", " lenient"])
def test_a_wrong_profile_is_said_so(bank: Office, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A misspelt setting never reads a file more or less strictly than was meant."""
    monkeypatch.setenv("KANJO_ZENGIN_PROFILE", text)

    with pytest.raises(WrongUsage) as caught:
        transfers.business_of_file(bank.file("21", Group(number(1), (number(2), 6))))
    assert caught.value.code == "bad-profile"
