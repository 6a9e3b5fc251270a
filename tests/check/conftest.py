"""Three banking days, played once for all tests of this room, which leave them as they are."""

from __future__ import annotations

from collections.abc import Iterator

import banking_days
import pytest

from kanjo import db


@pytest.fixture(scope="session")
def played(
    server: db.Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[db.Database, dict[str, int]]]:
    """The database after three days, and the runs of these days by name."""
    with db.scratch(server, "check", template=server.name) as own:
        yield own, banking_days.play(own, tmp_path_factory.mktemp("sources"))


@pytest.fixture
def days(played: tuple[db.Database, dict[str, int]]) -> db.Database:
    """The database after three days; do not commit anything into it."""
    return played[0]


@pytest.fixture
def runs(played: tuple[db.Database, dict[str, int]]) -> dict[str, int]:
    """The runs of the days by name."""
    return played[1]
