"""A site that the register does not name: it opens no gate, gets no log, and takes no order (multicloud.md 4.4)."""

from __future__ import annotations

import psycopg
import pytest
from runbook import Runbook
from waiting import wait_until

from kanjo.errors import Refused
from kanjo.sites.operate.perform import perform

pytestmark = [pytest.mark.sites, pytest.mark.long, pytest.mark.xdist_group("sites-lab")]

REFUSALS = 2
"""Patroni lets a refused node wait for a `ttl`, so the second one shows that it stays so."""


def test_t18_restarted_nodes_of_a_fenced_site_stay_shut(shared: Runbook) -> None:
    """a was lost, b serves: a's nodes come up again, each gate refuses, none leaves recovery, all refuse writes."""
    nodes = shared.desk.topology.site("a").nodes
    with shared.bank.at_work() as customers:
        shared.lab.kill(["a"])
        shared.order("promote", "b", "cloud a is lost")
        shared.lab.start(["a"])

        refusals = {"type": "refuse", "reason": "register-names-b", "may_change": False}
        wait_until(
            lambda: (
                sum(said["decision"] == refusals for node in nodes for said in shared.gate_of(node.name)) >= REFUSALS
            ),
            "gates refuse",
        )
        for node in nodes:
            with shared.desk.database(node) as session, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                session.execute("CREATE TABLE mine (n int)")
        customers.wait_for_more(20)

        shared.order("rejoin", "a", "cloud a is back")
        customers.wait_for_more(20)
    shared.until_well()
    shared.order("switchover", "a")


def test_t19_the_barred_site_cannot_log_in_until_it_rejoins(shared: Runbook) -> None:
    """a is fenced: with the link opened again by mistake its replication is refused at b's door all the same."""
    shared.until_well()
    with shared.bank.at_work() as customers:
        assert shared.replicates("a")
        shared.lab.kill(["a1", "a2", "a3"])
        shared.order("promote", "b", "cloud a is lost")
        for site in "ab":
            shared.desk.link(site).heal(by="somebody", reason="by mistake")

        refused = 'role "repl_a" is not permitted to log in'
        wait_until(lambda: refused in shared.why_not_replicates("a"), "refused at login")
        shared.lab.kill([f"{shared.leader('b')}.postgres"])  # and so it is at the node that takes over
        customers.wait_for_more(20)
        wait_until(lambda: refused in shared.why_not_replicates("a"), "refused at login")
        for command in ("attach", "detach"):
            with pytest.raises(Refused):
                shared.plan(command, "a")
        assert refused in shared.why_not_replicates("a")

        shared.lab.heal()
        shared.order("rejoin", "a", "cloud a is back")
        assert shared.replicates("a")
        customers.wait_for_more(20)
    shared.until_well()
    shared.order("switchover", "a")


def test_t23_an_order_to_a_fenced_site_is_refused_and_releases_nobody(shared: Runbook) -> None:
    """Two persons signed that a be detached, others promote b before it is done: nothing waiting in a is answered."""
    shared.until_well()
    with shared.bank.at_work() as customers:
        with shared.bank.customers("at-a", shared.dsn("a")) as at_a:
            at_a.wait_for_more(20)
            shared.lab.cut(blackhole=False)
            early = shared.plan("detach", "a", "cloud b does not answer")
            signed = shared.sign(early)
            shared.order("promote", "b", "cloud a is cut off")
            before, policy = at_a.count(), shared.desk.dynamic(shared.desk.topology.site("a"))
            customers.wait_for_more(20)

            with pytest.raises(Refused) as refused:
                perform(shared.desk, early, signed, lambda step, how: None)
            assert refused.value.code == "epoch-mismatch"
            for command in ("detach", "attach"):
                with pytest.raises(Refused) as refused:
                    shared.plan(command, "a")
                assert refused.value.code == "site-fenced"
            customers.wait_for_more(20)
            assert shared.desk.dynamic(shared.desk.topology.site("a")) == policy
            assert at_a.count() == before
        assert shared.bank.lost(at_a, "b") == set()

        shared.lab.kill(["a1", "a2", "a3"])
        shared.lab.start(["a"])
        shared.lab.heal()
        shared.order("rejoin", "a", "cloud a is back")
        customers.wait_for_more(20)
    shared.bank.prove([customers.history, at_a.history])
    shared.until_well()
