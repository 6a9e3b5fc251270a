"""`kanjo sites`: two clouds from one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kanjo.cli.arguments import example
from kanjo.cli.files import writable, written
from kanjo.cli.reply import Facts, Reply, Table

if TYPE_CHECKING:
    from kanjo.sites import Topology

app = typer.Typer(name="sites", help="Two clouds, one ledger: check the topology, write the files of every host.")

TopologyOption = Annotated[
    Path, typer.Option("--topology", metavar="FILE.toml", help="The sites (docs/reference/sites-toml.md).")
]


@app.command(epilog=example("kanjo sites check --topology sites.toml"))
def check(topology: TopologyOption) -> Reply:
    """Check that a topology can keep R1 to R11; exit status 1 with every violation when it cannot."""
    found = _sound(topology)
    told = [_told(found, site.name) for site in found.sites]
    content = {"topology": str(topology), "ok": True, "lab": found.lab, "sites": told}
    rows = [[site.name, site.cloud, site.scope, ", ".join(site.node_names), len(site.etcd)] for site in found.sites]
    table = Table(["site", "cloud", "scope", "nodes", "votes"], rows)
    return Reply(content, ["The topology is sound.", table])


@app.command(epilog=example("kanjo sites render --topology sites.toml --out installed"))
def render(
    topology: TopologyOption,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", file_okay=False, help="The folder to write into.")],
) -> Reply:
    """Write everything the hosts need: Patroni, etcd, HAProxy and systemd files, and a README of what goes where.

    An unsound topology is refused, and nothing is written. No file holds a password: those to be filled in say so.
    """
    found = _sound(topology)
    from kanjo.sites.render import rendered

    files = rendered(found)
    for file in files:
        writable(out / file.path)
        with written(out / file.path) as text:
            text.write(file.text)
    listed = [{"path": file.path, "host": file.host, "place": file.place, "secret": file.secret} for file in files]
    content = {"out": str(out), "files": listed}
    return Reply(content, [Facts({"written": len(files), "into": str(out), "begin with": str(out / "README.md")})])


def _sound(file: Path) -> Topology:
    from kanjo import sites

    found = sites.read_topology_file(file)
    sites.require_sound(found)
    return found


def _told(topology: Topology, name: str) -> dict[str, object]:
    site = topology.site(name)
    return {
        "site": name,
        "cloud": site.cloud,
        "scope": site.scope,
        "operating": name == topology.operating,
        "nodes": list(site.node_names),
        "etcd": [member.name for member in site.etcd],
    }
