"""The vectors run on both stores, at the dates of the fact sheet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from banks import MONDAY
from cuts import Cut, memory_cut, postgres_cut
from kanjo import db, ledger


@pytest.fixture(scope="session")
def scenario_database(server: db.Database) -> Iterator[db.Database]:
    """One database with partitions for all vectors."""
    with db.scratch(server, "scenario", template=server.name) as own:
        ledger.ensure_partitions(own, MONDAY)
        yield own


@pytest.fixture(params=["postgres", "memory"])
def cut(request: pytest.FixtureRequest) -> Iterator[Cut]:
    """An empty bank on Monday 24 August, once on each store."""
    if request.param == "memory":
        yield memory_cut()
    else:
        with postgres_cut(request.getfixturevalue("scenario_database")) as found:
            yield found


@pytest.fixture
def postgres(scenario_database: db.Database) -> Iterator[Cut]:
    """The same on PostgreSQL only."""
    with postgres_cut(scenario_database) as found:
        yield found
