"""Dates that a file writes as MMDD, without a year."""

from __future__ import annotations

from datetime import date

from kanjo.errors import Refused


def resolve_month_day(month: int, day: int, reference: date) -> date:
    """The first occurrence of month and day on or after the reference date (ZC-11, R-5).

    The reference is an argument, and is to be kept with the file, so that a re-run resolves to the same year. A date
    that this year or the next, whichever is due, does not have is refused with `no-such-date` and never moved: 29
    February is not made 28 February or 1 March (ZC-10), nor put off to a leap year, which nobody can have meant.
    """
    passed = (month, day) < (reference.month, reference.day)
    year = reference.year + 1 if passed else reference.year
    try:
        return date(year, month, day)
    except ValueError:
        raise Refused(
            "no-such-date",
            f"{month:02d}{day:02d} (MMDD) on or after {reference} would fall in {year}, which has no such date; "
            "correct the date in the file's header",
            month_day=f"{month:02d}{day:02d}",
            year=year,
            reference=reference.isoformat(),
        ) from None
