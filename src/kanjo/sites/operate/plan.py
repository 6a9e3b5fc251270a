"""The operators' commands as plans: what is entered into the register, and the steps that carry it out. Pure.

A plan follows from the command, the reason and the register's epoch alone, so that each of the two persons can make it
on a terminal of one's own, compare the digest, and sign it. What two persons sign is the change of the register, which
bears the plan's digest; the register keeps both signatures.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from kanjo.errors import Refused
from kanjo.sites.operate.standing import NodeStanding, SiteStanding, Standing
from kanjo.sites.person import digest_of
from kanjo.sites.register.state import AnyChange, Appoint, Attach, Detach
from kanjo.sites.topology import Mode, Topology

Command: TypeAlias = Literal["appoint", "promote", "fence", "switchover", "detach", "attach", "rejoin"]
SWITCH_LAG_BYTES_MAX = 64 << 20
"""A planned move waits for the log that is under way; more than this is no state to begin from."""


class Enter(msgspec.Struct, frozen=True, tag="enter"):
    """Enter the change into the register, with both signatures: the decision, kept apart from both sites."""


class Cut(msgspec.Struct, frozen=True, tag="cut"):
    """Cut the link at this site's end (R5)."""

    site: str


class Heal(msgspec.Struct, frozen=True, tag="heal"):
    """Open both ends of the link."""


class SetPolicy(msgspec.Struct, frozen=True, tag="set-policy"):
    """Whether answers of this site wait for the other one."""

    site: str
    mode: Mode


class AwaitAnswers(msgspec.Struct, frozen=True, tag="await-answers"):
    """Wait until a node and the quorum of this site answer."""

    site: str


class Demote(msgspec.Struct, frozen=True, tag="demote"):
    """Make this site a standby of the other one, through its end of the link."""

    site: str


class AwaitStopped(msgspec.Struct, frozen=True, tag="await-stopped"):
    """Wait until no node of this site takes writes."""

    site: str


class Promote(msgspec.Struct, frozen=True, tag="promote"):
    """Make this site's leader the primary; its gate asks the register, and fetches what it lacks, before."""

    site: str


class AwaitWrites(msgspec.Struct, frozen=True, tag="await-writes"):
    """Wait until this site takes writes."""

    site: str


class AwaitFollows(msgspec.Struct, frozen=True, tag="await-follows"):
    """Wait until a node of the other site streams from this one."""

    site: str


class AwaitInStep(msgspec.Struct, frozen=True, tag="await-in-step"):
    """Wait until a commit at this site waits for, and gets, a node of the other site."""

    site: str


class Bar(msgspec.Struct, frozen=True, tag="bar"):
    """At this site, bar the other site's replication role from login."""

    site: str


class Admit(msgspec.Struct, frozen=True, tag="admit"):
    """At this site, let the other site's replication role log in again."""

    site: str


Step: TypeAlias = (
    Enter
    | Cut
    | Heal
    | SetPolicy
    | AwaitAnswers
    | Demote
    | AwaitStopped
    | Promote
    | AwaitWrites
    | AwaitFollows
    | AwaitInStep
    | Bar
    | Admit
)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What will be done, and on which state of the register it was decided."""

    command: Command
    site: str
    reason: str
    expected_epoch: int
    accepts_loss: bool
    steps: tuple[Step, ...]

    @property
    def digest(self) -> str:
        """The plan's digest, which the register keeps."""
        return digest_of(msgspec.json.encode(self))

    @property
    def change(self) -> AnyChange | None:
        """What two persons sign and the register enters; None for a plan that carries out what it has entered."""
        if Enter() not in self.steps:
            return None
        epoch, reason, plan = self.expected_epoch, self.reason, self.digest
        match self.command:
            case "appoint" | "promote" | "fence":
                return Appoint(
                    site=self.site,
                    mode="detached",
                    accepts_loss=self.accepts_loss,
                    expected_epoch=epoch,
                    reason=reason,
                    plan=plan,
                )
            case "switchover":
                return Appoint(site=self.site, mode="required", expected_epoch=epoch, reason=reason, plan=plan)
            case "detach":
                return Detach(site=self.site, expected_epoch=epoch, reason=reason, plan=plan)
            case "attach" | "rejoin":
                return Attach(site=self.site, expected_epoch=epoch, reason=reason, plan=plan)


def steps(command: Command, site: str, other: str) -> tuple[Step, ...]:
    """The steps; `site` is the one that serves afterwards.

    The register comes first where the order takes a promise away, and last where it gives one: whoever is interrupted
    in between finds a register that promises too little, never too much. A cut comes after the signatures, for a link
    cut without consent stops the bank.
    """
    fence: tuple[Step, ...] = (Enter(), Cut(site))
    match command:
        case "appoint":
            return (Enter(),)
        case "fence":
            return fence
        case "promote":
            return (*fence, SetPolicy(site, "detached"), Promote(site), AwaitWrites(site), Bar(site))
        case "switchover":
            there: tuple[Step, ...] = (AwaitStopped(other), Promote(site), AwaitWrites(site), AwaitInStep(site))
            return (Enter(), SetPolicy(site, "required"), Demote(other), *there)
        case "detach":
            return (Enter(), SetPolicy(site, "detached"))
        case "attach":
            return (AwaitFollows(site), SetPolicy(site, "required"), AwaitInStep(site), Enter())
        case "rejoin":
            joined: tuple[Step, ...] = (AwaitFollows(site), SetPolicy(site, "required"), AwaitInStep(site), Enter())
            return (AwaitAnswers(other), Demote(other), Admit(site), Heal(), *joined)


