"""Bring-up, a silent link, a killed database, planned moves: both sites are well afterwards."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from folders import open_folder
from runbook import Runbook
from waiting import wait_until

from kanjo.errors import Refused
from kanjo.sites.lab import Lab
from kanjo.sites.lab.parts import running
from kanjo.sites.operate.perform import perform
from kanjo.sites.operate.plan import Command

pytestmark = [pytest.mark.sites, pytest.mark.xdist_group("sites-lab")]

MEMORY_MIB_MAX = 2048


def test_t1_bring_up_comes_to_required(shared: Runbook) -> None:
    """Site a serves, one node of each site is in step, both records say required, and it all fits in 2 GB."""
    assert shared.serves() == ("a", "required")
    found = shared.look()
    assert {node.site for node in found.nodes if node.in_step} == {"a", "b"}
    assert [node.name for node in found.nodes if node.role == "primary"] == ["a1"]
    assert found.loss.nothing and found.warnings == ()
    status = shared.lab.status()
    assert all(part.running for part in status.parts)
    assert sum(part.memory_mib for part in status.parts) < MEMORY_MIB_MAX


def test_t2_no_answer_leaves_while_the_link_swallows(shared: Runbook) -> None:
    """Not one answer while nothing crosses the link; they come when it is mended, and none is lost."""
    with shared.bank.at_work() as customers:
        shared.lab.cut(blackhole=True)
        time.sleep(0.5)  # what was on its way
        before = customers.count()
        wait_until(lambda: not any(node.in_step and node.site == "b" for node in shared.look().nodes), "b out of step")
        assert customers.count() == before
        assert "no answer leaves" in shared.look().loss.why

        shared.lab.heal()
        customers.wait_for_more(20)


@pytest.mark.long
def test_t3_every_answer_is_in_b_at_any_time(shared: Runbook) -> None:
    """At moments drawn at random nothing crosses the link any more: what was answered until then is in b already."""
    chance = random.Random(3)
    with shared.bank.at_work() as customers:
        for _ in range(3):
            time.sleep(chance.uniform(0.5, 2))
            shared.lab.cut(blackhole=True)
            assert customers.count() and shared.bank.lost(customers, "b") == set()
            shared.lab.heal()
            customers.wait_for_more(20)


def test_t4_a_killed_database_is_replaced_and_nothing_is_lost(shared: Runbook) -> None:
    """The primary's database is killed alone: another node of a takes over, and b follows it."""
    with shared.bank.at_work() as customers:
        before = shared.desk.leader(shared.desk.topology.site("a"))
        assert before is not None
        shared.lab.kill([f"{before.name}.postgres"])
        customers.wait_for_more(20)
        after = shared.desk.leader(shared.desk.topology.site("a"))
        assert after is not None and after.name != before.name


def test_t20_planned_moves_there_and_back_lose_nothing(shared: Runbook) -> None:
    """Under load, by the command that two persons sign; afterwards each site follows the one that serves, unrewound."""
    shared.until_well()
    rewinds = shared.rewinds()
    with shared.bank.at_work() as customers:
        for site in ("b", "a"):
            log = shared.order("switchover", site)
            assert log[0] == "Enter: done" and len(log) == 7
            customers.wait_for_more(20)
            assert shared.serves() == (site, "required")
            assert shared.look().loss.nothing
            shared.until_well()
    assert shared.rewinds() == rewinds


BEFORE: dict[str, Callable[[Lab], object]] = {
    "detach": lambda lab: lab.cut(blackhole=False),
    "attach": Lab.heal,
    "promote": lambda lab: lab.kill(["a"]),
    "rejoin": lambda lab: lab.start(["a"]),
}
"""What becomes of cloud a or of the link before that command is given."""
IN_PIECES: dict[str, dict[Command, tuple[str, list[str]]]] = {
    "planned moves": {
        "switchover": ("b", ["Enter", "Demote", "Promote"]),
    },
    "a is detached and attached": {
        "detach": ("a", ["Enter", "SetPolicy"]),
        "attach": ("a", ["SetPolicy", "Enter"]),
    },
    "a is lost and comes back": {
        "promote": ("b", ["Enter", "Cut", "SetPolicy", "Promote", "Bar"]),
        "rejoin": ("a", ["Demote", "Admit", "Heal", "SetPolicy", "Enter"]),
    },
    "a is fenced, lost, and comes back": {
        "fence": ("a", ["Enter", "Cut"]),
        "promote": ("b", ["SetPolicy", "Promote", "Bar"]),
        "rejoin": ("a", ["Demote", "Admit", "Heal", "SetPolicy", "Enter"]),
    },
}
"""Commands, the site that each names, and steps behind which the operator is killed; others may be so already."""


@pytest.mark.long
@pytest.mark.parametrize("orders", IN_PIECES.values(), ids=IN_PIECES)
def test_orders_in_pieces(shared: Runbook, orders: dict[Command, tuple[str, list[str]]]) -> None:
    """The operator is killed during and behind every step; he gives the same command again, and it goes on there."""
    shared.until_well()
    with shared.bank.at_work(items_per_s=20) as customers:
        for command, (site, steps) in orders.items():
            BEFORE.get(command, lambda _: None)(shared.lab)
            done = shared.order_in_pieces(command, site)
            assert [step for step in done if step in steps] == steps
            if command != "fence":
                customers.wait_for_more(20)
        assert shared.serves()[1] == "required"
    shared.until_well()
    if shared.serves()[0] == "b":
        shared.order("switchover", "a")


def test_one_person_alone_moves_nothing(shared: Runbook) -> None:
    """A second signature is missing: refused before anything is touched."""
    shared.until_well()
    plan = shared.plan("switchover", "b")
    with pytest.raises(Refused) as refused:
        perform(shared.desk, plan, shared.sign(plan)[:1], lambda step, how: None)

    assert refused.value.code == "second-person-missing"
    found = shared.look()
    assert found.register is not None and found.register.epoch == plan.expected_epoch


@pytest.mark.long
def test_detached_by_two_persons_and_attached_again(shared: Runbook) -> None:
    """The link is cut, nobody is answered; detached, a answers alone and says what would be lost; then attached."""
    with shared.bank.at_work() as customers:
        shared.lab.cut(blackhole=False)
        shared.order("detach", "a", "cloud b does not answer")
        customers.wait_for_more(20)
        found = shared.look()
        assert not found.loss.nothing
        with pytest.raises(Refused, match="answers alone") as refused:
            shared.plan("promote", "b")
        assert refused.value.code == "may-lose-answers"

        shared.lab.heal()
        shared.order("attach", "a", "cloud b is back")
        customers.wait_for_more(20)
        assert shared.look().loss.nothing


def test_no_process_is_left_when_the_lab_is_down(runbook: Runbook) -> None:
    """Also of parts that were frozen."""
    runbook.lab.freeze(["a1", "link-b"])

    runbook.lab.down()

    assert running(runbook.lab.ground) == {}


def test_no_process_is_left_when_bring_up_is_killed() -> None:
    """`lab up` itself is killed while it starts the first site: its watcher ends what it started."""
    with open_folder() as folder:
        lab = Lab(folder / "lab")
        command = [Path(sys.executable).with_name("kanjo"), "sites", "lab", "up", "--home", str(lab.ground.folder)]
        up = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        try:
            assert up.stderr is not None
            for line in up.stderr:
                if "the first node" in line:
                    break
            wait_until(lambda: "a1" in running(lab.ground), "a1 begun")
        finally:
            up.kill()
            up.communicate()

        wait_until(lambda: not running(lab.ground), "nothing of the lab lives", within_s=20)
