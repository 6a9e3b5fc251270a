"""The clock of a node or of a door is set an hour forward or back while the bank is at work: nothing comes of it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from bank import Customers
from clocks import LIBRARY, NO_FAKETIME, Clocks, door_under, made_at_s, set_up
from runbook import Runbook
from waiting import NO_OUTAGE_S, wait_until

pytestmark = [
    pytest.mark.sites,
    pytest.mark.long,
    pytest.mark.xdist_group("sites-lab"),
    pytest.mark.skipif(LIBRARY is None, reason=NO_FAKETIME),
]

HOUR_S = 3600
CLOSE_S = 60.0
LEAPS_S = (HOUR_S, 0)
"""Forward by an hour and back again. A node is never behind the true time: its certificate is as young as the lab."""
STAMP = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d{3} INFO: ", re.MULTILINE)


@pytest.fixture(scope="module", autouse=True)
def clocks() -> Iterator[Clocks]:
    """A clock for each node of the lab, which is brought up later."""
    with set_up() as found, pytest.MonkeyPatch.context() as patch:
        for module in ("lab", "bring_up"):
            patch.setattr(f"kanjo.sites.lab.{module}.parts", found.parts)
        yield found


def says(runbook: Runbook, node: str) -> tuple[float, float]:
    """What a node's database and its Patroni take for the time now."""
    [[database_s]] = runbook.sql(node, "SELECT extract(epoch FROM clock_timestamp())::bigint")
    stamp = STAMP.findall(runbook.lab.ground.log(node).read_text("utf-8", errors="replace"))[-1]
    return float(str(database_s)), datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp()


def leases_taken(runbook: Runbook) -> int:
    """How often a node of either site found that nobody leads, and took the lease."""
    logs = [runbook.lab.ground.log(name).read_text("utf-8", errors="replace") for name in runbook.nodes()]
    return sum(log.count("session lock") for log in logs)


def is_off_by(off_s: int, *told_s: float) -> bool:
    return all(abs(one_s - time.time() - off_s) < CLOSE_S for one_s in told_s)


def wait_for_answers_of(customers: Customers, seconds: float) -> None:
    """Wait until somebody was answered so many seconds later."""
    until_s = time.monotonic() + seconds
    wait_until(lambda: customers.heard[-1] > until_s, "answers go on")


@pytest.mark.parametrize("site", ["a", "b"])
def test_a_clock_that_leaps_at_a_leading_node_moves_nothing(shared: Runbook, clocks: Clocks, site: str) -> None:
    """The primary's node, then the standby leader's, for two leases each: no lease ends, and hardly anybody waits."""
    shared.until_well()
    leaders = [shared.leader(one) for one in "ab"]
    node = str(shared.leader(site))
    with shared.bank.at_work(items_per_s=20) as customers:
        for off_s in LEAPS_S:
            before, leases = customers.count(), leases_taken(shared)
            clocks[node].leap(off_s)
            wait_for_answers_of(customers, 2 * shared.desk.topology.policy.ttl_s)
            assert [shared.leader(one) for one in "ab"] == leaders
            assert leases_taken(shared) == leases, "a lease ended, and somebody took it"
            assert customers.silence_s(before) < NO_OUTAGE_S
            wait_until(lambda off_s=off_s: is_off_by(off_s, *says(shared, node)), f"{node} sees the leap")
        shared.until_well()


def test_a_clock_that_leaps_at_a_door_moves_nothing(shared: Runbook, clocks: Clocks) -> None:
    """A process that posts, with keys made of the time: it goes on after each leap, no answer is lost or doubled."""
    shared.until_well()
    bank, client = shared.bank, "leaping"

    def made(off_s: int) -> set[UUID]:
        return {named for named in bank.keys("a", client) if is_off_by(off_s, made_at_s(named))}

    with bank.at_work(items_per_s=50) as customers:
        history = customers.history.with_name(f"{client}.jsonl")
        with door_under(clocks["door"], shared.dsn(), client, history):
            for off_s in (0, HOUR_S, 0, -HOUR_S):
                clocks["door"].leap(off_s)
                before = made(off_s)
                wait_until(lambda off_s=off_s, before=before: len(made(off_s) - before) >= 20, "it posts")
    bank.prove([customers.history, history])
