"""`kanjo up`, `down` and `status`: the database and its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import typer

from kanjo.cli.arguments import example
from kanjo.cli.printing import say
from kanjo.cli.reply import Facts, Reply

if TYPE_CHECKING:
    from kanjo.db import Status

app = typer.Typer()


@app.command(epilog=example("kanjo up"))
def up() -> Reply:
    """Start the embedded database, bring its schema up to date, and leave it running.

    With KANJO_DATABASE_URL: bring that database's schema up to date.
    """
    from kanjo import db

    return _standing(db.up(progress=say))


@app.command(epilog=example("kanjo down"))
def down() -> Reply:
    """Stop the embedded database: at once, or when the commands that still use it have ended."""
    from kanjo import db

    return _standing(db.down(progress=say))


@app.command(epilog=example("kanjo status", "kanjo status --json"))
def status() -> Reply:
    """Show how the database stands; starts nothing.

    `mode` is `single` for one server; of two sites `required` (answers wait for the other one), `detached` (they do
    not), or `held` (nobody is answered until the other site is there).
    """
    from kanjo import db

    return _standing(db.status())


def _standing(status: Status) -> Reply:
    from kanjo.sites.names import mode_of

    content = msgspec.to_builtins(status)
    # a server that demands a level of commit is one of two sites; what it waits for says how it stands
    content["mode"] = mode_of(status.waits_for or "") if status.demands else "single" if status.running else None
    shown = {name.replace("_", " "): value for name, value in content.items() if value is not None}
    if status.pid is not None:
        shown["pid"] = str(status.pid)
    return Reply(content, [Facts(shown)])
