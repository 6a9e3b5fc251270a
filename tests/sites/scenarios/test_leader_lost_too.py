"""The serving cloud is lost, and with it the one node of the other that every answer waited for (pitfall 15)."""

from __future__ import annotations

import pytest
from bank import Customers
from runbook import Runbook
from waiting import wait_until

from kanjo.errors import Refused
from kanjo.sites.operate.perform import perform, planned
from kanjo.sites.operate.plan import SetPolicy, Step

pytestmark = [pytest.mark.sites, pytest.mark.long, pytest.mark.xdist_group("sites-lab")]


def _why_not(runbook: Runbook) -> str:
    """Why b may not be promoted; "" when it may."""
    try:
        runbook.plan("promote", "b", "cloud a is lost")
    except Refused as refused:
        return f"{refused.code}: {refused.message}"
    return ""


def _lost_with_b1(runbook: Runbook, customers: Customers) -> None:
    """b2 stands still while customers are answered; then a and b1 are lost, and b2 leads b."""
    assert runbook.leader("b") == "b1"
    runbook.lab.freeze(["b2"])
    wait_until(lambda: runbook.said("b1", "terminating walsender process due to replication"), "b2 is behind")
    customers.wait_for_more(50)
    runbook.lab.kill(["a", "b1"])
    runbook.lab.thaw(["b2"])
    wait_until(lambda: runbook.leader("b") == "b2", "b2 leads b")


def test_b1_and_a_are_lost_together_and_b2_alone_is_not_promoted(runbook: Runbook) -> None:
    """b2 lacks what b1 has: status and refusal say so. b1 comes back, has more, leads; then b serves, nothing lost."""
    with runbook.bank.at_work(items_per_s=20) as customers:
        _lost_with_b1(runbook, customers)
        assert not runbook.look().loss.nothing and "b1 does not answer" in runbook.look().loss.why
        why = _why_not(runbook)
        assert why.startswith("may-lose-answers") and "b1 does not answer, and may have answers that b2 has not" in why
        assert runbook.serves() == ("a", "required")

        runbook.lab.start(["b1"])
        wait_until(lambda: "bytes of log that b2, which leads, has not" in _why_not(runbook), "b1 has more")
        runbook.lab.kill(["b2"])
        wait_until(lambda: runbook.leader("b") == "b1", "b1 leads b")
        runbook.lab.start(["b2"])
        wait_until(lambda: not _why_not(runbook), "b2 follows b1")

        runbook.order("promote", "b", "cloud a is lost")
        customers.wait_for_more(20)
        assert runbook.serves() == ("b", "detached") and runbook.leader("b") == "b1"
        assert runbook.bank.lost(customers, "b") == set()


def test_what_was_lost_with_b1_for_good_is_accepted_by_two_persons(runbook: Runbook) -> None:
    """b2 serves then, without the latest answers: it was not refused for nothing."""
    customers = runbook.bank.customers("unlucky")
    try:
        customers.wait_for_more(20)
        _lost_with_b1(runbook, customers)
        answered = {named for _, named in customers.answered}

        plan = planned(runbook.desk, "promote", "b", "cloud a and b1 are lost", accepts_loss=True)
        perform(runbook.desk, plan, runbook.sign(plan), lambda step, how: None)
        customers.wait_for_more(20)
    finally:
        customers.leave()
    assert runbook.leader("b") == "b2"
    assert answered - runbook.bank.keys("b", customers.name)


def test_a_node_of_b_that_did_not_lead_is_lost_with_a_and_b_serves(runbook: Runbook) -> None:
    """b1 has led all the time: it has everything, and nobody must wait for b2."""
    with runbook.bank.at_work(items_per_s=20) as customers:
        runbook.lab.kill(["a", "b2"])

        runbook.order("promote", "b", "cloud a is lost")

        customers.wait_for_more(20)
        assert runbook.serves() == ("b", "detached") and runbook.leader("b") == "b1"
        assert runbook.bank.lost(customers, "b") == set()


def test_the_node_that_has_everything_is_lost_in_the_middle_of_the_order(runbook: Runbook) -> None:
    """No other is promoted in its place; started again, it takes over, and the order goes on."""
    with runbook.bank.at_work(items_per_s=20) as customers:
        runbook.lab.kill(["a"])
        plan = runbook.plan("promote", "b", "cloud a is lost")

        def tell(step: Step, how: str) -> None:
            if isinstance(step, SetPolicy):
                runbook.lab.kill(["b1"])

        def waits(step: Step, line: str) -> None:
            wait_until(lambda: runbook.said("b2", "decision=stand-back heir=b1"), "b2 stands back")
            assert not runbook.takes_writes("b2")
            runbook.lab.start(["b1"])

        perform(runbook.desk, plan, runbook.sign(plan), tell, waits)
        customers.wait_for_more(20)
        assert runbook.leader("b") == "b1" and runbook.serves() == ("b", "detached")
        assert runbook.bank.lost(customers, "b") == set()
