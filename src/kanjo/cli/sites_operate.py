"""`kanjo sites appoint`, `promote`, `fence`, `switchover`, `detach`, `attach`, `rejoin`: plans of two persons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from kanjo.cli.arguments import example
from kanjo.cli.printing import say
from kanjo.cli.reply import Facts, Reply, Table
from kanjo.cli.signing import read_signature, signature_of
from kanjo.errors import SystemFailed, WrongUsage

if TYPE_CHECKING:
    from kanjo.sites.operate.desk import Desk
    from kanjo.sites.operate.plan import Command, Plan, Step
    from kanjo.sites.person import Signature

app = typer.Typer()

DeskOption = Annotated[
    Path | None,
    typer.Option(
        "--desk",
        metavar="FILE.json",
        help="The administrator's terminal (docs/reference/desk.md); that of the lab under KANJO_HOME if not given.",
    ),
]
SiteArgument = Annotated[str, typer.Argument(metavar="SITE")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; the register keeps it.")]
PlanOnlyOption = Annotated[
    bool, typer.Option("--plan-only", metavar="", help="Show the plan and the digest to sign; do nothing.")
]
SignOption = Annotated[
    list[str] | None,
    typer.Option("--sign", metavar="PERSON=KEYFILE", help="Sign here, with a private key; two persons must sign."),
]
SignatureOption = Annotated[
    list[Path] | None,
    typer.Option("--signature", metavar="FILE", help="A signature from elsewhere, made by `kanjo sites sign`."),
]
AcceptLossOption = Annotated[
    bool,
    typer.Option(
        "--accept-loss", metavar="", help="Answered transactions may be missing afterwards, and both persons know."
    ),
]


@app.command(epilog=example("kanjo sites appoint a --reason 'bring-up' --sign taro=t.key --sign hanako=h.key"))
def appoint(
    site: SiteArgument,
    reason: ReasonOption,
    sign: SignOption = None,
    signature: SignatureOption = None,
    plan_only: PlanOnlyOption = False,
    desk: DeskOption = None,
) -> Reply:
    """Let SITE be the first that serves, alone, before anything of it runs: once in a register's life."""
    return _command("appoint", site, reason, sign, signature, plan_only, desk)


@app.command(epilog=example("kanjo sites promote b --reason 'cloud A is lost' --sign taro=t.key --sign hanako=h.key"))
def promote(
    site: SiteArgument,
    reason: ReasonOption,
    sign: SignOption = None,
    signature: SignatureOption = None,
    plan_only: PlanOnlyOption = False,
    accept_loss: AcceptLossOption = False,
    desk: DeskOption = None,
) -> Reply:
    """Let SITE serve alone, the other one being lost: fence it, then promote. Refused if answers could be missing."""
    return _command("promote", site, reason, sign, signature, plan_only, desk, accept_loss=accept_loss)


@app.command(epilog=example("kanjo sites fence a --reason 'cloud A misbehaves' --plan-only"))
def fence(
    site: SiteArgument,
    reason: ReasonOption,
    sign: SignOption = None,
    signature: SignatureOption = None,
    plan_only: PlanOnlyOption = False,
    accept_loss: AcceptLossOption = False,
    desk: DeskOption = None,
) -> Reply:
    """Shut SITE out: the register names the other one, and the link is cut. `promote` then goes on from there."""
    return _command("fence", site, reason, sign, signature, plan_only, desk, accept_loss=accept_loss)


@app.command(epilog=example("kanjo sites switchover --to b --reason 'maintenance' --plan-only"))
def switchover(
    to: Annotated[str, typer.Option("--to", metavar="SITE", help="The site that shall serve.")],
    reason: ReasonOption,
    sign: SignOption = None,
    signature: SignatureOption = None,
    plan_only: PlanOnlyOption = False,
    desk: DeskOption = None,
) -> Reply:
    """Move the bank to the other site while both are well; the other one follows it afterwards."""
    return _command("switchover", to, reason, sign, signature, plan_only, desk)


@app.command(epilog=example("kanjo sites detach a --reason 'cloud B does not answer' --plan-only"))
def detach(
    site: SiteArgument,
    reason: ReasonOption,
    sign: SignOption = None,
    signature: SignatureOption = None,
    plan_only: PlanOnlyOption = False,
    desk: DeskOption = None,
) -> Reply:
    """Let SITE, which serves, answer without the other one. Never automatic; refused at a site that is fenced."""
    return _command("detach", site, reason, sign, signature, plan_only, desk)


