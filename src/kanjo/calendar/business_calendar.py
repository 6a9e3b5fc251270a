"""The calendar of bank business days (銀行営業日), a frozen value with a horizon."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

from kanjo.calendar.holiday_list import Holiday
from kanjo.errors import Refused

#: Banks stay closed from 31 December to 3 January whatever the holiday list says (銀行法施行令 5).
YEAR_END_CLOSING = frozenset({(12, 31), (1, 1), (1, 2), (1, 3)})
YEAR_END_CLOSING_NAME = "銀行休業日"

SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Calendar:
    """Business days from `first` to `last`: no Saturday, Sunday, public holiday, nor 31 December to 3 January.

    A date outside the horizon, asked about or arrived at, is refused with `beyond-calendar` and never approximated.
    The business days are laid out once in order, so that every look-up is a bisection or a set's.
    """

    first: date
    last: date
    holidays: tuple[Holiday, ...]
    _names: dict[date, str] = field(init=False, repr=False, compare=False)
    _days: tuple[date, ...] = field(init=False, repr=False, compare=False)
    _day_set: frozenset[date] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise ValueError(f"a calendar cannot end ({self.last}) before it begins ({self.first})")
        names = {holiday.date: holiday.name for holiday in self.holidays}
        span_days = (self.last - self.first).days + 1
        every_day = (self.first + timedelta(days=offset) for offset in range(span_days))
        days = tuple(day for day in every_day if _is_open(day, names))
        # a frozen value may only be completed through the back door, here and nowhere else
        object.__setattr__(self, "_names", names)
        object.__setattr__(self, "_days", days)
        object.__setattr__(self, "_day_set", frozenset(days))

    @classmethod
    def of_whole_years(cls, holidays: Iterable[Holiday]) -> Calendar:
        """The calendar whose horizon is the first to the last year that the (ascending) list names."""
        listed = tuple(holidays)
        return cls(date(listed[0].date.year, 1, 1), date(listed[-1].date.year, 12, 31), listed)

    def require_within(self, day: date) -> None:
        """Refuse (`beyond-calendar`) a date outside the horizon (D-1)."""
        if not self.first <= day <= self.last:
            raise self._beyond(day.isoformat())

    def is_business_day(self, day: date) -> bool:
        """Whether banks are open on this date."""
        self.require_within(day)
        return day in self._day_set

    def holiday_name(self, day: date) -> str | None:
        """The Japanese name of the holiday on this date, weekend or not; None for a day that is only a weekend or open.

        2, 3 January and 31 December are no public holidays and answer 銀行休業日.
        """
        self.require_within(day)
        if day in self._names:
            return self._names[day]
        return YEAR_END_CLOSING_NAME if (day.month, day.day) in YEAR_END_CLOSING else None

    def next_business_day(self, day: date) -> date:
        """The first business day strictly after the date."""
        return self.add_business_days(day, 1)

    def previous_business_day(self, day: date) -> date:
        """The last business day strictly before the date."""
        return self.add_business_days(day, -1)

    def on_or_after(self, day: date) -> date:
        """The date itself if banks are open, else the next business day: how a direct debit's due date moves."""
        self.require_within(day)
        return self._day_at(bisect_left(self._days, day), f"the first business day from {day}")

    def on_or_before(self, day: date) -> date:
        """The date itself if banks are open, else the previous business day: how a payday usually moves."""
        self.require_within(day)
        return self._day_at(bisect_right(self._days, day) - 1, f"the last business day up to {day}")

    def add_business_days(self, day: date, count: int) -> date:
        """The count-th business day strictly after the date, or strictly before it for a negative count.

        0 answers the date unchanged, business day or not: to move it, say in which direction (`on_or_after`,
        `on_or_before`).
        """
        self.require_within(day)
        if count == 0:
            return day
        if count > 0:
            return self._day_at(bisect_right(self._days, day) + count - 1, f"business day {count} after {day}")
        return self._day_at(bisect_left(self._days, day) + count, f"business day {-count} before {day}")

    def business_days(self, year: int) -> int:
        """How many business days the year has; the whole year must lie within the horizon."""
        if not (self.first.year <= year <= self.last.year):
            raise self._beyond(str(year))
        new_year, year_end = date(year, 1, 1), date(year, 12, 31)
        self.require_within(new_year)
        self.require_within(year_end)
        return bisect_right(self._days, year_end) - bisect_left(self._days, new_year)

    def _day_at(self, position: int, wanted: str) -> date:
        # a negative position must not wrap round to the calendar's other end
        if not 0 <= position < len(self._days):
            raise self._beyond(wanted)
        return self._days[position]

    def _beyond(self, wanted: str) -> Refused:
        return Refused(
            "beyond-calendar",
            f"{wanted} lies beyond the calendar, which knows {self.first} to {self.last}; "
            "choose a date within it, or extend the holiday list (docs/reference/calendar.md)",
            wanted=wanted,
            first=self.first.isoformat(),
            last=self.last.isoformat(),
        )


def _is_open(day: date, holiday_names: dict[date, str]) -> bool:
    return day.weekday() < SATURDAY and day not in holiday_names and (day.month, day.day) not in YEAR_END_CLOSING
