"""The example of the documents, which is sound, and an office with keys and certificates."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from patroni.file_perm import pg_perm
from registering import Office

from kanjo.sites import Topology, read_topology_file

os.umask(pg_perm.orig_umask)  # Patroni takes it for the whole process when it is imported: for other tests too

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "sites.toml"


@pytest.fixture
def example() -> Topology:
    """Two clouds as the documents show them."""
    return read_topology_file(EXAMPLE)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Persons, certificates and the folder of a register."""
    return Office(tmp_path)
