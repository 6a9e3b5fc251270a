"""What a group's header must say before its records are looked at: date, bank, account (R-5, R-7, ZC-10, ZC-11)."""

from __future__ import annotations

from datetime import date

from kanjo.calendar import JAPAN, resolve_month_day
from kanjo.centercut import Loading
from kanjo.errors import Refused
from kanjo.formats.zengin import Header
from kanjo.ledger import PostgresUnit, Reason, Status, account_number, show_account
from kanjo.transfers.kept import Kept

AHEAD_DAYS_MAX = 92
"""The acceptance window (ZC-10): further ahead than a quarter the operator must name the date himself, since a date
just missed reads as next year's.
"""

_REASON_OF_STATUS = {
    Status.DEBIT_STOPPED: Reason.DEBIT_STOPPED,
    Status.FROZEN: Reason.ACCOUNT_FROZEN,
    Status.CLOSED: Reason.ACCOUNT_CLOSED,
}


def due_date(header: Header, loading: Loading) -> date:
    """The date of the header's MMDD: its first occurrence on or after the business date, never moved (R-5, ZC-10).

    Errors (Refused): `no-such-date`, `beyond-calendar`, `date-mismatch`, `not-a-business-day`,
    `outside-window` unless the operator gave the date.
    """
    due = resolve_month_day(header.month, header.day, loading.today)
    if loading.asked_due not in (None, due):
        raise Refused(
            "date-mismatch",
            f"the header's date {header.month:02d}{header.day:02d} is {due}, not {loading.asked_due}",
            due=due.isoformat(),
            asked=str(loading.asked_due),
        )
    if not JAPAN.is_business_day(due):
        raise Refused(
            "not-a-business-day",
            f"the header's date {due} is no bank business day (the next one is {JAPAN.on_or_after(due)}); "
            "dates are never moved, so correct the file",
            due=due.isoformat(),
        )
    ahead_days = (due - loading.today).days
    if ahead_days > AHEAD_DAYS_MAX and loading.asked_due is None:
        raise Refused(
            "outside-window",
            f"the header's date {header.month:02d}{header.day:02d} comes next on {due}, {ahead_days} days ahead, and "
            f"no more than {AHEAD_DAYS_MAX} are taken unasked; if it is meant, confirm it with --date {due}",
            due=due.isoformat(),
            ahead_days=ahead_days,
        )
    return due


def header_account(header: Header, unit: PostgresUnit, own_bank: int) -> int:
    """The originator's account, which must be an open one of this bank (R-7).

    Errors (Refused): `other-bank`, `header-account-missing`, and the reason why the account will not do.
    """
    if header.bank != own_bank:
        raise Refused(
            "other-bank",
            f"the header names bank {header.bank:04d}; this is bank {own_bank:04d} (KANJO_BANK_CODE)",
            bank=f"{header.bank:04d}",
            own_bank=f"{own_bank:04d}",
        )
    if header.deposit_type is None or header.account is None:
        raise Refused(
            "header-account-missing",
            "the header leaves out the originator's account (bytes 96-103), which this bank needs",
        )
    account = account_number(header.branch, header.deposit_type, header.account)
    status = Kept(unit).account_status(account)
    if status != Status.OPEN:
        reason = Reason.ACCOUNT_UNKNOWN if status is None else _REASON_OF_STATUS[status]
        shown = show_account(account)
        raise Refused(
            reason.word,
            f"the header's account {shown} is not an open account of this bank ({reason.word}); nothing was loaded",
            account=shown,
        )
    return account
