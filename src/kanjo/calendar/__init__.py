"""Which days a bank in Japan works: the look-ups by which due dates move and file dates are judged.

Pure: it reads its own holiday list once at import, and never a clock, a database or any other file; whoever asks
brings the date. It never guesses past its horizon, because equinox days are only decided a year ahead.
Start reading at `business_calendar.py`; `japan.py` holds the bank's own calendar, `month_day.py` dates without a year.
"""

from kanjo.calendar.business_calendar import Calendar
from kanjo.calendar.holiday_list import Holiday, read_holidays
from kanjo.calendar.japan import JAPAN
from kanjo.calendar.month_day import resolve_month_day

__all__ = ["JAPAN", "Calendar", "Holiday", "read_holidays", "resolve_month_day"]
