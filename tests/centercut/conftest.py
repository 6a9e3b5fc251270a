"""Every test of the centre cut that can be runs on both stores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from banks import MONDAY
from cuts import Cut, memory_cut, postgres_cut
from kanjo import db, ledger


@pytest.fixture(scope="session")
def cut_database(server: db.Database) -> Iterator[db.Database]:
    """One database with partitions for the tests of this room; a bank on it starts empty."""
    with db.scratch(server, "cut", template=server.name) as own:
        ledger.ensure_partitions(own, MONDAY)
        yield own


@pytest.fixture(params=["postgres", "memory"])
def cut(request: pytest.FixtureRequest) -> Iterator[Cut]:
    """An empty bank on Monday 24 August, once on each store."""
    if request.param == "memory":
        yield memory_cut()
    else:
        with postgres_cut(request.getfixturevalue("cut_database")) as found:
            yield found


@pytest.fixture
def postgres(cut_database: db.Database) -> Iterator[Cut]:
    """The same on PostgreSQL only."""
    with postgres_cut(cut_database) as found:
        yield found
