"""Callers who know the two sites' HAProxies and no node (docs/how-to/two-clouds.md)."""

from __future__ import annotations

import pytest
from runbook import HAPROXY, NO_HAPROXY, Runbook

pytestmark = [
    pytest.mark.sites,
    pytest.mark.long,
    pytest.mark.xdist_group("sites-lab"),
    pytest.mark.skipif(HAPROXY is None, reason=NO_HAPROXY),
]


def test_callers_at_the_entrances_are_answered_wherever_the_bank_is(runbook: Runbook) -> None:
    """It moves to b and back; then a is cut off and lives on behind its own entrance, and b serves."""
    bank = runbook.bank
    with bank.at_work(items_per_s=50) as customers:
        with bank.customers("at-entrances", runbook.dsn_of_entrances()) as callers:
            callers.wait_for_more(20)
            for site in ("b", "a"):
                runbook.order("switchover", site)
                callers.wait_for_more(20)
                runbook.until_well()
            runbook.lab.cut(blackhole=False)

            runbook.order("promote", "b", "cloud a is cut off")

            callers.wait_for_more(50)
            assert any(runbook.takes_writes(node.name) for node in runbook.desk.topology.site("a").nodes)
            assert bank.lost(callers, "b") == set()
        customers.wait_for_more(20)
    bank.prove([customers.history, callers.history])
