"""`kanjo backup`: copies that do not follow a mistake, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from kanjo.cli.arguments import example
from kanjo.cli.opened import opened_database
from kanjo.cli.printing import say
from kanjo.cli.reply import Facts, Reply, Table
from kanjo.cli.signing import read_signature, signature_of
from kanjo.errors import WrongUsage

if TYPE_CHECKING:
    from kanjo.backup import Backup, Store

app = typer.Typer(
    name="backup", help="Back the ledger up (バックアップ), outside of its server, and bring a moment back."
)

StoreOption = Annotated[
    Path,
    typer.Option(
        "--store", envvar="KANJO_BACKUP_STORE", metavar="DIR", help="The folder of backups; on another disk or machine."
    ),
]


def moment(text: str) -> datetime:
    """A moment with its zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise typer.BadParameter(f"a moment reads 2026-08-25T10:15:00+09:00, found {text!r}")
    return found.astimezone(UTC)


@app.command(epilog=example("kanjo backup create --store /var/backups/kanjo"))
def create(
    store: StoreOption,
    full: Annotated[
        bool, typer.Option("--full", metavar="", help="Take all files, not only what changed since the last one.")
    ] = False,
) -> Reply:
    """Make a backup: the blocks that changed since the last one where the server knows them, and the log until now."""
    from kanjo import backup

    with opened_database() as database:
        made = backup.create(database, _store(store), say, full=full)
    return Reply(msgspec.to_builtins(made), [Facts(_shown(made))])


@app.command(epilog=example("kanjo backup log --store /var/backups/kanjo"))
def log(store: StoreOption) -> Reply:
    """Draw the log until now, so that every moment up to it can be restored. Meant for a timer, each minute or so."""
    from kanjo import backup

    with opened_database() as database:
        drawn = backup.draw(database, _store(store))
    facts = {"until": drawn.until.isoformat(), "lsn": drawn.lsn, "segments": len(drawn.files)}
    return Reply(facts, [Facts(facts)])


@app.command("list", epilog=example("kanjo backup list --store /var/backups/kanjo"))
def list_(store: StoreOption) -> Reply:
    """List the complete backups, and until when the log was drawn; starts nothing."""
    chosen = _store(store)
    backups, drawn = chosen.backups(), chosen.drawn()
    until = drawn.until.isoformat() if drawn else None
    rows = [[*_shown(one).values()] for one in backups]
    return Reply(
        {"backups": msgspec.to_builtins(backups), "log_until": until},
        [
            Table(list(_shown(backups[0])) if backups else [], rows) if backups else "There is no complete backup.",
            *([f"Any moment from the end of the first to {until} can be restored."] if backups else []),
        ],
    )


@app.command(epilog=example("kanjo backup verify --store /var/backups/kanjo"))
def verify(
    store: StoreOption,
    backup_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="One backup; else all of them.")] = None,
) -> Reply:
    """Prove that backups and log are whole; else say which file is bent, and from which byte. Exit status 1 then."""
    from kanjo import backup

    verdict = backup.verify(_store(store), backup_id)
    rows = [[one.file, "" if one.byte is None else str(one.byte), one.found] for one in verdict.damages]
    said = f"{len(verdict.backups)} backups and the log are whole: {verdict.files:,} files."
    parts = [said] if verdict.ok else [Table(["file", "from byte", "found"], rows, title="Not whole")]
    return Reply(msgspec.to_builtins(verdict), parts, exit_status=0 if verdict.ok else 1)


@app.command(
    epilog=example(
        "kanjo backup prune --store /var/backups/kanjo --keep 14",
        "kanjo backup prune --store /var/backups/kanjo --until 2026-08-01T00:00:00+09:00 --plan-only",
    )
)
def prune(
    store: StoreOption,
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, metavar="N", help="Keep the newest N, and those they stand on.")
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option("--until", parser=moment, metavar="TIME", help="Keep what restores any moment from this one on."),
    ] = None,
    plan_only: Annotated[
        bool, typer.Option("--plan-only", metavar="", help="Show what would go; remove nothing.")
    ] = False,
) -> Reply:
    """Remove old backups, and the log that only they need; nothing, if what is kept is not whole."""
    from kanjo import backup

    if (keep is None) == (until is None):
        raise WrongUsage("wrong-usage", "Say what to keep: either --keep N or --until TIME.")
    found = backup.prune(_store(store), keep=keep, until=until, plan_only=plan_only)
    shown = {
        "would remove" if plan_only else "removed": ", ".join(reversed(found.removed)) or "no backup",
        "log segments": len(found.segments),
        "bytes": found.bytes,
        "kept": ", ".join(found.kept),
        "restorable from": found.earliest.isoformat(),
    }
    return Reply(msgspec.to_builtins(found) | {"done": not plan_only}, [Facts(shown)])


