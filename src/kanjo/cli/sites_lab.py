"""`kanjo sites lab`: both clouds on this machine, and the means to break them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from kanjo.cli.arguments import example
from kanjo.cli.printing import say
from kanjo.cli.reply import Facts, Part, Reply, Table

if TYPE_CHECKING:
    from kanjo.sites.lab import Lab, LabStatus, PartStatus

app = typer.Typer(name="lab", help="Two clouds on this machine: bring them up, break them, mend them.")

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", metavar="DIR", file_okay=False, help="The lab's folder; `lab` under KANJO_HOME if not given."
    ),
]
PartsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="PART...",
        help="Such as a1 (a whole node), a1.postgres, a1.patroni, etcd-a1, link-a, register; a is the whole site.",
    ),
]


@app.command(epilog=example("kanjo sites lab up"))
def up(home: HomeOption = None) -> Reply:
    """Bring up two sites of three and two nodes, and leave them running until `down`. Needs etcd on the PATH."""
    return _standing(_lab(home).up(say))


@app.command(epilog=example("kanjo sites lab down"))
def down(home: HomeOption = None) -> Reply:
    """End every process of the lab and remove its data; logs and files stay."""
    count = _lab(home).down()
    return Reply({"ended": count}, [Facts({"processes ended": count})])


@app.command(epilog=example("kanjo sites lab status --json"))
def status(home: HomeOption = None) -> Reply:
    """Show the lab's processes and its link. How the bank stands is `kanjo sites status`."""
    return _standing(_lab(home).status())


@app.command(epilog=example("kanjo sites lab kill a1", "kanjo sites lab kill a1.postgres"))
def kill(parts: PartsArgument, home: HomeOption = None) -> Reply:
    """Kill parts at once (SIGKILL); nothing starts them again before `start` or `heal`."""
    return _signalled("killed", parts, _lab(home).kill(parts))


@app.command(epilog=example("kanjo sites lab freeze b1"))
def freeze(parts: PartsArgument, home: HomeOption = None) -> Reply:
    """Stop parts where they stand (SIGSTOP): alive, connected and silent."""
    return _signalled("frozen", parts, _lab(home).freeze(parts))


@app.command(epilog=example("kanjo sites lab thaw b1"))
def thaw(parts: PartsArgument, home: HomeOption = None) -> Reply:
    """Let frozen parts go on."""
    return _signalled("thawed", parts, _lab(home).thaw(parts))


@app.command(epilog=example("kanjo sites lab start a1"))
def start(parts: PartsArgument, home: HomeOption = None) -> Reply:
    """Start parts that do not run."""
    count = _lab(home).start(parts)
    return Reply({"started": count, "parts": parts}, [Facts({"started": count})])


@app.command(epilog=example("kanjo sites lab cut", "kanjo sites lab cut --silently"))
def cut(
    silently: Annotated[
        bool, typer.Option("--silently", metavar="", help="Swallow every byte and close nothing.")
    ] = False,
    home: HomeOption = None,
) -> Reply:
    """Break the link between the sites."""
    _lab(home).cut(blackhole=silently)
    return Reply({"link": "blackhole" if silently else "cut"}, ["The link is broken; `heal` mends it."])


@app.command(epilog=example("kanjo sites lab delay 5"))
def delay(
    ms: Annotated[int, typer.Argument(metavar="MS", min=0, max=10_000, help="Milliseconds one way.")],
    home: HomeOption = None,
) -> Reply:
    """Put the sites so many milliseconds apart, each way."""
    _lab(home).delay(ms)
    return Reply({"delay_ms": ms}, [f"What leaves a site now arrives {ms} ms later."])


@app.command(epilog=example("kanjo sites lab heal"))
def heal(home: HomeOption = None) -> Reply:
    """Take all damage back: start what was killed, thaw what was frozen, mend the link. A fence stays."""
    fenced = _lab(home).heal()
    parts: list[Part] = ["Healed."]
    if fenced:
        parts.append(f"The link stays cut at site {' and '.join(fenced)}: that is a fence, which an operator lifts.")
    return Reply({"fenced": fenced}, parts)


def _lab(home: Path | None) -> Lab:
    from kanjo.sites.lab import Lab, choose

    return Lab(choose(home))


def _signalled(what: str, parts: list[str], count: int) -> Reply:
    return Reply({what: parts, "processes": count}, [Facts({what: ", ".join(parts), "processes": count})])


def _standing(status: LabStatus) -> Reply:
    rows = [
        [part.name, part.site or "-", _state(part), str(part.process_count), part.memory_mib] for part in status.parts
    ]
    links = [[link.site, link.mode.value, str(link.delay_ms), link.by, link.reason] for link in status.links]
    facts = {
        "lab": status.folder,
        "memory": f"{sum(part.memory_mib for part in status.parts)} MiB",
        "for kanjo sites": f"--desk {status.desk}",
        "KANJO_DATABASE_URL": status.dsn,
    }
    return Reply(
        msgspec.to_builtins(status),
        [
            Table(["part", "site", "state", "processes", "MiB"], rows),
            Table(["link at", "is", "delay ms", "by", "reason"], links),
            Facts(facts),
        ],
    )


def _state(part: PartStatus) -> str:
    if part.frozen:
        return "frozen"
    if part.running and part.database is False:
        return "no database"
    return "running" if part.running else "DOWN"