@app.command(epilog=example("kanjo sites attach a --reason 'cloud B is back' --plan-only"))
def attach(
    site: SiteArgument,
    reason: ReasonOption,
    sign: SignOption = None,
    signature: SignatureOption = None,
    plan_only: PlanOnlyOption = False,
    desk: DeskOption = None,
) -> Reply:
    """Let answers of SITE, which serves, wait for the other one again."""
    return _command("attach", site, reason, sign, signature, plan_only, desk)


@app.command(epilog=example("kanjo sites rejoin a --reason 'cloud A is back' --plan-only"))
def rejoin(
    site: SiteArgument,
    reason: ReasonOption,
    sign: SignOption = None,
    signature: SignatureOption = None,
    plan_only: PlanOnlyOption = False,
    desk: DeskOption = None,
) -> Reply:
    """Bring SITE back as the standby of the one that serves, then let answers wait for it."""
    return _command("rejoin", site, reason, sign, signature, plan_only, desk)


def desk_of(file: Path | None) -> Desk:
    """The desk that was named, or the lab's."""
    from kanjo.sites.operate.desk import read_desk

    if file is not None:
        return read_desk(file)
    from kanjo.sites.lab import Lab, choose

    return Lab(choose(None)).desk()


def _command(
    command: Command,
    site: str,
    reason: str,
    sign: list[str] | None,
    files: list[Path] | None,
    plan_only: bool,
    desk_file: Path | None,
    *,
    accept_loss: bool = False,
) -> Reply:
    from kanjo.sites.operate.perform import name_of, perform, planned
    from kanjo.sites.register.entry import digest_of_change

    desk = desk_of(desk_file)
    plan = planned(desk, command, site, reason, accepts_loss=accept_loss)
    digest = None if plan.change is None else digest_of_change(plan.change)
    content = {"plan": msgspec.to_builtins(plan), "plan_digest": plan.digest, "digest_to_sign": digest}
    if plan_only:
        return Reply(content | {"done": False}, [Table(["", "step", "at"], _rows(plan)), _facts(plan, digest)])
    for number, step, where in _rows(plan):
        say(f"{number:>2}. {step}{where and f' ({where})'}")
    signatures = [*_signed_here(sign or [], digest), *(read_signature(file) for file in files or [])]
    lines: list[dict[str, str]] = []

    def tell(step: Step, how: str) -> None:
        name, where = name_of(step), getattr(step, "site", "")
        lines.append({"step": name, "site": where, "how": how})
        say(f"{name}{where and f' {where}'}: {how}")

    def waits(step: Step, line: str) -> None:
        name, where = name_of(step), getattr(step, "site", "")
        say(f"{name}{where and f' {where}'}: {line}")

    try:
        perform(desk, plan, signatures, tell, waits)
    except (KeyboardInterrupt, SystemFailed):
        say("Give the same command with the same reason again: it goes on where it was interrupted.")
        raise
    state = desk.register.read()
    shown = {"serving": state.site, "epoch": str(state.epoch), "mode": state.mode}
    return Reply(content | {"done": True, "steps": lines, "register": msgspec.to_builtins(state)}, [Facts(shown)])


def _rows(plan: Plan) -> list[list[str]]:
    from kanjo.sites.operate.perform import name_of

    steps = enumerate(plan.steps, 1)
    return [[str(number), f"{name_of(step)}: {step.__doc__}", getattr(step, "site", "")] for number, step in steps]


def _facts(plan: Plan, digest: str | None) -> Facts:
    told = digest or "nothing: two persons entered this already"
    return Facts({"decided on epoch": str(plan.expected_epoch), "reason": plan.reason, "digest to sign": told})


def _signed_here(pairs: list[str], digest: str | None) -> list[Signature]:
    found = []
    for pair in pairs:
        person, equals, file = pair.partition("=")
        if not equals:
            raise WrongUsage("wrong-usage", f"--sign takes PERSON=KEYFILE, not {pair!r}.")
        if digest is not None:
            found.append(signature_of(person, Path(file), digest))
    return found
