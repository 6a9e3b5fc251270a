"""A site that misbehaves is fenced while it lives: by the register, the link and its role (multicloud.md 4.4)."""

from __future__ import annotations

import psycopg
import pytest
from runbook import Runbook
from waiting import wait_until

from kanjo.errors import Refused
from kanjo.sites.operate.perform import perform, planned
from kanjo.sites.operate.plan import Command
from kanjo.sites.operate.sql import CAN_LOGIN

pytestmark = [pytest.mark.sites, pytest.mark.xdist_group("sites-lab"), pytest.mark.long]


def test_a_fenced_site_answers_nobody_and_comes_back_only_by_two_persons(runbook: Runbook) -> None:
    """a is alive and fenced: its customers wait, no node of it is promoted, b takes nothing from it; then b serves.

    The role is barred by the promotion: until then b is read-only, and only the link and the register keep a out.
    """
    bank = runbook.bank
    with bank.at_work() as customers:
        with bank.customers("at-a", runbook.dsn("a")) as at_a:
            at_a.wait_for_more(20)

            assert runbook.order("fence", "a", "cloud a misbehaves") == ["Enter: done", "Cut: done"]

            assert runbook.serves() == ("b", "detached")
            wait_until(lambda: not _follows(runbook, "b"), "b has nothing of a")
            before = at_a.count()
            with pytest.raises(Refused) as refused:
                runbook.plan("detach", "a")
            assert refused.value.code == "site-fenced"

            promotion = runbook.plan("promote", "b", "cloud a is fenced")
            assert promotion.change is None
            done = runbook.order("promote", "b", "cloud a is fenced")
            assert done[0] == "Cut: already so" and done[-1] == "Bar: done"

            customers.wait_for_more(50)
            assert _can_login(runbook, "b", "repl_a") is False
            assert at_a.count() == before
            with pytest.raises(Refused) as refused:
                runbook.plan("rejoin", "a")
            assert refused.value.code == "site-writes"
        runbook.lab.kill(["a"])
        runbook.lab.start(["a"])
        wait_until(lambda: "register-names-b" in _gates(runbook), "a gate of a refused")
        assert not any(node.writes for node in runbook.look().nodes if node.site == "a")

        runbook.order("rejoin", "a", "cloud a is well")

        customers.wait_for_more(20)
        assert runbook.serves() == ("b", "required")
        assert _can_login(runbook, "b", "repl_a") is True
        assert bank.lost(at_a, "b") == set()
        assert bank.lost(customers, "b") == set()
    bank.prove([customers.history, at_a.history])


def test_a_fence_that_was_interrupted_is_finished_by_the_same_command(runbook: Runbook) -> None:
    """The operator is killed behind the register's entry: the link is not cut yet, and nothing is signed again."""
    plan = runbook.plan("fence", "a", "cloud a misbehaves")
    change = plan.change
    assert change is not None
    runbook.desk.register.change(change, runbook.sign(plan))
    assert runbook.desk.link("b").status().mode.value == "open"

    again = runbook.plan("fence", "a", "cloud a misbehaves")

    assert again == plan
    assert runbook.order("fence", "a", "cloud a misbehaves") == ["Enter: already so", "Cut: done"]
    assert runbook.desk.link("b").status().mode.value == "cut"
    with pytest.raises(Refused) as refused:
        runbook.plan("fence", "a", "another reason")
    assert refused.value.code == "already-so"


def test_a_site_that_answers_alone_is_not_fenced_while_it_lives(runbook: Runbook) -> None:
    """a is detached, behind a cut link: no loss that is accepted lets b take over beside it; once a is killed it does.

    Lost is what a answered alone, and nothing else.
    """
    bank = runbook.bank
    with bank.customers("before") as before:
        before.wait_for_more(50)
        runbook.lab.cut(blackhole=False)
    runbook.order("detach", "a", "cloud b does not answer")
    with bank.customers("alone") as alone:
        alone.wait_for_more(50)
        for command, site in ORDERS_AGAINST_A:
            with pytest.raises(Refused) as refused:
                planned(runbook.desk, command, site, "cloud a misbehaves", accepts_loss=True)
            assert refused.value.code == "site-writes"
        alone.wait_for_more(20)
        assert runbook.serves() == ("a", "detached")
        runbook.lab.kill(["a"])

    assert _accepting_loss(runbook, "fence", "a") == ["Enter: done", "Cut: already so"]
    assert runbook.order("promote", "b", "cloud a is lost")[-1] == "Bar: done"

    with bank.customers("after") as after:
        after.wait_for_more(50)
        assert bank.lost(before, "b") == set()
        assert bank.keys("b", alone.name) == set()
        runbook.lab.start(["a"])
        runbook.order("rejoin", "a", "cloud a is back")
        after.wait_for_more(20)
    runbook.until_well()
    assert runbook.serves() == ("b", "required")
    bank.prove([before.history, after.history])
    assert bank.keys("a", alone.name) == set()


ORDERS_AGAINST_A: tuple[tuple[Command, str], ...] = (("fence", "a"), ("promote", "b"))


def _accepting_loss(runbook: Runbook, command: Command, site: str) -> list[str]:
    """Order it so; the order's log."""
    plan, log = planned(runbook.desk, command, site, "cloud a is lost", accepts_loss=True), []
    perform(runbook.desk, plan, runbook.sign(plan), lambda step, how: log.append(f"{type(step).__name__}: {how}"))
    return log


def _follows(runbook: Runbook, site: str) -> bool:
    return any(
        node.state == "streaming" and node.role == "standby-leader"
        for node in runbook.look().nodes
        if node.site == site
    )


def _can_login(runbook: Runbook, site: str, role: str) -> bool | None:
    leader = runbook.desk.leader(runbook.desk.topology.site(site))
    if leader is None:
        return None
    try:
        with runbook.desk.database(leader) as connection:
            row = connection.execute(CAN_LOGIN, (role,)).fetchone()
    except psycopg.Error:
        return None
    return row and row[0]


def _gates(runbook: Runbook) -> str:
    nodes = runbook.desk.topology.site("a").nodes
    return "".join(runbook.lab.ground.log(node.name).read_text("utf-8", "replace") for node in nodes)
