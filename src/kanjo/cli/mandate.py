"""`kanjo mandate`: which debits payers have allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from kanjo.cli.arguments import example
from kanjo.cli.files import lines_in, readable
from kanjo.cli.opened import opened_store
from kanjo.cli.progress import Progress
from kanjo.cli.reply import Facts, Reply

app = typer.Typer(name="mandate", help="Mandates (口座振替依頼): which debits payers have allowed an originator.")


@app.command("import", epilog=example("kanjo mandate import mandates.csv"))
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="originator,customer,account; UTF-8.")],
) -> Reply:
    """Replace the list of every originator that the file names, from the date after the current one.

    Only an originator whose list was loaded is asked for mandates.
    """
    from kanjo import ledger

    readable(file)
    with (
        opened_store() as store,
        file.open(encoding="utf-8", newline="") as text,
        Progress("importing mandates", total=lines_in(file) - 1) as progress,
    ):
        loaded = ledger.import_mandates(store, text, name=file.name, progress=progress.reach)
    content = {"file": str(file)} | msgspec.structs.asdict(loaded)
    facts = {name.replace("_", " "): value for name, value in content.items()}
    return Reply(content, [Facts(facts)])


@app.callback()
def _group() -> None:
    """Keep `import` a sub-command although it is the only one."""
