"""`kanjo sites person`, `sign`, `certificates`: what people and machines show each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from kanjo.cli.arguments import example
from kanjo.cli.reply import Facts, Reply, Table
from kanjo.cli.signing import new_passphrase, signature_of
from kanjo.cli.sites_topology import TopologyOption, sound

app = typer.Typer()


@app.command(epilog=example("kanjo sites person taro --into keys"))
def person(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits, '.', '_', '-'.")],
    into: Annotated[
        Path, typer.Option("--into", metavar="DIR", file_okay=False, help="A folder of that person alone.")
    ],
) -> Reply:
    """Make a person's key for signing: NAME.key, sealed with a passphrase asked at the terminal, and NAME.pub.

    The first never leaves its owner; the second goes into the `persons` folders of the register and of each desk.
    """
    from kanjo.sites.person import make_person

    key = make_person(into, name, new_passphrase(name))
    made = {"person": name, "key": str(key), "public": str(key.with_suffix(".pub"))}
    return Reply(made, [Facts({"kept by its owner": made["key"], "for the folders `persons`": made["public"]})])


@app.command(epilog=example("kanjo sites certificates --topology sites.toml --authority authority --out installed"))
def certificates(
    topology: TopologyOption,
    authority: Annotated[
        Path,
        typer.Option("--authority", metavar="DIR", file_okay=False, help="The authority's folder; made if missing."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", file_okay=False, help="As of `kanjo sites render`.")],
) -> Reply:
    """Give each node, each end of the link, the register and the operator a key and a certificate, valid for 825 days.

    What is there already is kept: to renew one, delete its two files first.
    """
    from kanjo.centercut import REAL_CLOCK
    from kanjo.sites.certificates import issue_all

    found = issue_all(sound(topology), authority, out, now=REAL_CLOCK.now())
    rows: list[list[object]] = [
        [one.party, str(one.certificate), f"{one.until:%Y-%m-%d}", "new" if one.is_new else "kept"] for one in found
    ]
    content = {"authority": str(authority), "certificates": msgspec.to_builtins(found, enc_hook=str)}
    return Reply(content, [Table(["party", "certificate, and its key beside it", "until", ""], rows)])


@app.command(epilog=example("kanjo sites sign DIGEST --person taro --key taro.key"))
def sign(
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="As `--plan-only` shows it.")],
    person: Annotated[str, typer.Option("--person", metavar="NAME")],
    key: Annotated[Path, typer.Option("--key", metavar="FILE", dir_okay=False)],
) -> Reply:
    """Agree to a plan that was shown on your own terminal: print your signature of its digest."""
    signature = msgspec.to_builtins(signature_of(person, key, digest))
    return Reply(signature, [msgspec.json.encode(signature).decode()])
