"""A standby's disk is full, or the other site stays away for long: nothing answered is lost."""

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


LIMIT_MIB = 96
SMALL = {
    "max_slot_wal_keep_size": f"{LIMIT_MIB}MB",
    "wal_keep_size": "16MB",
    "min_wal_size": "32MB",
    "max_wal_size": "64MB",
}
PG_WAL_MIB_MAX = LIMIT_MIB + 64 + 64
"""What is kept, what comes between two checkpoints, and what is written while one is under way."""
PG_WAL_MIB = "SELECT (sum(size) / 1048576)::int FROM pg_ls_waldir()"
IN_FORCE = "SELECT current_setting('max_slot_wal_keep_size')"


def warned(runbook: Runbook, words: str) -> bool:
    return any(words in told for told in runbook.look().warnings)


def write_until(runbook: Runbook, words: str) -> None:
    """Write at a until status warns with these words; no node of a needs more than a little of its disk for log."""

    def told() -> bool:
        write_segments(runbook, "a", 1)
        sizes = {node.name: runbook.sql(node.name, PG_WAL_MIB)[0][0] for node in runbook.desk.topology.site("a").nodes}
        assert all(int(str(size)) <= PG_WAL_MIB_MAX for size in sizes.values()), sizes
        return warned(runbook, words)

    wait_until(told, f"status warns: {words}")


def test_t25_a_site_that_is_away_for_long_fills_no_disk(runbook: Runbook) -> None:
    """Past the limit a drops the log kept for b and serves on; b cannot follow, is copied anew, and is in step."""
    runbook.until_well()
    runbook.desk.configure(runbook.desk.topology.site("a"), {"postgresql": {"parameters": SMALL}})
    nodes = [node.name for node in runbook.desk.topology.site("a").nodes]
    wait_until(lambda: all(runbook.sql(name, IN_FORCE) == [(f"{LIMIT_MIB}MB",)] for name in nodes), "small limits")
    with runbook.bank.at_work(items_per_s=20) as customers:
        runbook.lab.cut(blackhole=False)
        runbook.order("detach", "a", "cloud b stays away")
        customers.wait_for_more(20)

        write_until(runbook, "MiB of log for the other site and drops it after")
        write_until(runbook, "site b cannot follow: the log it needs was dropped")
        customers.wait_for_more(20)

        runbook.lab.heal()
        wait_until(lambda: not warned(runbook, "the link is"), "the link is open")
        customers.wait_for_more(100)
        assert warned(runbook, "site b cannot follow: the log it needs was dropped")
        assert runbook.state_of("b1") != "streaming"

        runbook.copy_anew("b")
        runbook.order("attach", "a", "cloud b is back")
        customers.wait_for_more(20)
        assert runbook.serves() == ("a", "required")
        runbook.until_well()
        assert runbook.bank.lost(customers, "b") == set()
