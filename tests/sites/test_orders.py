"""Which command may begin when, what it enters and in which order it goes."""

from __future__ import annotations

import msgspec
import pytest
from test_standing import following, register, site_a, site_b

from kanjo.errors import Refused
from kanjo.sites import Topology
from kanjo.sites.operate.plan import AwaitInStep, Command, Cut, Enter, Heal, Plan, Promote, SetPolicy, plan, steps
from kanjo.sites.operate.standing import LeaderFacts, NodeFacts, RegisterFacts, SiteFacts, Standing, standing
from kanjo.sites.register.state import Appoint

COMMANDS: tuple[Command, ...] = ("appoint", "promote", "fence", "switchover", "detach", "attach", "rejoin")
WELL = standing(register(), (site_a(following("b1")), site_b()))


def found(record: RegisterFacts | None, *sites: SiteFacts) -> Standing:
    return standing(record, sites)


def refusal(command: Command, site: str, topology: Topology, now: Standing) -> str:
    with pytest.raises(Refused) as refused:
        plan(command, site, "why", topology, now)
    return refused.value.code


def planned(command: Command, site: str, topology: Topology, now: Standing = WELL) -> Plan:
    return plan(command, site, "why", topology, now)


def test_two_terminals_make_the_same_plan_and_another_reason_another(example: Topology) -> None:
    """So that what was shown there and is done here has one digest, which the change bears."""
    one, two = planned("switchover", "b", example), planned("switchover", "b", example)

    assert one.digest == two.digest
    assert one.change == Appoint(site="b", mode="required", expected_epoch=4, reason="why", plan=one.digest)
    assert plan("switchover", "b", "another", example, WELL).digest != one.digest


def test_a_site_is_appointed_once_and_serves_alone(example: Topology) -> None:
    """Before anything runs: nobody answers but the register. Later the bank is moved, and not appointed."""
    nobody = SiteFacts(name="a", nodes=()), SiteFacts(name="b", nodes=())
    empty = RegisterFacts(site=None, epoch=0, mode="required", reason="", by=(), at="")

    first = planned("appoint", "a", example, found(empty, *nobody))

    assert first.change == Appoint(site="a", mode="detached", expected_epoch=0, reason="why", plan=first.digest)
    assert first.steps == (Enter(),)
    assert refusal("appoint", "b", example, WELL) == "already-so"


@pytest.mark.parametrize("named", ["a", "b"])
def test_a_site_whose_new_leader_may_lack_answers_is_promoted_only_expressly(example: Topology, named: str) -> None:
    """Its leader was lost with a: also after a fence, and then two persons sign once more."""
    b = site_b(leader="b2", nodes=(NodeFacts(name="b1"), NodeFacts(name="b2", told={"xlog": {}})))
    now = found(register("required" if named == "a" else "detached", named), site_a(), b)

    with pytest.raises(Refused, match="b1 does not answer") as refused:
        plan("promote", "b", "why", example, now)
    assert refused.value.code == "may-lose-answers"
    accepted = plan("promote", "b", "why", example, now, accepts_loss=True)
    assert isinstance(accepted.change, Appoint) and accepted.change.accepts_loss
    if named == "a":
        assert refusal("fence", "a", example, now) == "may-lose-answers"


@pytest.mark.parametrize("command", ["promote", "fence", "switchover", "detach"])
def test_a_promise_is_taken_away_in_the_register_first(command: Command) -> None:
    """Before anything else: an interrupted command leaves a register that promises too little."""
    assert steps(command, "b", "a")[0] == Enter()


@pytest.mark.parametrize("command", ["attach", "rejoin"])
def test_a_promise_is_given_in_the_register_last(command: Command) -> None:
    """Only when both sites are in step."""
    assert steps(command, "b", "a")[-2:] == (AwaitInStep("b"), Enter())


def test_a_site_is_promoted_only_behind_a_cut_link() -> None:
    """R5: what the lost site may still answer must not reach the new primary, nor the other way round."""
    order = steps("promote", "b", "a")

    assert order.index(Cut("b")) < order.index(SetPolicy("b", "detached")) < order.index(Promote("b"))
    assert not any(isinstance(step, Heal) for step in order)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_step_touches_the_policy_of_the_site_that_does_not_serve(command: Command) -> None:
    """Pitfall 4: it would release commits that the serving site does not have."""
    assert not [step for step in steps(command, "b", "a") if isinstance(step, SetPolicy) and step.site == "a"]


def test_what_may_not_begin(example: Topology) -> None:
    """By the register, by the other site's standing, and without a reason."""
    detached = found(register("detached"), site_a(following("b1"), mode="detached"), site_b())

    assert refusal("switchover", "a", example, WELL) == "already-so"
    assert refusal("fence", "b", example, WELL) == "already-so"
    assert refusal("detach", "b", example, WELL) == "site-fenced"
    assert refusal("attach", "b", example, WELL) == "site-fenced"
    assert refusal("rejoin", "a", example, WELL) == "site-fenced"
    assert refusal("promote", "b", example, detached) == "may-lose-answers"
    assert refusal("switchover", "b", example, detached) == "not-required"
    assert refusal("switchover", "b", example, found(register(), site_a(), site_b())) == "not-in-step"
    assert refusal("detach", "c", example, WELL) == "site-unknown"
    assert refusal("detach", "a", example, found(None, site_a(), site_b())) == "register-silent"
    with pytest.raises(Refused, match="Say why"):
        plan("detach", "a", " ", example, WELL)


def test_a_site_that_takes_writes_does_not_rejoin(example: Topology) -> None:
    """It must be stopped first: what it answers nobody else has."""
    alone = site_b(mode="detached", database=LeaderFacts(writes=True, position=1000))

    assert refusal("rejoin", "a", example, found(register("detached", "b"), site_a(), alone)) == "site-writes"


def test_loss_is_accepted_expressly(example: Topology) -> None:
    """And stands in the change that both persons sign."""
    lost = found(register("detached"), SiteFacts(name="a", nodes=()), site_b())

    change = plan("promote", "b", "why", example, lost, accepts_loss=True).change

    assert isinstance(change, Appoint) and change.accepts_loss


@pytest.mark.parametrize("command", ["promote", "fence"])
def test_who_answers_alone_is_stopped_before_another_site_takes_over(example: Topology, command: Command) -> None:
    """No cut and no register holds back a primary that waits for nobody: both sites would answer."""
    alone = found(register("detached"), site_a(mode="detached"), site_b())
    waits = found(register("detached"), site_a(mode="required"), site_b())
    site = "b" if command == "promote" else "a"

    with pytest.raises(Refused, match="a1 of site a answers alone") as refused:
        plan(command, site, "why", example, alone, accepts_loss=True)
    assert refused.value.code == "site-writes"
    assert plan(command, site, "why", example, waits, accepts_loss=True).change is not None


def test_promote_after_a_fence_carries_out_what_two_persons_entered(example: Topology) -> None:
    """Nothing is left to sign; after an interrupted planned move the policy stays required."""
    fenced = planned("promote", "b", example, found(register("detached", "b"), site_a(), site_b(mode="detached")))
    moved = planned("promote", "b", example, found(register("required", "b"), site_a(), site_b()))

    assert fenced.change is None and fenced.steps == steps("promote", "b", "a")[1:]
    assert moved.change is None and not any(isinstance(step, SetPolicy | Cut) for step in moved.steps)
    assert msgspec.to_builtins(fenced)["site"] == "b"
