"""Three banking days, played once; a test that plants a fault gets a copy of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import banking_days
from kanjo import db


@pytest.fixture(scope="session")
def played(
    server: db.Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[db.Database, dict[str, int]]]:
    """The database after three days, which nobody is connected to, and the runs of these days by name."""
    with db.scratch(server, "check", template=server.name) as own:
        yield own, banking_days.play(own, tmp_path_factory.mktemp("sources"))


@pytest.fixture
def days(server: db.Database, played: tuple[db.Database, dict[str, int]]) -> Iterator[db.Database]:
    """A copy of the database to plant faults in."""
    with db.scratch(server, "checked", template=played[0].name) as own:
        yield own


@pytest.fixture
def runs(played: tuple[db.Database, dict[str, int]]) -> dict[str, int]:
    """The runs of the days by name."""
    return played[1]
