"""A cloud is lost, or cut off and alive: the other one serves on two persons' word, and nothing answered is lost."""

from __future__ import annotations

import pytest
from runbook import Runbook
from waiting import wait_until

from kanjo.errors import Refused

pytestmark = [pytest.mark.sites, pytest.mark.xdist_group("sites-lab")]


def test_t12_all_of_a_is_lost_and_comes_back(runbook: Runbook) -> None:
    """Every process of a is killed under load; b is promoted and has every answer; a rejoins as a standby."""
    with runbook.bank.at_work() as customers:
        runbook.lab.kill(["a"])

        runbook.order("promote", "b", "cloud a is lost")

        customers.wait_for_more(20)
        assert runbook.serves() == ("b", "detached")
        assert runbook.bank.lost(customers, "b") == set()

        runbook.lab.start(["a"])
        runbook.order("rejoin", "a", "cloud a is back")
        customers.wait_for_more(20)
        assert runbook.serves() == ("b", "required")
        assert runbook.look().loss.nothing


def test_t13_an_isolated_site_gives_no_answer_and_cannot_be_relaxed(runbook: Runbook) -> None:
    """a lives on behind a cut link; b is promoted. No customer of a is answered, and no order reaches a's policy."""
    bank = runbook.bank
    with bank.at_work() as customers:
        with bank.customers("at-a", runbook.dsn("a")) as at_a:
            at_a.wait_for_more(20)
            runbook.lab.cut(blackhole=False)

            runbook.order("promote", "b", "cloud a is cut off")

            before = at_a.count()
            customers.wait_for_more(100)
            for command in ("detach", "attach"):
                with pytest.raises(Refused) as refused:
                    runbook.plan(command, "a")
                assert refused.value.code == "site-fenced"
            wait_until(lambda: any("takes writes, but" in told for told in runbook.look().warnings), "the warning")
            assert at_a.count() == before
        assert bank.lost(at_a, "b") == set()
    bank.prove([customers.history, at_a.history])


@pytest.mark.long
def test_commands_work_in_the_site_that_serves_beside_one_that_is_cut_off_and_lives(runbook: Runbook) -> None:
    """a answers nobody and lets everybody in: `kanjo cut start` sees its run completed in b; a load is there."""
    bank = runbook.bank
    with bank.at_work(by_command=True) as customers:
        runbook.lab.cut(blackhole=False)
        runbook.order("promote", "b", "cloud a is cut off")
        customers.wait_for_more(20)

        run = bank.load_by_command()

        assert any(runbook.takes_writes(node.name) for node in runbook.desk.topology.site("a").nodes)
        assert run in bank.runs("b") and run not in bank.runs("a")
