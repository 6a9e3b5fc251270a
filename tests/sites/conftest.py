"""The example of the documents, which is sound, and the same on one machine as a lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from kanjo.sites import Topology, read_topology_file

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "sites.toml"


@pytest.fixture
def example() -> Topology:
    """Two clouds as the documents show them."""
    return read_topology_file(EXAMPLE)
