"""`kanjo check`: the laws of the ledger, proved from its rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from kanjo.cli.arguments import example
from kanjo.cli.files import readable
from kanjo.cli.opened import opened_database
from kanjo.cli.progress import Progress
from kanjo.cli.reply import Part, Reply, Table

if TYPE_CHECKING:
    from kanjo.check import Proof

app = typer.Typer()


@app.command(epilog=example("kanjo check", "kanjo check --json", "kanjo check --history monday.jsonl"))
def check(
    history: Annotated[
        list[Path] | None,
        typer.Option(
            "--history",
            metavar="FILE",
            help="What callers asked and were told, as recorders write it (docs/reference/history.md): law 4 is proved "
            "from it. May be given several times.",
        ),
    ] = None,
) -> Reply:
    """Prove laws 1 to 3 on the live ledger: conserved, exactly once, in order (検査).

    With histories also law 4: whatever callers were told is kept, and one order explains all of it. Exit status 1, and
    the offending rows, when a law is broken. Nothing is settled, written or held up by it.
    """
    from kanjo.check import prove, read_histories

    for file in history or ():
        readable(file)
    recorded = read_histories(history) if history else None
    with (
        opened_database() as database,
        database.connect(autocommit=True) as connection,
        Progress("checking the laws") as progress,
    ):
        proof = prove(connection, lambda name, done, total: progress.reach_of(done, total, name), history=recorded)
    return reply_of(proof)


def reply_of(proof: Proof) -> Reply:
    """The proof for programs and for people."""
    words = {True: "holds", False: "BROKEN", None: "not checked"}
    rows = [[f"{law.law} {law.name}", words[law.ok], law.checked, law.broken] for law in proof.laws]
    parts: list[Part] = [Table(["law", "", "checked", "violations"], rows)]
    parts += [f"Law {law.law}: {law.not_checked}." for law in proof.laws if law.not_checked]
    for law in proof.laws:
        for found in law.checks:
            if not found.ok:
                columns = [name for name in found.violations[0] if name != "check"] if found.violations else []
                table = Table(
                    columns,
                    [[_cell(row.get(name)) for name in columns] for row in found.violations],
                    title=f"Law {law.law}, {found.name}: {found.proves} ({found.broken:,} rows break it)",
                )
                parts.append(table)
    if proof.stuck:
        stuck = [[str(item.run), str(item.item), item.account, item.error] for item in proof.stuck]
        parts.append(Table(["run", "item", "account", "error"], stuck, title="Stuck: retry or fail each of them"))
    if proof.pending_count:
        parts.append(f"{proof.pending_count:,} items are due and not settled yet.")
    return Reply(msgspec.to_builtins(proof), parts, exit_status=0 if proof.ok else 1)


def _cell(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