def plan(
    command: Command, site: str, reason: str, topology: Topology, found: Standing, *, accepts_loss: bool = False
) -> Plan:
    """The plan of a command; `site` is the one named on the command line.

    Refused: `register-unreachable`, `site-unknown`, `reason-missing`, and what `_why_not` says.
    """
    if site not in {one.name for one in topology.sites}:
        raise Refused("site-unknown", f"There is no site {site}.", site=site)
    if not reason.strip():
        raise Refused("reason-missing", "Say why: the register keeps the reason (R9).")
    if found.register is None:
        raise Refused("register-silent", "The register does not answer; without it nothing is decided.")
    made_plan = made(command, site, reason, topology, found.register.epoch, accepts_loss=accepts_loss)
    if command == "promote" and found.register.site == site:
        lacks = next(one.may_lack for one in found.sites if one.name == site)
        if found.register.mode == "required" or not lacks:
            # two persons entered this already, by a fence or a move that was interrupted: it is carried out
            return _without_entering(made_plan, found.register.mode)
        if not accepts_loss:
            raise may_lose_answers(site, lacks)
        return made_plan
    why = _why_not(command, made_plan.site, found, accepts_loss=accepts_loss)
    if why is not None:
        raise why
    return made_plan


def made(
    command: Command, site: str, reason: str, topology: Topology, expected_epoch: int, *, accepts_loss: bool
) -> Plan:
    """The plan that follows from a command and an epoch, whether it may begin or not."""
    serves = topology.other(site).name if command in ("fence", "rejoin") else site
    return Plan(
        command=command,
        site=serves,
        reason=reason,
        expected_epoch=expected_epoch,
        accepts_loss=accepts_loss,
        steps=steps(command, serves, topology.other(serves).name),
    )


def _without_entering(whole: Plan, mode: Mode) -> Plan:
    """What is left when the register names the site; its mode stays as it was entered."""
    decided = (Enter,) if mode == "detached" else (Enter, SetPolicy, Cut, Bar)
    left = tuple(step for step in whole.steps if not isinstance(step, decided))
    return msgspec.structs.replace(whole, steps=left)


def _why_not(command: Command, site: str, found: Standing, *, accepts_loss: bool) -> Refused | None:
    """Why a command may not begin now. The register refuses once more what its own rules forbid."""
    register = found.register
    assert register is not None
    serving = register.site == site
    other = next(one for one in found.sites if one.name != site)
    lacks = next(one.may_lack for one in found.sites if one.name == site)
    match command:
        case "appoint" if register.epoch:
            return Refused(
                "already-so",
                f"Site {register.site} was appointed before: the bank is moved by switchover or promote.",
                site=register.site,
            )
        case "promote" | "fence" | "switchover" if serving:
            return Refused("already-so", f"The register names site {site} already.", site=site)
        case "detach" | "attach" | "rejoin" if not serving:
            return Refused(
                "site-fenced",
                f"The register names {register.site or 'no site'}, not {site}: an order to {site} could answer waiting "
                "transactions that are lost later.",
                site=site,
                serving=register.site,
            )
        case "promote" | "fence" if accepts_loss and other.writes and other.mode == "detached":
            return Refused(
                "site-writes",
                f"{other.leader} of site {other.name} answers alone, behind any cut: stop that node first.",
            )
        case "promote" | "fence" if accepts_loss:
            return None
        case "promote" | "fence" if register.mode == "detached":
            return Refused(
                "may-lose-answers",
                f"Site {other.name} answers alone since epoch {register.epoch} or before, so site {site} may lack what "
                "was answered. Attach it first; if it is lost, accept the loss with --accept-loss.",
            )
        case "promote" | "fence" if lacks:
            return may_lose_answers(site, lacks)
        case "switchover":
            return _why_not_switch(site, other, found)
        case "rejoin" if other.writes:
            return Refused(
                "site-writes", f"{other.leader} of site {other.name} takes writes still: stop that node first."
            )
    return None


def may_lose_answers(site: str, lacks: str) -> Refused:
    """To be said before a site takes over of which one node, that is not its leader, may have more."""
    return Refused(
        "may-lose-answers",
        f"Site {site} may lack what was answered: {lacks}. Start every node of it with its data, and see that the one "
        "with most leads. If data is lost, accept the loss with --accept-loss.",
        site=site,
    )


def _why_not_switch(site: str, other: SiteStanding, found: Standing) -> Refused | None:
    assert found.register is not None
    nodes = [node for node in found.nodes if node.site == site]
    leads = [node for node in nodes if node.role == "standby-leader"]
    if found.register.mode != "required" or other.mode != "required":
        return Refused("not-required", "A planned move begins from mode required: attach first.")
    if not any(node.in_step for node in nodes):
        return Refused("not-in-step", f"No node of site {site} is in step: see `kanjo sites status`.", site=site)
    if silent := [node.name for node in found.nodes if node.role == "silent"]:
        return Refused("node-silent", f"{', '.join(silent)} does not answer: a planned move begins with every node.")
    if not leads or _behind(leads[0]) > SWITCH_LAG_BYTES_MAX:
        return Refused("not-in-step", f"Site {site} is too far behind: see `kanjo sites status`.", site=site)
    return None


def _behind(node: NodeStanding) -> int:
    return SWITCH_LAG_BYTES_MAX + 1 if node.lag_bytes is None else node.lag_bytes
