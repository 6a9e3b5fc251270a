"""`kanjo sites`: two clouds from one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from kanjo.cli import sites_keys, sites_lab, sites_operate
from kanjo.cli.arguments import example
from kanjo.cli.files import writable, written
from kanjo.cli.reply import Facts, Part, Reply, Table
from kanjo.cli.sites_operate import DeskOption, desk_of
from kanjo.cli.sites_topology import TopologyOption, sound

if TYPE_CHECKING:
    from kanjo.sites import Topology
    from kanjo.sites.operate.standing import Loss, NodeStanding, SiteStanding, Standing

app = typer.Typer(
    name="sites", help="Two clouds, one ledger: how both stand, what operators do, a lab, the files of every host."
)
app.add_typer(sites_lab.app)
app.add_typer(sites_operate.app)
app.add_typer(sites_keys.app)


@app.command(epilog=example("kanjo sites status", "kanjo sites status --alarm --json"))
def status(
    desk: DeskOption = None,
    alarm: Annotated[
        bool,
        typer.Option("--alarm", metavar="", help="End with exit status 1 while there is a WARNING, to be watched."),
    ] = False,
) -> Reply:
    """Show who is primary and in step, lags, mode and epoch, and what would be lost if the serving site went now.

    What calls for an operator stands below as WARNING, with --json in the list `warnings`.
    """
    from kanjo.sites.operate.look import look

    found = look(desk_of(desk))
    return Reply(msgspec.to_builtins(found), _shown(found), exit_status=1 if alarm and found.warnings else 0)


@app.command(epilog=example("kanjo sites history", "kanjo sites history --json"))
def history(desk: DeskOption = None) -> Reply:
    """Show every change of the register: who signed it and why. All of it is proved anew.

    The register's public key is shown to be compared with the one that was noted when the register was made.
    """
    from kanjo.sites.register.entry import read_history

    register = desk_of(desk).register
    public_key = register.public_key()
    entries, state = read_history(register.history(), public_key)
    rows: list[list[object]] = []
    for entry in entries:
        change = msgspec.to_builtins(entry.content.change)
        what = [change["change"], change.get("site", ""), change.get("mode", "")]
        loss = "accepts loss" if change.get("accepts_loss") else ""
        by = " and ".join(one.person for one in entry.content.by)
        rows.append(
            [str(entry.content.epoch), entry.content.at, " ".join(filter(None, [*what, loss])), by, change["reason"]]
        )
    content = {"public_key": public_key, "epoch": state.epoch, "entries": msgspec.to_builtins(entries)}
    facts = Facts({"proved": f"{len(entries)} entries", "the register's public key": public_key})
    return Reply(content, [Table(["epoch", "at", "change", "signed by", "reason"], rows), facts])


@app.command(epilog=example("kanjo sites check --topology sites.toml"))
def check(topology: TopologyOption) -> Reply:
    """Check that a topology can keep R1 to R11; exit status 1 with every violation when it cannot."""
    found = sound(topology)
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
    found = sound(topology)
    from kanjo.sites.render import rendered
    from kanjo.sites.render.hosts import TOPOLOGY

    files = rendered(found)
    texts = {file.path: file.text for file in files} | {TOPOLOGY: topology.read_text("utf-8")}
    for path, content in texts.items():
        writable(out / path)
        with written(out / path) as text:
            text.write(content)
    listed = [{"path": file.path, "hosts": file.hosts, "place": file.place, "secret": file.secret} for file in files]
    told = {"out": str(out), "files": listed}
    return Reply(told, [Facts({"written": len(texts), "into": str(out), "begin with": str(out / "README.md")})])


@app.command(epilog=example("kanjo sites pack --topology sites.toml --out installed"))
def pack(
    topology: TopologyOption,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", file_okay=False, help="As of `kanjo sites render`.")],
) -> Reply:
    """Make an archive for each host, of all that belongs there with owners and modes; unpacked there at / by root.

    Refused while an example is not filled in, a certificate is missing or has ended, or fewer than two persons have
    their public keys in DIR/persons.
    """
    from kanjo.centercut import REAL_CLOCK
    from kanjo.sites.pack import pack

    packed = pack(sound(topology), out, now=REAL_CLOCK.now())
    rows: list[list[object]] = [[one.host, str(one.archive), one.file_count] for one in packed]
    content = {"out": str(out), "archives": msgspec.to_builtins(packed, enc_hook=str)}
    return Reply(content, [Table(["host", "archive, which holds secrets", "files"], rows)])


def _shown(found: Standing) -> list[Part]:
    register = found.register
    facts = {
        "serving": "unknown: the register does not answer" if register is None else f"site {register.site or '-'}",
        "epoch": "-" if register is None else str(register.epoch),
        "mode": "-" if register is None else register.mode,
        "since": "-" if register is None else f"{register.at}, {' and '.join(register.by)}: {register.reason}",
        "if it went now": _lost(found.loss),
    }
    sites = [_site_row(site, known=register is not None) for site in found.sites]
    nodes = [_node_row(node) for node in found.nodes]
    return [
        Facts(facts),
        Table(
            [
                "site",
                "serves",
                "takes writes",
                "policy",
                "link",
                "votes",
                "log kept for the other",
                "a commit waits for",
            ],
            sites,
        ),
        Table(["site", "node", "role", "state", "in step", "timeline", "behind bytes", "behind s"], nodes),
        *(f"WARNING: {warning}" for warning in found.warnings),
    ]


def _lost(loss: Loss) -> str:
    if loss.nothing:
        return f"nothing answered would be lost ({loss.why})"
    if loss.bytes == 0:
        return f"nothing at this moment, but what is answered from now on WOULD BE LOST ({loss.why})"
    since = "of an unknown time" if loss.seconds is None else f"{loss.seconds:.1f} s"
    amount = "an UNKNOWN amount" if loss.bytes is None else f"{loss.bytes:,} bytes, {since},"
    return f"{amount} of answered transactions WOULD BE LOST ({loss.why})"


def _site_row(site: SiteStanding, *, known: bool) -> list[object]:
    kept = "-" if site.slot_bytes is None else site.slot_bytes
    serves = "yes" if site.serving else "no"
    words = [serves if known else "?", "yes" if site.writes else "no", site.mode or "-", site.link or "-"]
    votes = f"{sum(vote.answers for vote in site.votes)} of {len(site.votes)}"
    return [site.name, *words, votes, kept, site.rule or "-"]


def _node_row(node: NodeStanding) -> list[object]:
    behind_s = "-" if node.lag_s is None else f"{node.lag_s:.3f}"
    behind = "-" if node.lag_bytes is None else node.lag_bytes
    in_step = "yes" if node.in_step else "-"
    return [node.site, node.name, node.role, node.state, in_step, str(node.timeline or "-"), behind, behind_s]


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
