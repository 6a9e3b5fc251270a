"""The bank's own calendar, from the holiday list that the package carries."""

from __future__ import annotations

from importlib import resources

from kanjo.calendar.business_calendar import Calendar
from kanjo.calendar.holiday_list import read_holidays

#: Loaded once, at import: it is a constant of this release, and looking it up must never touch a disk again.
JAPAN = Calendar.of_whole_years(
    read_holidays(resources.files("kanjo.calendar").joinpath("holidays.csv").read_text(encoding="utf-8"))
)
