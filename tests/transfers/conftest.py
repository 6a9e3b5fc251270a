"""A bank on a database of its own: the sample's accounts and date, or a few accounts made for one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from office import MONDAY, SAMPLES, Office

from kanjo import ledger
from kanjo.db import Database


@pytest.fixture
def office(database: Database, tmp_path: Path) -> Iterator[Office]:
    """A bank without accounts, its date Monday."""
    found = Office(database, tmp_path)
    try:
        found.open(MONDAY)
        yield found
    finally:
        found.quit()


@pytest.fixture
def sample(database: Database, tmp_path: Path) -> Iterator[Office]:
    """The bank of the samples on the Monday before."""
    found = Office(database, tmp_path)
    try:
        with (SAMPLES / "accounts.csv").open(encoding="utf-8", newline="") as lines:
            ledger.import_accounts(found.store, lines, name="accounts.csv")
        found.open(MONDAY)
        yield found
    finally:
        found.quit()
