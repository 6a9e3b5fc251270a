"""The command on databases of its own."""

from __future__ import annotations

import pytest
from command import ZENGIN, Kanjo, kanjo_on

from kanjo import db


@pytest.fixture
def kanjo(database: db.Database) -> Kanjo:
    """The command on an empty database."""
    return kanjo_on(database)


@pytest.fixture
def bank(kanjo: Kanjo) -> Kanjo:
    """The command on a ledger with the sample accounts, on the day before the sample files' date."""
    kanjo("account", "import", ZENGIN / "accounts.csv")
    kanjo("day", "open", "2026-08-24")
    return kanjo
