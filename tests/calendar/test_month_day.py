"""MMDD without a year: rules ZC-10, ZC-11 and R-5."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanjo.calendar import resolve_month_day
from kanjo.errors import Refused


@pytest.mark.parametrize(
    ("month", "day", "reference", "expected"),
    [
        (8, 25, date(2026, 8, 24), date(2026, 8, 25)),
        (8, 25, date(2026, 8, 25), date(2026, 8, 25)),
        (8, 25, date(2026, 8, 26), date(2027, 8, 25)),
        (1, 5, date(2026, 12, 28), date(2027, 1, 5)),
        (12, 31, date(2026, 1, 1), date(2026, 12, 31)),
    ],
)
def test_zc_11_first_occurrence_on_or_after_the_reference(
    month: int, day: int, reference: date, expected: date
) -> None:
    """This year's date while it is not past, the reference included; else next year's."""

    assert resolve_month_day(month, day, reference) == expected


@pytest.mark.parametrize("reference", [date(2027, 3, 1), date(2027, 12, 31), date(2028, 1, 1), date(2028, 2, 29)])
def test_zc_10_29_february_of_a_leap_year(reference: date) -> None:
    """0229 is a date like any other where the year that is due has it."""

    assert resolve_month_day(2, 29, reference) == date(2028, 2, 29)


@pytest.mark.parametrize("reference", [date(2026, 2, 28), date(2026, 3, 1), date(2027, 2, 1), date(2028, 3, 1)])
def test_zc_10_29_february_of_a_common_year_is_refused(reference: date) -> None:
    """It is neither moved to a neighbouring day nor put off to the next leap year."""

    with pytest.raises(Refused, match="0229") as refusal:
        resolve_month_day(2, 29, reference)

    assert refusal.value.code == "no-such-date"


@pytest.mark.parametrize(("month", "day"), [(0, 0), (0, 15), (13, 1), (99, 99), (4, 31), (2, 30), (6, 0), (1, 32)])
def test_dates_of_no_year_are_refused(month: int, day: int) -> None:
    """Whatever four digits a header may hold, the answer is a date or a refusal that shows them."""

    with pytest.raises(Refused) as refusal:
        resolve_month_day(month, day, date(2026, 8, 24))

    assert refusal.value.code == "no-such-date"
    assert refusal.value.details["month_day"] == f"{month:02d}{day:02d}"


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.integers(0, 364))
def test_zc_11_a_date_within_a_year_is_found_again(reference: date, ahead_days: int) -> None:
    """A date less than a year ahead comes back from its month and day alone."""

    meant = reference + timedelta(days=ahead_days)

    assert resolve_month_day(meant.month, meant.day, reference) == meant