@app.command(
    epilog=example(
        "kanjo backup restore --store /var/backups/kanjo --to 2026-08-25T10:15:00+09:00 --into /var/lib/kanjo-new"
    )
)
def restore(
    store: StoreOption,
    to: Annotated[datetime, typer.Option("--to", parser=moment, metavar="TIME", help="The moment to bring back.")],
    into: Annotated[str, typer.Option("--into", metavar="FOLDER", help="The new KANJO_HOME; not there yet.")],
) -> Reply:
    """Bring a moment back into a new home, check it, and say what was answered later. Its doors stay shut.

    Exit status 1 when a law does not hold in it.
    """
    from kanjo import backup

    if "://" in into:
        raise WrongUsage(
            "restore-into",
            "A moment of the log is brought back with the whole server, never into a database of a running one: --into "
            "is the folder of a new home.",
        )
    home = Path(into)
    report = backup.restore(_store(store), to, home, say)
    apart = ("later", "later_files", "laws_broken")
    shown = {name: value for name, value in msgspec.to_builtins(report).items() if name not in apart}
    files = [[str(one.run), one.file, one.business, str(one.date), one.digest[:12]] for one in report.later_files]
    return Reply(
        msgspec.to_builtins(report),
        [
            Facts(shown),
            *(
                [Table(["client", "key"], [[one.client, one.key] for one in report.later], title="Answered later")]
                if report.later
                else []
            ),
            *(
                [Table(["run", "file", "business", "date", "digest"], files, title="Files that may have left later")]
                if files
                else []
            ),
            f"The doors are shut. Two persons sign {home}/restore.json and release it: `kanjo backup sign`, `release`.",
        ],
        exit_status=0 if report.check_ok else 1,
    )


@app.command(epilog=example("kanjo backup sign /var/lib/kanjo-new/restore.json --person mori --key mori.key"))
def sign(
    report: Annotated[Path, typer.Argument(metavar="REPORT", help="The restore.json that was read.")],
    person: Annotated[str, typer.Option("--person", metavar="NAME", help="Who signs.")],
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="The signer's own private key.")],
) -> Reply:
    """Agree to what the report of a restore says; prints the signature as one line of JSON."""
    from kanjo import backup

    made = signature_of(person, key, backup.digest_of_report(report))
    return Reply(msgspec.to_builtins(made), [msgspec.json.encode(made).decode()])


@app.command(
    epilog=example("kanjo backup release --persons /etc/kanjo/persons --signature mori.json --signature sato.json")
)
def release(
    persons: Annotated[Path, typer.Option("--persons", metavar="DIR", help="The bank's folder of public keys.")],
    signature: Annotated[list[Path], typer.Option("--signature", metavar="FILE", help="Given twice: two persons.")],
) -> Reply:
    """Open the doors of a restored ledger (KANJO_HOME), when two persons have signed its report."""
    from kanjo import backup
    from kanjo.sites.person import read_persons

    signatures = [read_signature(file) for file in signature]
    with opened_database() as database:
        released = backup.release(database, signatures, read_persons(persons))
    content = msgspec.to_builtins(released)
    return Reply(content, [f"Epoch {released.epoch} is released by {signatures[0].person} and {signatures[1].person}."])


@app.command(epilog=example("kanjo backup epochs"))
def epochs() -> Reply:
    """List the lives of this ledger: the first, and each restore with who released it."""
    from kanjo import backup

    with opened_database() as database:
        found = backup.epochs(database)
    rows = [
        [
            str(one.epoch),
            one.began_at.isoformat(),
            one.restored_to.isoformat() if one.restored_to else "",
            "open" if one.released_at else "shut",
            ", ".join(signed["person"] for signed in one.signatures or ()),
        ]
        for one in found
    ]
    return Reply(
        {"epochs": msgspec.to_builtins(found)}, [Table(["epoch", "began", "restored to", "doors", "released by"], rows)]
    )


@app.command(epilog=example("kanjo backup end --store /var/backups/kanjo"))
def end(store: StoreOption) -> Reply:
    """Let the server keep no more log for this store. What is in the store can still be restored."""
    from kanjo import backup

    with opened_database() as database:
        backup.end(database, _store(store))
    return Reply({"ended": str(store)}, [f"The server keeps no log for {store} any more."])


def _store(folder: Path) -> Store:
    from kanjo.backup import Store

    return Store(folder.expanduser().resolve())


def _shown(backup: Backup) -> Mapping[str, object]:
    return {
        "id": backup.id,
        "on top of": backup.parent or "(full)",
        "ended": backup.ended_at.isoformat(),
        "business date": str(backup.business_date or ""),
        "epoch": str(backup.epoch),
        "bytes": backup.bytes,
        "log": f"{backup.start_lsn} to {backup.end_lsn}",
    }
