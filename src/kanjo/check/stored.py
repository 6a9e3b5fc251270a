"""What the ledger stores about a history: requests, entries and items, as plain values that a decision can look at."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import msgspec
import numpy as np
import psycopg

from kanjo.check.lines import EntryTold
from kanjo.check.order import Ints
from kanjo.db.columns import Int8, Text
from kanjo.db.queries import Queries
from kanjo.ledger import Phase, Reason, is_account

SQL = Queries("kanjo.check", "history.sql")
Key: TypeAlias = tuple[str, UUID]


class StoredRequest(NamedTuple):
    """A row of `ledger.request`, believed in nothing: what is broken in it must not stop the check."""

    client: str
    key: UUID
    fingerprint: UUID
    kind: int
    reason: int
    date: datetime.date
    value_date: datetime.date
    debits: Sequence[int]
    credits: Sequence[int]
    amounts: Sequence[int]
    accounts: Sequence[int]
    sequences: Sequence[int]
    balances: Sequence[int]

    @property
    def touched(self) -> tuple[tuple[int, int, int], ...]:
        return tuple(zip(self.accounts, self.sequences, self.balances, strict=False))

    def entries_of(self, account: int) -> int:
        """How many entries it made on the account."""
        if self.reason != Reason.ACCEPTED:
            return 0
        return sum(is_account(place) and place == account for place in (*self.debits, *self.credits))


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """`requests` of the history's clients and all that touch several accounts; `caused`: the entries of a key.

    `entries`: rows of account, sequence, balance, date, sorted, for each account of the history. `items`: rows of
    account, due date, sequence after it (-1: unsettled), run, item, sorted by account and date. Dates are ordinals.
    """

    requests: list[StoredRequest]
    caused: dict[Key, list[EntryTold]]
    entries: Ints
    items: Ints


def load_stored(connection: psycopg.Connection[Any], clients: Iterable[str], accounts: Iterable[int]) -> Stored:
    """Read it in the caller's transaction: one that began after the histories were written."""
    cursor = connection.cursor(binary=True)
    named = {"clients": Text(sorted(clients)), "accounts": Int8(sorted(accounts))}
    reasons = {
        "accepted": int(Reason.ACCEPTED),
        "withdrawn": int(Reason.WITHDRAWN),
        "failed": int(Reason.FAILED),
        "cancelled": int(Reason.CANCELLED),
        "pre_business": int(Phase.PRE_BUSINESS),
    }
    requests = [StoredRequest(*row) for row in cursor.execute(SQL["stored_requests"], named)]
    caused: dict[Key, list[EntryTold]] = {}
    for client, key, *entry in cursor.execute(SQL["stored_causes"], named):
        caused.setdefault((client, key), []).append(tuple(entry))
    entries = _columns(cursor.execute(SQL["stored_entries"], named).fetchall(), 4)
    items = _columns(cursor.execute(SQL["stored_items"], named | reasons).fetchall(), 5)
    return Stored(requests=requests, caused=caused, entries=entries, items=items)


def _columns(rows: Sequence[Sequence[int]], width: int) -> Ints:
    return np.array(rows, dtype=np.int64).reshape(len(rows), width)
