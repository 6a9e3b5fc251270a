"""The gate's decision: every branch of multicloud.md 2.1 and 4."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanjo.sites.decision import (
    CatchUp,
    Facts,
    Fork,
    Promote,
    Refuse,
    asks_other_site,
    decide,
)
from kanjo.sites.identity import Identity
from kanjo.sites.names import HOLD
from kanjo.sites.register.state import RegisterState

OWN = Identity("7", timeline=5, position=1000, is_standby=True)
OURS = RegisterState("a", 3, "required")
THEIRS = RegisterState("b", 4, "required")
OURS_DETACHED = RegisterState("a", 3, "detached")


def at(timeline: int = 5, position: int = 1000, **fields: Any) -> Identity:
    return Identity(fields.get("system", "7"), timeline, position, fields.get("is_standby", True))


def facts(**fields: Any) -> Facts:
    """A candidate of site a that lacks nothing, but for `fields`."""
    usual: dict[str, Any] = {"site": "a", "mode": "required", "register": OURS, "own": OWN, "rule": HOLD, "other": at()}
    return Facts(**usual | fields)


def alone(**fields: Any) -> Facts:
    """A candidate of a site that is to serve alone, of which a1 has everything."""
    return facts(register=OURS_DETACHED, mode="detached", other=None, heir="a1", heir_timeline=5, **fields)


@pytest.mark.parametrize(
    ("found", "decision"),
    [
        # step 1: the register
        (facts(register=THEIRS), Refuse("register-names-b")),
        (facts(register=THEIRS, mode="detached"), Refuse("register-names-b")),
        (facts(register=RegisterState("b", 4, "detached"), mode="detached"), Refuse("register-names-b")),
        (facts(register=None, mode="detached"), Refuse("register-silent-while-detached", may_change=True)),
        (facts(register=None, other_primaries=("b1",)), Refuse("register-silent-and-b1-is-primary", may_change=True)),
        (facts(register=None), Promote("nothing-missing")),
        (facts(register=None, other=None), Refuse("other-site-silent", may_change=True)),
        (facts(register=None, other=at(position=1001)), CatchUp(at(position=1001))),
        # detached: both records say so, and then nothing else matters
        (facts(register=OURS_DETACHED, mode="detached", other=None, own=None), Promote("detached")),
        (facts(register=OURS_DETACHED, mode="detached", other=at(position=9999)), Promote("detached")),
        # detached, and another node has what was answered: nobody else ends the timeline on which that was found
        (alone(own=None), Refuse("own-server-silent", may_change=True)),
        (alone(), Refuse("a1-has-what-was-answered")),
        (alone(own=at(timeline=6)), Promote("detached")),
        (facts(heir="a1", heir_timeline=5), Promote("nothing-missing")),
        # the records contradict each other: the other site counts
        (facts(register=OURS_DETACHED, other=None), Refuse("other-site-silent", may_change=True)),
        (facts(mode="detached", other=None), Refuse("other-site-silent", may_change=True)),
        (facts(register=OURS_DETACHED), Promote("nothing-missing")),
        # step 2: the other site's leader
        (facts(own=None), Refuse("own-server-silent", may_change=True)),
        (facts(rule=None), Refuse("own-server-silent", may_change=True)),
        (facts(rule=""), Refuse("own-server-would-answer-alone", may_change=True)),
        (facts(rule="a3"), Refuse("own-server-would-answer-alone", may_change=True)),
        (facts(rule="FIRST 2 (a3,b1,b2)"), Refuse("own-server-would-answer-alone", may_change=True)),
        (facts(rule="FIRST 2 (a3,remote_unverified)"), Promote("nothing-missing")),
        (facts(other=None), Refuse("other-site-silent", may_change=True)),
        (facts(other=at(system="8")), Refuse("other-site-has-another-database")),
        (facts(other=at(is_standby=False)), Refuse("other-site-is-primary", may_change=True)),
        # step 3: positions
        (facts(), Promote("nothing-missing")),
        (facts(other=at(position=999)), Promote("nothing-missing")),
        (facts(other=at(position=1001)), CatchUp(at(position=1001))),
        (facts(other=at(timeline=6)), CatchUp(at(timeline=6))),
        (facts(other=at(timeline=6, position=10)), CatchUp(at(timeline=6, position=10))),
        # an older timeline: only what lies before its end is ours too
        (facts(other=at(timeline=4, position=800), forks=(Fork(4, 800),)), Promote("nothing-missing")),
        (facts(other=at(timeline=4, position=801), forks=(Fork(4, 800),)), Refuse("other-site-diverged")),
        (facts(other=at(timeline=3, position=700), forks=(Fork(3, 700), Fork(4, 800))), Promote("nothing-missing")),
        (facts(other=at(timeline=3, position=750), forks=(Fork(3, 700), Fork(4, 800))), Refuse("other-site-diverged")),
        (facts(other=at(timeline=4, position=10)), Refuse("other-site-diverged")),
    ],
)
def test_a_decision(found: Facts, decision: object) -> None:
    """One branch each."""
    assert decide(found) == decision


@pytest.mark.parametrize(
    ("mode", "register", "asks"),
    [
        ("required", OURS, True),
        ("required", OURS_DETACHED, True),
        ("detached", OURS, True),
        ("detached", OURS_DETACHED, False),
        ("required", THEIRS, False),
        ("required", None, True),
        ("detached", None, False),
    ],
)
def test_the_other_site_is_asked_only_when_it_matters(mode: Any, register: RegisterState | None, asks: bool) -> None:
    """A lost cloud is not waited for."""
    assert asks_other_site("a", mode, register) is asks


IDENTITIES = st.builds(
    Identity, st.sampled_from(["7", "8"]), st.integers(1, 4), st.integers(0, 6), is_standby=st.booleans()
)
REGISTERS = st.none() | st.builds(
    RegisterState, st.sampled_from(["a", "b"]), st.integers(1, 9), st.sampled_from(["required", "detached"])
)
FACTS = st.builds(
    Facts,
    site=st.just("a"),
    mode=st.sampled_from(["required", "detached"]),
    register=REGISTERS,
    own=st.none() | IDENTITIES,
    rule=st.sampled_from([None, "", "a3", "FIRST 2 (a3,b1,b2)", HOLD]),
    other=st.none() | IDENTITIES,
    other_primaries=st.sampled_from([(), ("b1",)]),
    forks=st.lists(st.builds(Fork, st.integers(1, 4), st.integers(0, 6)), max_size=3).map(tuple),
    heir=st.sampled_from(["", "a1"]),
    heir_timeline=st.integers(1, 4),
)


@given(FACTS)
def test_law_4_a_promotion_misses_nothing(found: Facts) -> None:
    """Whatever the facts: promoted only if no record forbids it, and the other site is excused or has nothing more."""
    decision = decide(found)

    if isinstance(decision, Promote):
        register = found.register
        assert register is None or register.site == found.site
        if decision.reason == "detached":
            assert register is not None and register.mode == found.mode == "detached"
            assert not found.heir or (found.own is not None and found.own.timeline > found.heir_timeline)
        else:
            own, other = found.own, found.other
            assert found.rule == HOLD
            assert own is not None and other is not None and other.is_standby and own.system == other.system
            assert other.timeline <= own.timeline
            ends = [fork.position for fork in found.forks if fork.timeline == other.timeline]
            assert other.position <= (own.position if other.timeline == own.timeline else ends[0])
    if isinstance(decision, CatchUp):
        assert decision.origin == found.other
