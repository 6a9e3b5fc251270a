"""A lost site returns node by node, and a primary that slept through the loss of its office wakes up."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from runbook import Runbook
from waiting import wait_until

from kanjo.sites.operate.plan import AwaitFollows, Step
from kanjo.sites.operate.standing import how_to_copy

pytestmark = [pytest.mark.sites, pytest.mark.long, pytest.mark.xdist_group("sites-lab")]

# From where on a server would replay its log if it were killed now.
NEEDED_FROM = "SELECT pg_walfile_name(redo_lsn) FROM pg_control_checkpoint()"


def _lost_with_log_that_b_has_not(runbook: Runbook) -> str:
    """The link is silent, and the primary of a writes what never crosses it. Returns the primary."""
    was = runbook.leader("a")
    assert was is not None
    runbook.lab.cut(blackhole=True)
    wait_until(lambda: runbook.look().loss.why.startswith("no answer leaves"), "b is out of step")
    runbook.sql(was, "CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT")
    return was


def _others(runbook: Runbook, than: str) -> list[str]:
    """The other nodes of a."""
    return [node.name for node in runbook.desk.topology.site("a").nodes if node.name != than]


def _starts_alone(runbook: Runbook, node: str) -> None:
    """The one node of a, and everything there that is none."""
    beside = [part.name for part in runbook.lab.status().parts if part.site == "a" and part.kind != "node"]
    runbook.lab.start([*beside, node])


def _log_before(data: Path, segment: str) -> list[Path]:
    """The pieces of the log in a data folder that are older."""
    return [path for path in Path(data, "pg_wal").iterdir() if len(path.name) == 24 and path.name < segment]


def _returns_staged(runbook: Runbook, first: str) -> None:
    """One node of a, then the order, then the others, and the way back."""
    _starts_alone(runbook, first)
    runbook.order("rejoin", "a", "cloud a is back")
    assert runbook.serves() == ("b", "required") and runbook.in_step("a") == [first]

    runbook.lab.start(_others(runbook, first))
    runbook.until_well()


def test_t21_a_returns_node_by_node_and_is_rewound(runbook: Runbook) -> None:
    """The old primary has log of its own: it is rewound and follows b, then the others; a serves again."""
    with runbook.bank.at_work(items_per_s=20) as customers:
        was = _lost_with_log_that_b_has_not(runbook)
        runbook.lab.kill(["a"])
        runbook.order("promote", "b", "cloud a is lost")
        customers.wait_for_more(20)

        _returns_staged(runbook, was)
        assert runbook.said(was, "pg_rewind exit code=0")
        customers.wait_for_more(20)
        runbook.order("switchover", "a", "back home")
        customers.wait_for_more(20)
        assert runbook.serves() == ("a", "required")


def test_t21_a_node_that_cannot_be_rewound_is_copied_anew(runbook: Runbook) -> None:
    """The log that a rewind needs is gone: the operator is told, moves the folder aside, starts the others."""
    with runbook.bank.at_work(items_per_s=20) as customers:
        was = _lost_with_log_that_b_has_not(runbook)
        [[needed]] = runbook.sql(was, NEEDED_FROM)
        runbook.lab.kill(["a"])
        runbook.order("promote", "b", "cloud a is lost")
        customers.wait_for_more(20)

        data = Path(runbook.node(was).data)
        aside = data.with_name(f"{data.name}.aside")
        gone = _log_before(data, str(needed))
        assert gone
        for path in gone:
            path.unlink()
        advised: list[str] = []

        def waits(step: Step, line: str) -> None:
            if str(data) in line:
                advised.append(line)
                wait_until(lambda: how_to_copy(was) in runbook.look().warnings, "status says it too")
                data.rename(aside)
                runbook.lab.start(_others(runbook, was))

        _starts_alone(runbook, was)
        runbook.order("rejoin", "a", "cloud a is back", waits)
        assert len(advised) == 1 and runbook.said(was, "Failed to rewind")
        assert runbook.serves() == ("b", "required")
        runbook.until_well()
        assert runbook.said(was, "replica has been created") and aside.is_dir()
        customers.wait_for_more(20)
        runbook.order("switchover", "a", "back home")
        customers.wait_for_more(20)
        assert runbook.serves() == ("a", "required")


def test_a_frozen_primary_that_wakes_up_after_b_was_promoted_is_fenced(runbook: Runbook) -> None:
    """It slept longer than its lease, and nobody of a may take its place: awake, it answers nobody; then it rejoins."""
    bank = runbook.bank
    with bank.at_work() as customers:
        was = runbook.leader("a")
        assert was is not None
        with bank.customers("at-a", runbook.dsn("a")) as at_a:
            at_a.wait_for_more(20)
            runbook.lab.freeze([was])
            runbook.order("promote", "b", "the primary of cloud a does not answer")
            customers.wait_for_more(20)
            others = _others(runbook, was)
            wait_until(lambda: any(runbook.said(name, "register-names-b") for name in others), "the gate of a refuses")
            runbook.lab.thaw([was])
            customers.wait_for_more(100)
            before = at_a.count()
            customers.wait_for_more(100)
            assert at_a.count() == before

            runbook.lab.kill([was])  # it may lead a again and take writes, which it waits for in vain
            runbook.order("rejoin", "a", "cloud a is awake")
            customers.wait_for_more(20)
            runbook.lab.start([was])
            runbook.until_well()
            assert at_a.count() == before
        assert bank.lost(at_a, "a") == bank.lost(at_a, "b") == set()
    bank.prove([customers.history, at_a.history])


def test_a_site_whose_every_disk_is_lost_is_copied_anew_while_it_rejoins(runbook: Runbook) -> None:
    """Nobody of a has data to be copied from: the order opens the way, is interrupted, and goes on behind the copy."""
    with runbook.bank.at_work(items_per_s=20) as customers:
        runbook.lab.kill(["a"])
        runbook.order("promote", "b", "cloud a is lost")
        for node in runbook.desk.topology.site("a").nodes:
            shutil.rmtree(node.data)
        runbook.lab.start(["a"])

        def interrupted(step: Step, line: str) -> None:
            if isinstance(step, AwaitFollows):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            runbook.order("rejoin", "a", "cloud a has new disks", interrupted)
        assert runbook.serves() == ("b", "detached")
        runbook.copy_anew("a")
        log = runbook.order("rejoin", "a", "cloud a has new disks")

        assert log[:4] == [f"{step}: already so" for step in ("AwaitAnswers", "Demote", "Admit", "Heal")]
        customers.wait_for_more(20)
        assert runbook.serves() == ("b", "required")
        runbook.until_well()
        assert runbook.bank.lost(customers, "a") == set()
