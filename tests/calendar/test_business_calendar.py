"""The calendar's look-ups: the table of bank-batch.md D row by row, then the laws they obey on any date."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanjo.calendar import JAPAN, Calendar, Holiday
from kanjo.errors import Refused

# a fortnight inside either end, so that no look-up of a step or two leaves the horizon
DATES_WELL_WITHIN = st.dates(JAPAN.first + timedelta(days=14), JAPAN.last - timedelta(days=14))
DATES_WITHIN = st.dates(JAPAN.first, JAPAN.last)


# --- the table of D ---


def test_d_2025_12_31_new_years_eve_is_a_bank_holiday() -> None:
    """A Wednesday, yet closed: next is Monday 5 January, since 3 January is a Saturday; previous is the 30th."""

    assert not JAPAN.is_business_day(date(2025, 12, 31))
    assert JAPAN.next_business_day(date(2025, 12, 31)) == date(2026, 1, 5)
    assert JAPAN.previous_business_day(date(2025, 12, 31)) == date(2025, 12, 30)


def test_d_2026_01_25_payday_on_a_sunday() -> None:
    """Salaries move to the Friday before, debits would move to the Monday after."""

    assert not JAPAN.is_business_day(date(2026, 1, 25))
    assert JAPAN.next_business_day(date(2026, 1, 25)) == date(2026, 1, 26)
    assert JAPAN.previous_business_day(date(2026, 1, 25)) == date(2026, 1, 23)


def test_d_2026_05_02_golden_week_with_a_substitute_day() -> None:
    """Sunday 3 May is a holiday, so that Wednesday 6 May replaces it: next is Thursday the 7th."""

    assert JAPAN.holiday_name(date(2026, 5, 6)) == "振替休日"
    assert JAPAN.next_business_day(date(2026, 5, 2)) == date(2026, 5, 7)
    assert JAPAN.previous_business_day(date(2026, 5, 2)) == date(2026, 5, 1)


def test_d_2026_06_27_debit_on_a_saturday() -> None:
    """A debit due on a Saturday is taken on the Monday after."""

    assert JAPAN.next_business_day(date(2026, 6, 27)) == date(2026, 6, 29)
    assert JAPAN.on_or_after(date(2026, 6, 27)) == date(2026, 6, 29)
    assert JAPAN.previous_business_day(date(2026, 6, 27)) == date(2026, 6, 26)


def test_d_2026_09_22_citizens_holiday_between_two_holidays() -> None:
    """The Tuesday between 敬老の日 and 秋分の日 is closed: next Thursday the 24th, previous Friday the 18th."""

    assert JAPAN.holiday_name(date(2026, 9, 22)) == "国民の休日"
    assert JAPAN.next_business_day(date(2026, 9, 22)) == date(2026, 9, 24)
    assert JAPAN.previous_business_day(date(2026, 9, 22)) == date(2026, 9, 18)


def test_d_2027_03_22_substitute_for_the_equinox() -> None:
    """春分の日 of 2027 is a Sunday, so that Monday the 22nd is closed."""

    assert JAPAN.holiday_name(date(2027, 3, 22)) == "振替休日"
    assert JAPAN.next_business_day(date(2027, 3, 22)) == date(2027, 3, 23)
    assert JAPAN.previous_business_day(date(2027, 3, 22)) == date(2027, 3, 19)


def test_d_three_business_days_before_2026_09_25() -> None:
    """Payroll to other banks for the 25th is due on the 17th: the silver week lies between."""

    assert JAPAN.add_business_days(date(2026, 9, 25), -3) == date(2026, 9, 17)


def test_d_three_business_days_before_2026_05_25() -> None:
    """Payroll to other banks for 25 May is due on the 20th: only a weekend lies between."""

    assert JAPAN.add_business_days(date(2026, 5, 25), -3) == date(2026, 5, 20)


@pytest.mark.parametrize(("year", "count"), [(2025, 243), (2026, 242), (2027, 244)])
def test_d_business_days_of_a_year(year: int, count: int) -> None:
    """The years have as many business days as the table says."""

    assert JAPAN.business_days(year) == count


# --- what counts ---


@pytest.mark.parametrize("day", [date(2026, 12, 31), date(2027, 1, 1), date(2025, 1, 2), date(2025, 1, 3)])
def test_year_end_days_are_closed_on_weekdays(day: date) -> None:
    """31 December to 3 January are closed though the holiday list names only New Year's Day."""

    assert day.weekday() < 5
    assert not JAPAN.is_business_day(day)


