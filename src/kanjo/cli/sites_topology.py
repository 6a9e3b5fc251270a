"""A topology from its file, for the commands that begin with one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kanjo.sites import Topology

TopologyOption = Annotated[
    Path, typer.Option("--topology", metavar="FILE.toml", help="The sites (docs/examples/sites.toml).")
]


def sound(file: Path) -> Topology:
    """The topology of a file, which can keep R1 to R11. Error: `topology-unsound`."""
    from kanjo import sites

    found = sites.read_topology_file(file)
    sites.require_sound(found)
    return found
