"""`kanjo bench`: the speed, measured against yardsticks on the same server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from kanjo.cli.arguments import example
from kanjo.cli.files import written
from kanjo.cli.printing import say
from kanjo.cli.reply import Reply, Table
from kanjo.errors import WrongUsage

if TYPE_CHECKING:
    from kanjo.bench import Figure
    from kanjo.db import Database

app = typer.Typer()

NAMES = (
    "centercut",
    "centercut-scale",
    "online",
    "online-hot",
    "before",
    "zengin",
    "zengin-memory",
    "long",
    "long-others",
    "load",
)
SITES_NAMES = (
    "sites-online",
    "sites-cut",
    "sites-commit-local",
    "sites-commit-a",
    "sites-commit",
    "sites-database-killed",
    "sites-node-killed",
    "sites-node-frozen",
    "sites-switchover",
    "sites-promote",
)
"""All benches, told here so that the help need not wait for their room; those of two sites need etcd."""
ROUNDS_MIN = 3
"""The median of fewer is the figure of one chance."""
GROUPS = {"all": NAMES, "sites": SITES_NAMES}


def bench_name(word: str) -> str:
    """The name of a bench, or of a group of them."""
    if word not in (*NAMES, *SITES_NAMES, *GROUPS):
        named = ", ".join((*NAMES, *SITES_NAMES))
        raise typer.BadParameter(f"there is no bench {word!r}; there are {named}, and {' and '.join(GROUPS)}")
    return word


@app.command(epilog=example("kanjo bench centercut online", "kanjo bench all --out figures.json"))
def bench(
    names: Annotated[
        list[str],
        typer.Argument(
            parser=bench_name,
            metavar="NAME...",
            help=f"{', '.join(NAMES)}; all of these: all. Two sites in a lab, which need etcd: "
            f"{', '.join(SITES_NAMES)}; all of these: sites.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Keep the figures here, with the machine they were measured on.", dir_okay=False)
    ] = None,
    rounds: Annotated[
        int,
        typer.Option(
            min=1, max=50, help="So often subject and yardstick are measured; fewer than 3 only with --scale."
        ),
    ] = ROUNDS_MIN,
    scale: Annotated[
        float, typer.Option(min=0.0001, max=1.0, help="Smaller sizes for a first look; nothing can be missed then.")
    ] = 1.0,
    here: Annotated[
        bool,
        typer.Option("--here", metavar="", help="Work on the server of the database that KANJO_DATABASE_URL names."),
    ] = False,
) -> Reply:
    """Measure speed against yardsticks, in alternation on the same server: medians and their ratio.

    Each bench works in databases of its own and drops them. It is refused on a server whose durability was lowered.
    Exit status 1 when a ratio misses what it must reach.
    """
    from kanjo.bench import machine, run

    if rounds < ROUNDS_MIN and scale == 1.0:
        raise WrongUsage(
            "wrong-usage", f"a figure takes {ROUNDS_MIN} rounds at least; add --scale 0.1 for a look with {rounds}"
        )
    wanted = list(dict.fromkeys(name for word in names for name in GROUPS.get(word, (word,))))
    with _server(here) as server:
        facts = machine(server)
        if set(wanted) <= set(SITES_NAMES):  # a lab's servers have settings of their own
            facts = msgspec.structs.replace(facts, settings={})
        figures = run(server, wanted, rounds=rounds, scale=scale, watch=say)
    content = {"benches": msgspec.to_builtins(figures)}
    if out is not None:
        kept = content | {"machine": msgspec.to_builtins(facts), "scale": scale}
        with written(out) as text:
            text.write(msgspec.json.format(msgspec.json.encode(kept), indent=2).decode() + "\n")
    missed = scale == 1.0 and any(figure.is_missed for figure in figures)
    return Reply(content, [_table(figures)], exit_status=1 if missed else 0)


@contextmanager
def _server(here: bool) -> Iterator[Database]:
    """A server on which databases can be made; the one named, if any, is itself neither read nor written."""
    from kanjo import db

    named = bool(os.environ.get("KANJO_DATABASE_URL"))
    if named and not here:
        raise WrongUsage(
            "needs-here", "KANJO_DATABASE_URL names a database: add --here to load its server with benches, or unset it"
        )
    if here and not named:
        raise WrongUsage("wrong-usage", "--here is for a database that KANJO_DATABASE_URL names; it names none")
    with db.database(migrate=False, progress=say) as server:
        yield server


def _table(figures: Sequence[Figure]) -> Table:
    columns = ["bench", "median", "yardstick", "unit", "ratio", "must", "aim", ""]
    rows = [
        [
            figure.bench,
            figure.value,
            figure.yardstick,
            figure.unit,
            f"{figure.ratio:.2f}",
            f"{'>=' if figure.better == 'higher' else '<='} {figure.must:g}",
            f"{figure.aim:g}",
            "MISSED" if figure.is_missed else "aim reached" if figure.is_aimed else "reached",
        ]
        for figure in figures
    ]
    return Table(columns, rows)