@pytest.mark.parametrize("day", [date(2025, 12, 30), date(2024, 1, 4), date(2027, 12, 30)])
def test_days_next_to_the_year_end_closing_are_open(day: date) -> None:
    """30 December and 4 January are ordinary days: open when they fall on a weekday."""

    assert JAPAN.is_business_day(day)


def test_holiday_name_tells_holidays_from_weekends() -> None:
    """A public holiday has its name even at a weekend, the year-end closing has the banks', other days have none."""

    assert JAPAN.holiday_name(date(2026, 5, 3)) == "憲法記念日"
    assert JAPAN.holiday_name(date(2027, 1, 1)) == "元日"
    assert JAPAN.holiday_name(date(2025, 12, 31)) == "銀行休業日"
    assert JAPAN.holiday_name(date(2026, 6, 27)) is None
    assert JAPAN.holiday_name(date(2026, 6, 29)) is None


def test_no_business_days_added_is_no_move() -> None:
    """Adding 0 answers the date itself, also a holiday: the caller has not said in which direction to move."""

    assert JAPAN.add_business_days(date(2026, 9, 22), 0) == date(2026, 9, 22)


def test_a_datetime_is_not_taken_for_a_date() -> None:
    """A datetime would silently compare unequal to every date; it fails at once instead."""

    with pytest.raises(TypeError):
        JAPAN.is_business_day(datetime(2026, 6, 29))  # noqa: DTZ001


# --- laws ---


@given(DATES_WITHIN)
def test_business_days_are_never_weekends_holidays_or_year_end(day: date) -> None:
    """Open and closed are what the definition says, date by date."""

    closed = day.weekday() >= 5 or JAPAN.holiday_name(day) is not None

    assert JAPAN.is_business_day(day) == (not closed)


@given(DATES_WELL_WITHIN)
def test_next_is_the_nearest_later_business_day(day: date) -> None:
    """Next is strictly after, open, and every day between is closed."""

    found = JAPAN.next_business_day(day)

    assert found > day and JAPAN.is_business_day(found)
    assert not any(JAPAN.is_business_day(day + timedelta(days=n)) for n in range(1, (found - day).days))


@given(DATES_WELL_WITHIN)
def test_previous_is_the_nearest_earlier_business_day(day: date) -> None:
    """Previous is strictly before, open, and every day between is closed."""

    found = JAPAN.previous_business_day(day)

    assert found < day and JAPAN.is_business_day(found)
    assert not any(JAPAN.is_business_day(found + timedelta(days=n)) for n in range(1, (day - found).days))


@given(DATES_WELL_WITHIN)
def test_next_of_previous_is_the_way_back(day: date) -> None:
    """From a business day next(previous) and previous(next) lead back; from a closed day, to its neighbours."""

    assert JAPAN.next_business_day(JAPAN.previous_business_day(day)) == JAPAN.on_or_after(day)
    assert JAPAN.previous_business_day(JAPAN.next_business_day(day)) == JAPAN.on_or_before(day)


@given(DATES_WELL_WITHIN)
def test_moving_stays_on_business_days_and_moves_all_others(day: date) -> None:
    """`on_or_after` and `on_or_before` keep a business day and answer a closed day's neighbours."""

    if JAPAN.is_business_day(day):
        assert JAPAN.on_or_after(day) == JAPAN.on_or_before(day) == day
    else:
        assert JAPAN.on_or_after(day) == JAPAN.next_business_day(day)
        assert JAPAN.on_or_before(day) == JAPAN.previous_business_day(day)


@given(st.dates(date(2012, 1, 1), date(2025, 12, 31)), st.integers(-250, 250))
def test_adding_days_is_adding_one_again_and_again(day: date, count: int) -> None:
    """`add_business_days` equals that many steps of next or previous."""

    step = JAPAN.next_business_day if count > 0 else JAPAN.previous_business_day
    expected = day
    for _ in range(abs(count)):
        expected = step(expected)

    assert JAPAN.add_business_days(day, count) == expected


