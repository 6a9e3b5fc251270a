"""Whether a candidate may be promoted: the gate's decision as a function of what it found (multicloud.md 2.1, 4). Pure.

Refusing costs a wait of one `ttl` and is repaired by itself; a wrong promotion loses answered commits. So whatever is
unknown or contradicts itself is refused, and only what may still change is worth asking again.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from kanjo.sites.identity import Identity
from kanjo.sites.names import mode_of
from kanjo.sites.register.state import RegisterState
from kanjo.sites.topology import Mode


class Fork(msgspec.Struct, frozen=True):
    """Where a timeline ended in our own history: what a server has beyond it on that timeline is not ours."""

    timeline: int
    position: int


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate found out. `other` and `own` are None when they did not answer.

    `mode` is the site's own policy as this node knows it; `other_primaries` are nodes of the other site that say they
    are primary, and are asked for only when the register cannot be reached. `forks` are our own server's history.
    `heir` is another node of the site, which alone may be promoted while we are on `heir_timeline` (`policy.py`).
    """

    site: str
    mode: Mode
    register: RegisterState | None
    own: Identity | None
    rule: str | None = None
    other: Identity | None = None
    other_primaries: tuple[str, ...] = ()
    forks: tuple[Fork, ...] = ()
    heir: str = ""
    heir_timeline: int = 0


class Promote(msgspec.Struct, frozen=True, tag="promote"):
    """Nothing answered is missing here, or a record says that the other site does not count."""

    reason: str


class Refuse(msgspec.Struct, frozen=True, tag="refuse"):
    """Not now. `may_change`: it is worth asking again within the gate's time."""

    reason: str
    may_change: bool = False


class CatchUp(msgspec.Struct, frozen=True, tag="catch-up"):
    """The other site has log that is missing here: fetch it up to where `origin` stood, then decide again."""

    origin: Identity


Decision: TypeAlias = Promote | Refuse | CatchUp


def decide(facts: Facts) -> Decision:
    """The gate's decision."""
    return _barred(facts) or _compared(facts)


def asks_other_site(site: str, mode: Mode, register: RegisterState | None) -> bool:
    """Whether the other site's position matters: only when both records say "detached" it does not (R9)."""
    return _barred(Facts(site=site, mode=mode, register=register, own=None)) is None


def _barred(facts: Facts) -> Decision | None:
    """What the register alone decides; None: the other site's position does."""
    register = facts.register
    if register is None:
        if facts.mode != "required":
            return Refuse("register-silent-while-detached", may_change=True)
        if facts.other_primaries:
            return Refuse(f"register-silent-and-{facts.other_primaries[0]}-is-primary", may_change=True)
        return None  # harmless: nothing is answered without the other site
    if register.site != facts.site:
        return Refuse(f"register-names-{register.site or 'nobody'}")
    if register.mode == "detached" and facts.mode == "detached":
        return _inherited(facts)
    return None


def _inherited(facts: Facts) -> Decision:
    """A site that is alone: when it takes over, only the node that has everything; later Patroni's own sync key counts.

    Others do not take the lock (`guard.py`); whoever has it still is refused here.
    """
    if not facts.heir:
        return Promote("detached")
    if facts.own is None:
        return Refuse("own-server-silent", may_change=True)
    if facts.own.timeline > facts.heir_timeline:
        return Promote("detached")
    return Refuse(f"{facts.heir}-has-what-was-answered")


def _compared(facts: Facts) -> Decision:
    """Promote only when everything that the other site has is here too (R7, pitfalls 1 and 20).

    And only a server that will answer nobody as a primary until the launcher has seen the other site come over.
    """
    own, other = facts.own, facts.other
    if own is None or facts.rule is None:
        return Refuse("own-server-silent", may_change=True)
    if mode_of(facts.rule) != "held":
        return Refuse("own-server-would-answer-alone", may_change=True)  # the launcher sees to it in its next loop
    if other is None:
        return Refuse("other-site-silent", may_change=True)
    if other.system != own.system:
        return Refuse("other-site-has-another-database")
    if not other.is_standby:
        return Refuse("other-site-is-primary", may_change=True)  # it is being demoted, or must be
    if other.timeline < own.timeline:
        ends = [fork.position for fork in facts.forks if fork.timeline == other.timeline]
        held = bool(ends) and other.position <= ends[0]
        return Promote("nothing-missing") if held else Refuse("other-site-diverged")
    if other.timeline > own.timeline or other.position > own.position:
        return CatchUp(other)
    return Promote("nothing-missing")
