"""A lost site returns node by node, and goes back to work."""

from __future__ import annotations

import pytest
from runbook import Runbook
from waiting import wait_until

pytestmark = [pytest.mark.sites, pytest.mark.long, pytest.mark.xdist_group("sites-lab")]


def _lost_with_log_that_b_has_not(runbook: Runbook) -> str:
    """The link is silent, and the primary of a writes what never crosses it. Returns the primary."""
    was = runbook.leader("a")
    assert was is not None
    runbook.lab.cut(blackhole=True)
    wait_until(lambda: runbook.look().loss.why.startswith("no answer leaves"), "b is out of step")
    runbook.sql(was, "CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT")
    return was


def _returns_staged(runbook: Runbook, first: str) -> None:
    """One node of a, then the order, then the others, and the way back."""
    with_first = [part.name for part in runbook.lab.status().parts if part.site == "a" and part.kind != "node"]
    runbook.lab.start([*with_first, first])
    runbook.order("rejoin", "a", "cloud a is back")
    assert runbook.serves() == ("b", "required") and runbook.in_step("a") == [first]

    runbook.lab.start([node.name for node in runbook.desk.topology.site("a").nodes if node.name != first])
    runbook.until_well()


def test_t21_a_returns_node_by_node_and_is_rewound(runbook: Runbook) -> None:
    """The old primary has log of its own: it is rewound and follows b, then the others; a serves again."""
    with runbook.bank.at_work() as customers:
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
