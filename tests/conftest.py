"""What every test may ask for: a server of the test session, and a database of its own on it."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kanjo import db

# Told to the xdist workers through their environment: all of them share one server.
SESSION_HOME = "KANJO_TEST_SESSION_HOME"


def pytest_configure(config: pytest.Config) -> None:
    """Choose the folder of the session's server, before the workers start."""
    os.environ.pop("KANJO_DATABASE_URL", None)
    os.environ.pop("KANJO_HOME", None)
    if SESSION_HOME not in os.environ:
        home = Path(tempfile.mkdtemp(prefix="kanjo-test-"))
        home.chmod(0o711)
        (home / "etc").mkdir()
        # a test kills processes, not the machine: their data survives without waiting for the disk
        (home / "etc" / "local.conf").write_text("fsync = off\nshared_buffers = '512MB'\n")
        (home / "etc" / "local.conf").chmod(0o644)
        os.environ[SESSION_HOME] = config.stash[OWNS_HOME] = str(home)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove it; the last worker has stopped the server by then."""
    if (owned := config.stash.get(OWNS_HOME, None)) is not None:
        db.down(Path(owned))
        shutil.rmtree(owned, ignore_errors=True)
        os.environ.pop(SESSION_HOME, None)


OWNS_HOME = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def server() -> Iterator[db.Database]:
    """The embedded server of this test session, with a migrated database; shared, so do not write into it."""
    with db.database(Path(os.environ[SESSION_HOME])) as found:
        yield found


@pytest.fixture(scope="session")
def template(server: db.Database) -> Iterator[str]:
    """The name of a migrated database that nobody connects to: copying it is quicker than migrating each."""
    with db.scratch(server, "template") as made:
        yield made.name


@pytest.fixture
def database(server: db.Database, template: str) -> Iterator[db.Database]:
    """An empty, migrated database for one test."""
    with db.scratch(server, "test", template=template) as own:
        yield own


@pytest.fixture(scope="module")
def module_database(server: db.Database, template: str) -> Iterator[db.Database]:
    """An empty, migrated database for all tests of a module."""
    with db.scratch(server, "test", template=template) as own:
        yield own


@pytest.fixture(scope="session")
def copy_distribution() -> Callable[[str, Path], None]:
    """Copy an installed distribution, files and metadata, into a folder: another installation, with other modes."""

    def copy(name: str, target: Path) -> None:
        for file in importlib.metadata.distribution(name).files or []:
            source = Path(str(file.locate()))
            if ".." in file.parts or not source.is_file() or source.suffix == ".pyc":
                continue
            copied = target / str(file)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copied)

    return copy
