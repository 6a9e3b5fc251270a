"""The statement of an account (取引明細), paged by sequence; settles first, as every enquiry does (C-5)."""

from __future__ import annotations

import datetime
from uuid import UUID

import msgspec

from kanjo.db.queries import Queries
from kanjo.errors import Refused, SystemFailed
from kanjo.ledger.account import is_account, show_account
from kanjo.ledger.chart import Code
from kanjo.ledger.instruction import Enquiry, Kind
from kanjo.ledger.outcome import Snapshot
from kanjo.ledger.post import CONFLICTS_MAX, enquire, post_in
from kanjo.ledger.postgres import PostgresStore, PostgresUnit
from kanjo.ledger.store import NOT_POISON, Conflict

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
    """A page of entries and where the account stands; `next_after` asks for the next page, None when there is none."""

    account: str
    business_date: datetime.date
    sequence: int
    balance_yen: int
    lines: tuple[StatementLine, ...]
    next_after: int | None


def statement(store: PostgresStore, account: int, *, after: int = 0, limit: int = 100) -> Statement:
    """The entries of `account` behind sequence `after`, at most `limit`, once all that is due on it is settled.

    Refused with the reason of the enquiry: `account-unknown`, `day-not-open`, `item-stuck`.
    """
    if after < 0 or not 0 < limit <= LINES_MAX:
        raise ValueError(f"after is 0 or more and limit 1 to {LINES_MAX}, found {after} and {limit}")
    conflicts = failures = 0
    while True:
        try:
            with store.unit() as unit:
                [answer] = post_in(unit, [Enquiry(account)])
                if isinstance(answer, Snapshot):
                    return _statement(unit, answer, after, limit)
            # more is due than one commit settles (O-8): this one is kept, and the next goes on behind it
        except Refused:
            raise
        except Conflict:
            conflicts += 1
            if conflicts > CONFLICTS_MAX:
                raise
        except NOT_POISON:
            raise
        except Exception as error:
            failures += 1
            if failures > 1:
                raise SystemFailed("not-decided", f"the statement failed: {type(error).__name__}: {error}") from error
            enquire(store, account)  # holds a poison item back (O-9), so that the next try says so


def _statement(unit: PostgresUnit, snapshot: Snapshot, after: int, limit: int) -> Statement:
    shown = show_account(snapshot.account)
    if snapshot.reason or snapshot.business_date is None:
        raise Refused(snapshot.reason.word, f"no statement of account {shown}: {snapshot.reason.word}", account=shown)
    parameters = {"cell": unit.cell, "account": snapshot.account, "after": after, "limit": limit}
    rows = unit.connection.execute(STATEMENT_SQL["entries_after"], parameters, binary=True).fetchall()
    lines = tuple(
        StatementLine(
            sequence=sequence,
            date=booked,
            value_date=value_date,
            kind=Kind(kind).word,
            amount_yen=amount_yen,
            balance_yen=balance_yen,
            contra=show_account(contra) if is_account(contra) else Code(contra).word,
            run=run,
            item=item,
            key=key,
        )
        for sequence, booked, value_date, kind, amount_yen, balance_yen, contra, run, item, key in rows
    )
    return Statement(
        account=shown,
        business_date=snapshot.business_date,
        sequence=snapshot.sequence,
        balance_yen=snapshot.balance_yen,
        lines=lines,
        next_after=lines[-1].sequence if lines and lines[-1].sequence < snapshot.sequence else None,
    )
