"""The register is gone, the link is slow, the link is silent for long: the bank goes on, or waits and then goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

import pytest
from bank import DOOR
from runbook import Runbook
from sessions import held_s, of_the_bank, waited_s, waiting
from waiting import wait_until

from kanjo import check
from kanjo.errors import KanjoError
from kanjo.ledger.postgres import SILENT_S
from kanjo.sites.operate.plan import Command

pytestmark = [pytest.mark.sites, pytest.mark.long, pytest.mark.xdist_group("sites-lab")]

FAR_MS = 100
ACROSS = "SELECT pid FROM pg_stat_replication WHERE application_name IN ('b1', 'b2')"


@contextmanager
def healed(runbook: Runbook) -> Iterator[None]:
    """Whatever comes of it, the next scenario finds the lab whole."""
    try:
        yield
    finally:
        runbook.lab.heal()
        runbook.lab.delay(0)
        runbook.until_well()


def test_t17_without_the_register_the_bank_goes_on_and_nothing_is_ordered(shared: Runbook) -> None:
    """Answers go on, also after a takeover inside a whose gate asks b instead; no command of an operator begins."""
    shared.until_well()
    with healed(shared), shared.bank.at_work() as customers:
        before = shared.leader("a")
        shared.lab.kill(["register"])
        customers.wait_for_more(20)

        shared.lab.kill([f"{before}.postgres"])
        customers.wait_for_more(20)
        after = shared.leader("a")
        assert after != before
        said = shared.gate_of(after)[-1]
        assert said["facts"]["register"] is None and said["facts"]["other"] is not None
        assert said["decision"] == {"type": "promote", "reason": "nothing-missing"}

        for command in get_args(Command):
            with pytest.raises(KanjoError) as refused:
                shared.plan(command, "b")
            assert refused.value.code == "register-unreachable"
        found = shared.look()
        assert found.register is None and "the register does not answer" in found.loss.why
        shared.lab.start(["register"])  # the proof asks who serves


def test_a_slow_link_slows_the_bank_and_stops_nothing(shared: Runbook) -> None:
    """The sites are 100 ms apart each way: every answer and every slice waits for it, and nothing is in doubt."""
    shared.until_well()
    with healed(shared):
        with shared.bank.at_work() as customers:
            shared.lab.delay(FAR_MS)
            customers.wait_for_more(40)
            assert shared.look().loss.nothing
        calls = check.read_histories([customers.history]).calls
        quickest_us = min(call.ended_us - call.asked_us for call in calls[-40:] if call.told)
        assert quickest_us > 2_000 * FAR_MS
        assert [call.how for call in calls if call.how] == []


def test_a_long_silence_fills_the_server_with_no_sessions(shared: Runbook) -> None:
    """Doors give up on a silent server and ask another; what they leave behind does not wait for locks for ever."""
    shared.until_well()
    with healed(shared), shared.bank.at_work() as customers:
        before = of_the_bank(shared)
        shared.lab.cut(blackhole=True)
        wait_until(lambda: waited_s(shared) > SILENT_S, "the doors gave up")
        left = waiting(shared, DOOR)
        wait_until(lambda: waited_s(shared) > 3 * SILENT_S, "the doors gave up more than once")
        assert held_s(shared) < 2 * SILENT_S
        assert waiting(shared, DOOR) == left and of_the_bank(shared) <= before + left

        shared.lab.heal()
        customers.wait_for_more(20)


def test_certificates_of_the_link_are_renewed_while_the_bank_serves(shared: Runbook) -> None:
    """Both ends get new ones and are told so: what they carry goes on, what is dialled anew is carried too."""
    shared.until_well()
    leader = shared.leader("a")
    assert leader is not None
    with healed(shared), shared.bank.at_work() as customers:
        before = shared.sql(leader, ACROSS)
        for site in ("a", "b"):
            renewed = shared.renew(site)
            in_use = shared.desk.link(site).status
            wait_until(lambda renewed=renewed, in_use=in_use: renewed in in_use().certificates, "the new one in use")
        customers.wait_for_more(20)
        assert len(before) == 1 and shared.sql(leader, ACROSS) == before
        assert {one.left_days for one in shared.look().certificates if one.name.startswith("link")} == {98}

        shared.lab.cut(blackhole=False)
        shared.lab.heal()
        customers.wait_for_more(20)
        wait_until(lambda: shared.sql(leader, ACROSS) not in ([], before), "b follows over a new connection")
