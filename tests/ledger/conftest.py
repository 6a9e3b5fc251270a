"""Every test of the posting protocol runs on PostgreSQL and on the in-memory twin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from banks import MONDAY, Bank, PostgresBank, memory_bank, postgres_bank
from kanjo import db, ledger


@pytest.fixture(scope="session")
def ledger_database(server: db.Database) -> Iterator[db.Database]:
    """One database with partitions for the tests of this room; a bank on it starts empty."""
    with db.scratch(server, "ledger", template=server.name) as own:
        ledger.ensure_partitions(own, MONDAY)
        yield own


@pytest.fixture(params=["postgres", "memory"])
def bank(request: pytest.FixtureRequest) -> Iterator[Bank]:
    """An empty bank on Monday, once on each store."""
    if request.param == "memory":
        yield memory_bank()
    else:
        with postgres_bank(request.getfixturevalue("ledger_database")) as found:
            yield found


@pytest.fixture
def store(bank: Bank) -> Any:
    """The store of `bank`."""
    return bank.store


@pytest.fixture
def postgres(ledger_database: db.Database) -> Iterator[PostgresBank]:
    """An empty bank on Monday, on PostgreSQL only."""
    with postgres_bank(ledger_database) as found:
        yield found
