"""A standby's disk is full, the other site stays away for long, a clock leaps: nothing answered is lost."""

from __future__ import annotations

import os

import pytest
from runbook import Runbook
from small_disk import moved_to_small_disk
from waiting import wait_until

pytestmark = [pytest.mark.sites, pytest.mark.long, pytest.mark.xdist_group("sites-lab")]

WRITE_A_SEGMENT = "SELECT pg_logical_emit_message(false, 'scenario', repeat('x', 1000000)), pg_switch_wal()"


def write_segments(runbook: Runbook, site: str, count: int) -> None:
    """So many segments of log more."""
    leader = runbook.desk.leader(runbook.desk.topology.site(site))
    assert leader is not None
    with runbook.desk.database(leader) as session:
        for _ in range(count):
            session.execute(WRITE_A_SEGMENT)


def until_full(runbook: Runbook, name: str) -> None:
    """Write until the node's server finds no room for the next segment."""
    log = runbook.lab.ground.log(name)
    told = log.stat().st_size

    def is_full() -> bool:
        write_segments(runbook, "a", 1)
        return "No space left" in log.read_text("utf-8")[told:]

    wait_until(is_full, f"the disk of {name} is full")


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_a_full_disk_at_the_standby_holds_answers_up_and_loses_none(runbook: Runbook) -> None:
    """b's leader can write no more, status names it; it goes on with room again, or when the node is stopped."""
    with moved_to_small_disk(runbook, "b1") as disk:
        runbook.until_well()
        with runbook.bank.at_work() as customers:
            for remedy in ("room", "stop the node"):
                disk.fill()
                until_full(runbook, "b1")
                wait_until(lambda: "b1 follows nobody now (running)" in runbook.look().warnings, "status names it")
                before = customers.count()
                wait_until(lambda: "no answer leaves" in runbook.look().loss.why, "b out of step")
                assert customers.count() == before and runbook.leader("b") == "b1"

                if remedy == "stop the node":
                    runbook.lab.kill(["b1"])
                    customers.wait_for_more(20)
                    assert runbook.leader("b") == "b2"
                disk.clear()
                runbook.lab.start(["b1"])
                customers.wait_for_more(20)
                runbook.until_well()
        runbook.lab.kill(["b1"])
