"""The holiday list: how it is read, and that the one in the package is right."""

from __future__ import annotations

from datetime import date

import holidays as other_list
import pytest

from kanjo.calendar import JAPAN, Holiday, read_holidays

WHOLE_YEAR = "".join(f"2026-{month:02d}-{day:02d},祝日\n" for month in range(1, 5) for day in (1, 8, 15, 22))


def names_of(year: int) -> dict[date, str]:
    """The holidays that our list names in one year."""
    return {holiday.date: holiday.name for holiday in JAPAN.holidays if holiday.date.year == year}


@pytest.mark.parametrize("year", range(JAPAN.first.year, JAPAN.last.year + 1))
def test_public_holidays_agree_with_an_independent_list(year: int) -> None:
    """Dates and names equal those of the library `holidays`, each year of the horizon."""

    assert names_of(year) == dict(other_list.country_holidays("JP", years=year, language="ja").items())


@pytest.mark.parametrize("year", range(JAPAN.first.year, JAPAN.last.year + 1))
def test_bank_closing_days_agree_with_an_independent_list(year: int) -> None:
    """With the banks' year-end days, open and closed equal that library's public and bank categories."""

    closed = other_list.country_holidays("JP", years=year, categories=("public", "bank"))
    days = (date.fromordinal(n) for n in range(date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal() + 1))

    assert [day for day in days if JAPAN.is_business_day(day) != (day.weekday() < 5 and day not in closed)] == []


def test_2015_has_a_citizens_holiday_in_september() -> None:
    """敬老の日 on the 21st and 秋分の日 on the 23rd close the 22nd between them."""

    assert names_of(2015)[date(2015, 9, 22)] == "国民の休日"
    assert JAPAN.next_business_day(date(2015, 9, 18)) == date(2015, 9, 24)


def test_2016_began_mountain_day() -> None:
    """山の日 is a holiday from 2016 on, and was an ordinary Tuesday the year before."""

    assert "山の日" not in names_of(2015).values()
    assert names_of(2016)[date(2016, 8, 11)] == "山の日"


def test_2019_enthronement_closed_banks_for_ten_days() -> None:
    """1 May and 22 October were holidays by a law of their own; 30 April and 2 May lay between two holidays."""

    assert names_of(2019)[date(2019, 4, 30)] == "国民の休日"
    assert names_of(2019)[date(2019, 5, 1)] == "天皇の即位の日"
    assert names_of(2019)[date(2019, 5, 2)] == "国民の休日"
    assert names_of(2019)[date(2019, 10, 22)] == "即位礼正殿の儀が行われる日"
    assert JAPAN.next_business_day(date(2019, 4, 26)) == date(2019, 5, 7)


def test_2019_had_no_emperors_birthday() -> None:
    """23 December was one until 2018, 23 February is one from 2020 on."""

    assert "天皇誕生日" not in names_of(2019).values()
    assert JAPAN.is_business_day(date(2019, 12, 23))
    assert names_of(2018)[date(2018, 12, 23)] == "天皇誕生日"
    assert names_of(2020)[date(2020, 2, 23)] == "天皇誕生日"


def test_2020_olympics_moved_three_holidays() -> None:
    """海の日, スポーツの日 and 山の日 stood on 23, 24 July and 10 August; their usual days were open."""

    assert names_of(2020)[date(2020, 7, 23)] == "海の日"
    assert names_of(2020)[date(2020, 7, 24)] == "スポーツの日"
    assert names_of(2020)[date(2020, 8, 10)] == "山の日"
    assert all(JAPAN.is_business_day(day) for day in (date(2020, 7, 20), date(2020, 8, 11), date(2020, 10, 12)))


def test_2021_olympics_moved_three_holidays_again() -> None:
    """22, 23 July and Sunday 8 August, whose substitute is the 9th; the usual days were open."""

    assert names_of(2021)[date(2021, 7, 22)] == "海の日"
    assert names_of(2021)[date(2021, 7, 23)] == "スポーツの日"
    assert names_of(2021)[date(2021, 8, 8)] == "山の日"
    assert names_of(2021)[date(2021, 8, 9)] == "振替休日"
    assert all(JAPAN.is_business_day(day) for day in (date(2021, 7, 19), date(2021, 8, 11), date(2021, 10, 11)))


def test_a_list_is_read_in_order() -> None:
    """Each line becomes a holiday with its date and name."""

    assert read_holidays("date,name\n" + WHOLE_YEAR)[:2] == (
        Holiday(date(2026, 1, 1), "祝日"),
        Holiday(date(2026, 1, 8), "祝日"),
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1: expected the heading 'date,name', found ''"),
        ("日付,名称\n" + WHOLE_YEAR, "line 1: expected the heading 'date,name', found '日付,名称'"),
        ("date,name\n", "names no holiday at all"),
        ("date,name\n2026/1/1,元日\n", "line 2: expected a date as 2026-09-22, found '2026/1/1'"),
        ("date,name\n2026-02-29,元日\n", "line 2: expected a date as 2026-09-22, found '2026-02-29'"),
        ("date,name\n2026-01-01\n", "line 2: expected a date and a name, found '2026-01-01'"),
        ("date,name\n2026-01-01, \n", "line 2: expected a date and a name"),
        ("date,name\n2026-01-01,元日,x\n", "line 2: expected a date and a name"),
        ("date,name\n2026-01-02,b\n2026-01-01,a\n", "line 3: 2026-01-01 must come after 2026-01-02"),
        ("date,name\n2026-01-01,a\n2026-01-01,a\n", "line 3: 2026-01-01 must come after 2026-01-01"),
        ("date,name\n" + WHOLE_YEAR + "2027-01-01,元日\n", "2027 has 1 holidays"),
        ("date,name\n" + WHOLE_YEAR + WHOLE_YEAR.replace("2026", "2028"), "2027 has 0 holidays"),
    ],
)
def test_a_faulty_list_is_refused_with_its_line(text: str, complaint: str) -> None:
    """The message names the line and what was found; an unfinished or missing year is noticed."""

    with pytest.raises(ValueError, match="holiday list") as fault:
        read_holidays(text)

    assert complaint in str(fault.value)
