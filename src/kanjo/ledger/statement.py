"""The statement of an account (取引明細), paged by sequence; settles first, unless it is of closed dates (C-5)."""

from __future__ import annotations

import datetime
from uuid import UUID

import msgspec

from kanjo.db.queries import Queries
from kanjo.errors import Refused
from kanjo.ledger.account import is_account, show_account
from kanjo.ledger.chart import Code
from kanjo.ledger.day import business_date
from kanjo.ledger.enquiry import enquire_with
from kanjo.ledger.instruction import Kind
from kanjo.ledger.outcome import Snapshot
from kanjo.ledger.postgres import PostgresStore
from kanjo.ledger.reason import Reason
from kanjo.ledger.store import Unit

STATEMENT_SQL = Queries("kanjo.ledger", "statement.sql")
LINES_MAX = 10_000
"""The longest page."""


class StatementLine(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. `contra` is the other account or a code's word; the cause is `run` and `item`, or `key`."""

    sequence: int
    date: datetime.date
    value_date: datetime.date
    kind: str
    amount_yen: int
    balance_yen: int
    contra: str
    run: int | None
    item: int | None
    key: UUID | None


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """A page of entries, and where the account stands or, at the end of closed dates, stood.

    `next_after` asks for the next page, None when there is none.
    """

    account: str
    business_date: datetime.date
    sequence: int
    balance_yen: int
    lines: tuple[StatementLine, ...]
    next_after: int | None


def statement(
    store: PostgresStore, account: int, *, after: int = 0, limit: int = 100, until: datetime.date | None = None
) -> Statement:
    """The entries of `account` behind sequence `after`, at most `limit`, booked on `until` or before if it is given.

    All that is due is settled first. Not so for an `until` before the business date: nothing can be added to closed
    dates, so they are read without a lock, and `sequence` and `balance_yen` are those of their last entry (C-5).
    Refused: `account-unknown`, and of a statement that settles also `day-not-open`, `item-stuck`.
    """
    if after < 0 or not 0 < limit <= LINES_MAX:
        raise ValueError(f"after is 0 or more and limit 1 to {LINES_MAX}, found {after} and {limit}")
    if until is not None:
        today = business_date(store.connection)
        if today is not None and until < today:
            return _closed(store, account, after, limit, until, today)

    def read(_: Unit, snapshot: Snapshot) -> Statement:
        shown = show_account(account)
        if snapshot.reason or snapshot.business_date is None:
            word = snapshot.reason.word
            raise Refused(word, f"no statement of account {shown}: {word}", account=shown)
        today = snapshot.business_date
        if until is not None and until < today:  # a later date was opened meanwhile
            return _closed(store, account, after, limit, until, today)
        return _page(store, account, after, limit, today, today, snapshot.sequence, snapshot.balance_yen)

    return enquire_with(store, account, read)


def _closed(
    store: PostgresStore, account: int, after: int, limit: int, until: datetime.date, today: datetime.date
) -> Statement:
    parameters = {"cell": store.cell, "account": account, "until": until}
    row = store.connection.execute(STATEMENT_SQL["standing_at_end_of"], parameters, binary=True).fetchone()
    if row is None:
        shown = show_account(account)
        word = Reason.ACCOUNT_UNKNOWN.word
        raise Refused(word, f"no statement of account {shown}: {word}", account=shown)
    sequence, balance_yen = row
    return _page(store, account, after, limit, until, today, sequence, balance_yen)


def _page(
    store: PostgresStore,
    account: int,
    after: int,
    limit: int,
    until: datetime.date,
    today: datetime.date,
    sequence: int,
    balance_yen: int,
) -> Statement:
    parameters = {"cell": store.cell, "account": account, "after": after, "limit": limit, "until": until}
    rows = store.connection.execute(STATEMENT_SQL["entries_after"], parameters, binary=True).fetchall()
    lines = tuple(
        StatementLine(
            sequence=number,
            date=booked,
            value_date=value_date,
            kind=Kind(kind).word,
            amount_yen=amount_yen,
            balance_yen=balance_after_yen,
            contra=show_account(contra) if is_account(contra) else Code(contra).word,
            run=run,
            item=item,
            key=key,
        )
        for number, booked, value_date, kind, amount_yen, balance_after_yen, contra, run, item, key in rows
    )
    return Statement(
        account=show_account(account),
        business_date=today,
        sequence=sequence,
        balance_yen=balance_yen,
        lines=lines,
        next_after=lines[-1].sequence if lines and lines[-1].sequence < sequence else None,
    )
