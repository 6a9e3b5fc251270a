"""A cloud is lost, or cut off and alive: the other one serves on two persons' word, and nothing answered is lost."""

from __future__ import annotations

import pytest
from runbook import Runbook, wait_until

from kanjo.errors import Refused

pytestmark = [pytest.mark.sites, pytest.mark.xdist_group("sites-lab")]


def test_t12_all_of_a_is_lost_and_comes_back(runbook: Runbook) -> None:
    """Every process of a is killed under load; b is promoted and has every answer; a rejoins as a standby."""
    with runbook.callers() as callers:
        runbook.lab.kill(["a"])

        runbook.order("promote", "b", "cloud a is lost")

        callers.wait_for_more(20)
        found = runbook.look()
        assert found.register is not None and (found.register.site, found.register.mode) == ("b", "detached")
        assert runbook.lost(callers, "b") == set()

        runbook.lab.start(["a"])
        runbook.order("rejoin", "a", "cloud a is back")
        callers.wait_for_more(20)
    found = runbook.look()
    assert found.register is not None and (found.register.site, found.register.mode) == ("b", "required")
    assert found.loss.nothing
    assert runbook.lost(callers, "b") == set()
    assert runbook.lost(callers, "a") == set()


def test_t13_an_isolated_site_gives_no_answer_and_cannot_be_relaxed(runbook: Runbook) -> None:
    """a lives on behind a cut link; b is promoted. No customer of a is answered, and no order reaches a's policy."""
    with runbook.callers("a") as at_a:
        runbook.lab.cut(blackhole=False)

        runbook.order("promote", "b", "cloud a is cut off")

        before = at_a.count()
        with runbook.callers("b") as at_b:
            at_b.wait_for_more(100)
            for command in ("detach", "attach"):
                with pytest.raises(Refused) as refused:
                    runbook.plan(command, "a")
                assert refused.value.code == "site-fenced"
        assert at_a.count() == before
        wait_until(lambda: any("takes writes, but" in warning for warning in runbook.look().warnings), "the warning")
    assert runbook.lost(at_a, "b") == set()
    assert runbook.lost(at_b, "b") == set()
