"""A standby loses its leader, a quorum some of its votes, the bank the whole of the other cloud."""

from __future__ import annotations

import time

import pytest
from runbook import Runbook
from waiting import NO_OUTAGE_S, wait_until

pytestmark = [pytest.mark.sites, pytest.mark.long, pytest.mark.xdist_group("sites-lab")]

QUORUM_AWAY_S = 25.0
STOPS_S_MAX = 15.0


def test_t9_answers_wait_until_another_node_of_b_leads(shared: Runbook) -> None:
    """b's leader is killed: nobody is answered until its lease is over and another one follows a; then they go on."""
    shared.until_well()
    with shared.bank.at_work() as customers:
        was = shared.leader("b")
        assert was is not None
        shared.lab.kill([was])
        wait_until(lambda: shared.in_step("b") == [], "b out of step")
        customers.wait_unanswered(lambda: shared.leader("b") not in (None, was), "another leads b")
        customers.wait_for_more(20)
        assert shared.in_step("b") == [shared.leader("b")]
        assert shared.bank.lost(customers, "b") == set()
        shared.mend()


def test_t10_one_vote_of_three_is_lost_and_nothing_happens(shared: Runbook) -> None:
    """Each of a's votes is killed once, so its etcd's leader too: the same node serves, and hardly anybody waits."""
    shared.until_well()
    with shared.bank.at_work() as customers:
        serving, before = shared.leader("a"), customers.count()
        for member in shared.desk.topology.site("a").etcd:
            shared.lab.kill([member.name])
            customers.wait_for_more(100)
            shared.lab.start([member.name])
            wait_until(lambda name=member.name: shared.votes(name), f"{member.name} votes again")
        assert customers.silence_s(before) < NO_OUTAGE_S
        assert shared.leader("a") == serving
    shared.until_well()


def test_t11_a_site_without_its_quorum_stops_writing_by_itself(shared: Runbook) -> None:
    """Two of a's three votes are away for 25 s: none of b's counts for them, and nobody serves until they are back."""
    shared.until_well()
    with shared.bank.at_work() as customers:
        epoch = shared.desk.register.read().epoch
        until_s = time.monotonic() + QUORUM_AWAY_S
        away = [member.name for member in shared.desk.topology.site("a").etcd][:2]
        shared.lab.kill(away)
        wait_until(lambda: not any(map(shared.takes_writes, shared.nodes())), "no node takes writes", STOPS_S_MAX)
        before = customers.count()
        while time.monotonic() < until_s:
            assert not any(map(shared.takes_writes, shared.nodes()))
            time.sleep(1)
        assert customers.count() == before

        shared.lab.start(away)
        customers.wait_for_more(20)
        assert shared.serves() == ("a", "required") and shared.desk.register.read().epoch == epoch
        shared.until_well()


def test_t14_all_of_b_is_lost_and_comes_back(shared: Runbook) -> None:
    """Nobody is answered until two persons detach a; when b is back and follows, a is attached again."""
    shared.until_well()
    with shared.bank.at_work() as customers:
        shared.lab.kill(["b"])
        wait_until(lambda: shared.look().loss.why.startswith("no answer leaves"), "b is out of step")
        before = customers.count()
        time.sleep(2)
        assert customers.count() == before

        shared.order("detach", "a", "cloud b is lost")
        customers.wait_for_more(20)
        assert shared.serves() == ("a", "detached")
        assert not shared.look().loss.nothing

        shared.lab.start(["b"])
        shared.order("attach", "a", "cloud b is back")
        customers.wait_for_more(20)
        assert shared.serves() == ("a", "required")
        shared.until_well()
