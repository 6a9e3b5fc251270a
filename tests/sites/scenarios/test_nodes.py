"""Nodes of a site are killed, or their Patroni alone: another takes over, and whoever comes back follows it."""

from __future__ import annotations

import pytest
from runbook import Runbook
from waiting import NO_OUTAGE_S, wait_until

pytestmark = [pytest.mark.sites, pytest.mark.long, pytest.mark.xdist_group("sites-lab")]


def test_t5_a_killed_primary_is_replaced_and_comes_back_as_a_standby(shared: Runbook) -> None:
    """Patroni and its database are killed together: another node of a serves; started again, the first follows it."""
    shared.until_well()
    with shared.bank.at_work() as customers:
        was = shared.leader("a")
        assert was is not None
        shared.lab.kill([was])
        shared.until_another_serves("a", was)
        customers.wait_for_more(20)
        now = shared.leader("a")

        shared.mend()
        assert shared.leader("a") == now
        assert shared.serves() == ("a", "required")


def test_t6_a_primary_whose_patroni_is_gone_answers_nobody(shared: Runbook) -> None:
    """Another node takes over; the old database still takes writes, but who asks there waits; then it follows."""
    shared.until_well()
    bank = shared.bank
    with bank.at_work() as customers:
        was = shared.leader("a")
        assert was is not None
        with bank.customers("at-old", shared.dsn(was)) as at_old:
            at_old.wait_for_more(20)
            shared.lab.kill([f"{was}.patroni"])
            shared.until_another_serves("a", was)
            customers.wait_for_more(20)
            before = at_old.count()
            customers.wait_for_more(100)
            assert shared.takes_writes(was)
            assert at_old.count() == before

            shared.mend()
            assert shared.leader("a") != was
            assert at_old.count() == before
    bank.prove([customers.history, at_old.history])


def test_t7_a_patroni_that_is_back_within_a_second_moves_nothing(shared: Runbook) -> None:
    """The primary's Patroni is killed and started again: the same node serves, and hardly anybody waits."""
    shared.until_well()
    with shared.bank.at_work() as customers:
        was = shared.leader("a")
        before = customers.count()
        shared.lab.kill([f"{was}.patroni"])
        shared.lab.start([f"{was}"])
        wait_until(lambda: shared.leader("a") is not None, "its Patroni answers again")
        shared.until_well()
        customers.wait_for_more(50)
        assert shared.leader("a") == was
        assert customers.silence_s(before) < NO_OUTAGE_S


def test_t8_another_replica_takes_the_place_of_the_one_in_step(shared: Runbook) -> None:
    """The node of a that every answer waits for is killed: soon they wait for another one of a."""
    shared.until_well()
    with shared.bank.at_work() as customers:
        [was] = shared.in_step("a")
        before = customers.count()
        shared.lab.kill([was])
        wait_until(lambda: shared.in_step("a") not in ([], [was]), "another one is in step")
        customers.wait_for_more(20)
        assert customers.silence_s(before) < NO_OUTAGE_S
        shared.mend()


def test_a_frozen_primary_that_wakes_up_answers_nobody(shared: Runbook) -> None:
    """The whole node stands still until another one has taken over; awake, it finds out, and is rewound."""
    shared.until_well()
    bank = shared.bank
    with bank.at_work() as customers:
        was = shared.leader("a")
        assert was is not None
        with bank.customers("at-frozen", shared.dsn(was)) as at_old:
            at_old.wait_for_more(20)
            shared.lab.freeze([was])
            shared.until_another_serves("a", was)
            customers.wait_for_more(20)
            shared.lab.thaw([was])
            shared.until_well()
            customers.wait_for_more(20)
            assert shared.leader("a") != was
        assert bank.lost(at_old, "a") == bank.lost(at_old, "b") == set()
    bank.prove([customers.history, at_old.history])


def test_both_replicas_of_a_are_lost_and_the_bank_goes_on_with_b_alone(shared: Runbook) -> None:
    """An answer is still in two clouds: the primary's and b's; when the replicas are back it waits for one again."""
    shared.until_well()
    with shared.bank.at_work() as customers:
        serving = shared.leader("a")
        replicas = [node.name for node in shared.desk.topology.site("a").nodes if node.name != serving]
        shared.lab.kill(replicas)
        customers.wait_for_more(20)
        assert shared.in_step("a") == [] and shared.in_step("b") == [shared.leader("b")]
        assert shared.rule("a") == "FIRST 1 (b1,b2)"
        assert shared.bank.lost(customers, "b") == set()

        shared.mend()
        assert len(shared.in_step("a")) == 1
        assert shared.leader("a") == serving
