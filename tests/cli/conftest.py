"""The command on databases of its own."""

from __future__ import annotations

from datetime import date

import pytest
from command import ZENGIN, Kanjo, kanjo_on

from kanjo import db, ledger

ACCOUNTS = ZENGIN / "accounts.csv"


@pytest.fixture
def kanjo(database: db.Database) -> Kanjo:
    """The command on an empty database."""
    return kanjo_on(database)


@pytest.fixture
def bank(kanjo: Kanjo, database: db.Database) -> Kanjo:
    """The command on a ledger with the sample accounts, on the day before the sample files' date."""
    with database.connect(autocommit=True) as connection, ACCOUNTS.open(encoding="utf-8", newline="") as text:
        ledger.import_accounts(ledger.PostgresStore(connection), text, name=ACCOUNTS.name)
    ledger.open_day(database, date(2026, 8, 24))
    return kanjo