@given(st.integers(JAPAN.first.year, JAPAN.last.year))
def test_a_years_count_is_the_number_of_its_open_days(year: int) -> None:
    """`business_days` counts what `is_business_day` says of each day of the year."""

    days = (date(year, 1, 1) + timedelta(days=n) for n in range(366))

    assert JAPAN.business_days(year) == sum(JAPAN.is_business_day(day) for day in days if day.year == year)


# --- the horizon ---


def test_the_horizon_is_whole_years_to_2027() -> None:
    """The list in the package covers 2010 to 2027."""

    assert (JAPAN.first, JAPAN.last) == (date(2010, 1, 1), date(2027, 12, 31))


@pytest.mark.parametrize("day", [date(2009, 12, 31), date(2028, 1, 1), date(1, 1, 1), date(9999, 12, 31)])
@pytest.mark.parametrize(
    "look_up",
    [
        Calendar.require_within,
        Calendar.is_business_day,
        Calendar.holiday_name,
        Calendar.next_business_day,
        Calendar.previous_business_day,
        Calendar.on_or_after,
        Calendar.on_or_before,
        lambda calendar, day: calendar.add_business_days(day, 0),
        lambda calendar, day: calendar.business_days(day.year),
    ],
)
def test_dates_outside_the_horizon_are_refused(look_up, day: date) -> None:  # type: ignore[no-untyped-def]
    """No look-up guesses: the refusal names the horizon for people and for programs."""

    with pytest.raises(Refused, match="2010-01-01 to 2027-12-31") as refusal:
        look_up(JAPAN, day)

    assert refusal.value.code == "beyond-calendar"
    assert (refusal.value.details["first"], refusal.value.details["last"]) == ("2010-01-01", "2027-12-31")


@pytest.mark.parametrize(
    "leave",
    [
        lambda: JAPAN.next_business_day(date(2027, 12, 30)),
        lambda: JAPAN.on_or_after(date(2027, 12, 31)),
        lambda: JAPAN.previous_business_day(date(2010, 1, 4)),
        lambda: JAPAN.on_or_before(date(2010, 1, 3)),
        lambda: JAPAN.add_business_days(date(2026, 1, 5), 100_000),
        lambda: JAPAN.add_business_days(date(2026, 1, 5), -100_000),
    ],
)
def test_answers_outside_the_horizon_are_refused(leave) -> None:  # type: ignore[no-untyped-def]
    """A look-up that starts inside and would arrive outside is refused, and never wraps round to the other end."""

    with pytest.raises(Refused) as refusal:
        leave()

    assert refusal.value.code == "beyond-calendar"


def test_the_first_and_last_dates_are_within() -> None:
    """The horizon includes its two ends."""

    JAPAN.require_within(JAPAN.first)
    JAPAN.require_within(JAPAN.last)

    assert JAPAN.on_or_after(JAPAN.first) == date(2010, 1, 4)
    assert JAPAN.on_or_before(JAPAN.last) == date(2027, 12, 30)


def test_a_calendar_of_part_of_a_year_cannot_count_it() -> None:
    """A calendar that ends in June does not pass off half a year as a year."""

    half = Calendar(date(2026, 1, 1), date(2026, 6, 30), (Holiday(date(2026, 1, 12), "成人の日"),))

    with pytest.raises(Refused):
        half.business_days(2026)


def test_a_calendar_cannot_end_before_it_begins() -> None:
    """Ends in the wrong order are a mistake of the program."""

    with pytest.raises(ValueError, match="cannot end"):
        Calendar(date(2026, 1, 2), date(2026, 1, 1), ())


def test_a_calendar_is_a_value() -> None:
    """Equal content is an equal calendar, and none can be changed."""

    again = Calendar(JAPAN.first, JAPAN.last, JAPAN.holidays)

    assert again == JAPAN and hash(again) == hash(JAPAN)
    with pytest.raises(AttributeError):
        again.last = date(2100, 1, 1)  # type: ignore[misc]
