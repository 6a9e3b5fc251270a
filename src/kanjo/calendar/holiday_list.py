"""The holiday list as text: lines of `date,name`, whole years, in order.

The list is data because no formula is: equinox days are announced each February for the next year, and single laws
moved holidays in 2019, 2020 and 2021 (bank-batch.md D).
"""

from __future__ import annotations

import csv
from datetime import date
from typing import NamedTuple

HEADING = ["date", "name"]

#: The law has named at least so many holidays in every year since 2007. A year with fewer was not typed in to its end,
#: and would otherwise turn the missing holidays into business days without a word.
HOLIDAYS_OF_A_YEAR_COUNT_MIN = 15


class Holiday(NamedTuple):
    """A public holiday (国民の祝日・休日) and its Japanese name; a substitute day (振替休日) is one of its own."""

    date: date
    name: str


def read_holidays(text: str) -> tuple[Holiday, ...]:
    """Read a holiday list; ValueError names the line that is not as it must be.

    Dates ascend without repetition and cover whole years without a gap, so that first and last year are the horizon.
    """
    lines = list(csv.reader(text.splitlines()))
    heading = lines[0] if lines else []
    if heading != HEADING:
        raise ValueError(f"holiday list, line 1: expected the heading 'date,name', found {','.join(heading)!r}")
    holidays: list[Holiday] = []
    for number, fields in enumerate(lines[1:], start=2):
        holiday = _read_line(number, fields)
        if holidays and holiday.date <= holidays[-1].date:
            raise ValueError(f"holiday list, line {number}: {holiday.date} must come after {holidays[-1].date}")
        holidays.append(holiday)
    _require_whole_years(holidays)
    return tuple(holidays)


def _read_line(number: int, fields: list[str]) -> Holiday:
    if len(fields) != 2 or not fields[1].strip():
        raise ValueError(f"holiday list, line {number}: expected a date and a name, found {','.join(fields)!r}")
    try:
        return Holiday(date.fromisoformat(fields[0]), fields[1])
    except ValueError:
        raise ValueError(f"holiday list, line {number}: expected a date as 2026-09-22, found {fields[0]!r}") from None


def _require_whole_years(holidays: list[Holiday]) -> None:
    if not holidays:
        raise ValueError("holiday list: it names no holiday at all")
    years = [holiday.date.year for holiday in holidays]
    for year in range(years[0], years[-1] + 1):
        count = years.count(year)
        if count < HOLIDAYS_OF_A_YEAR_COUNT_MIN:
            raise ValueError(
                f"holiday list: {year} has {count} holidays, but a whole year has at least "
                f"{HOLIDAYS_OF_A_YEAR_COUNT_MIN}"
            )
