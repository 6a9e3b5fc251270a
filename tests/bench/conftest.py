"""A server that keeps its promises: benches refuse the session's own, whose fsync is off."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kanjo import db


@pytest.fixture(scope="session")
def durable_home() -> Iterator[Path]:
    """The home of an embedded server with the settings that users get; short, since it holds a socket."""
    home = Path(tempfile.mkdtemp(prefix="kanjo-bench-test-"))
    home.chmod(0o711)
    yield home
    db.down(home)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def durable_server(durable_home: Path) -> Iterator[db.Database]:
    """That server, up."""
    with db.database(durable_home, migrate=False) as server:
        yield server
