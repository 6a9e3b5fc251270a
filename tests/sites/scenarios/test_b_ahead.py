"""A failover inside a while b is ahead, while b is silent, and while a big commit is under way that nobody else has."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
import pytest
from runbook import Runbook
from waiting import wait_until

from kanjo.sites.names import mode_of

pytestmark = [pytest.mark.sites, pytest.mark.long, pytest.mark.xdist_group("sites-lab")]

MIB = 1 << 20
ROWS = 56_000
MAKE = "CREATE TABLE public.batch (id bigint PRIMARY KEY, note text NOT NULL)"
BATCH = f"INSERT INTO public.batch SELECT n, repeat('x', 60) FROM generate_series(1, {ROWS}) n"  # 10 MB of log
COUNT = "SELECT count(*) FROM public.batch"
SENDERS = "SELECT pid FROM pg_stat_replication WHERE application_name = ANY(%s)"
RULE = "SELECT current_setting('synchronous_standby_names')"
RECEIVER = "SELECT pid FROM pg_stat_wal_receiver"
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO public.batch%' AND wait_event = 'SyncRep'"
FLUSHED = "SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint"
RECEIVED = "SELECT (pg_last_wal_receive_lsn() - '0/0')::bigint"
FETCHED, SILENT, GAVE_UP = '"type":"catch-up"', "other-site-silent", "time-is-over"
REWOUND = ("running pg_rewind", "before current recovery point")
REFUSALS = 2
"""A node that was refused waits for a lease before it asks again."""


def test_t15_b_is_ahead_and_its_batch_survives(runbook: Runbook) -> None:
    """10 MB reach b only, and the primary's node is killed: the next one fetches them, and b is not rewound.

    Afterwards no answer leaves without b: what it had told before counts for nothing (pitfall 1).
    """
    with runbook.bank.at_work() as customers:
        primary, replicas = _nodes(runbook)
        assert {mode_of(runbook.one(node, RULE)) for node in replicas} == {"held"}, "promoted, they would wait"
        _make_table(runbook, primary)
        [b] = runbook.in_step("b")
        with _parted(runbook, primary, replicas), _batch(runbook, primary):
            wait_until(lambda: runbook.one(primary, WAITS), "the batch waits")
            end = runbook.one(primary, FLUSHED)
            wait_until(lambda: runbook.one(b, RECEIVED) >= end, "b has it")
            assert all(end - runbook.one(node, RECEIVED) > 9 * MIB for node in replicas)
            runbook.lab.kill([primary])

        customers.wait_for_more(20)
        assert _said(runbook, replicas, FETCHED) == 1
        assert [runbook.one(str(runbook.leader(site)), COUNT) for site in ("a", "b")] == [ROWS, ROWS]
        assert runbook.leader("b") == b and not any(runbook.said(b, words) for words in REWOUND)

        runbook.lab.cut(blackhole=True)
        wait_until(lambda: runbook.in_step("b") == [], "b out of step")
        before = customers.count()
        wait_until(lambda: runbook.said(b, "terminating walreceiver due to timeout"), "b has noticed")
        assert customers.count() == before
        runbook.lab.heal()
        customers.wait_for_more(20)
    runbook.until_well()


def test_t16_b_is_silent_and_nobody_is_promoted_until_it_returns(runbook: Runbook) -> None:
    """The link swallows everything when the primary's node is killed: the gate refuses, and lets go by itself later."""
    with runbook.bank.at_work() as customers:
        primary, replicas = _nodes(runbook)
        runbook.lab.cut(blackhole=True)
        runbook.lab.kill([primary])
        wait_until(lambda: _said(runbook, replicas, GAVE_UP) >= REFUSALS, "the gate has refused again")
        before, until_s = customers.count(), time.monotonic() + runbook.desk.topology.policy.ttl_s

        assert _said(runbook, replicas, SILENT)
        while time.monotonic() < until_s:
            assert not any(map(runbook.takes_writes, replicas))
            time.sleep(0.5)
        assert customers.count() == before

        _open_link(runbook)
        customers.wait_for_more(20)
    runbook.lab.heal()
    runbook.until_well()


def test_t24_a_big_commit_under_way_leaves_no_site_without_a_leader(runbook: Runbook) -> None:
    """10 MB are on the primary alone when its node is killed: those who lack them are let lead (pitfall 6).

    Nobody was answered for the batch, and it is nowhere, also when the node comes back.
    """
    with runbook.bank.at_work() as customers:
        primary, replicas = _nodes(runbook)
        _make_table(runbook, primary)
        runbook.lab.cut(blackhole=True)
        with _parted(runbook, primary, replicas), _batch(runbook, primary):
            wait_until(lambda: _lag(runbook, primary, replicas) > 9 * MIB, "the primary has told how far it is")
            assert runbook.one(primary, WAITS)
            runbook.lab.kill([primary])
        _open_link(runbook)

        customers.wait_for_more(20)
        assert runbook.one(str(runbook.leader("a")), COUNT) == 0
        runbook.lab.heal()
        runbook.until_well()
        assert runbook.one(primary, COUNT) == 0


def _nodes(runbook: Runbook) -> tuple[str, list[str]]:
    """The primary and the other nodes of a."""
    primary = runbook.leader("a")
    assert primary is not None
    return primary, [node.name for node in runbook.desk.topology.site("a").nodes if node.name != primary]


def _make_table(runbook: Runbook, primary: str) -> None:
    with runbook.desk.database(runbook.node(primary), "kanjo") as connection:
        connection.execute(MAKE)


@contextmanager
def _batch(runbook: Runbook, primary: str) -> Iterator[None]:
    """A big commit is under way, and is never answered."""

    node = runbook.node(primary)

    def load() -> None:
        with pytest.raises(psycopg.OperationalError), runbook.desk.database(node, "kanjo") as connection:
            connection.execute(BATCH)

    loading = threading.Thread(target=load)
    loading.start()
    yield
    loading.join()


@contextmanager
def _parted(runbook: Runbook, primary: str, replicas: Sequence[str]) -> Iterator[None]:
    """No log flows inside the site: the senders stand still, and those who would miss it and connect anew."""
    with runbook.desk.database(runbook.node(primary)) as connection:
        for [pid] in connection.execute(SENDERS, (replicas,)).fetchall():
            os.kill(pid, signal.SIGSTOP)
    receivers = [runbook.one(node, RECEIVER) for node in replicas]
    for pid in receivers:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in receivers:
            os.kill(pid, signal.SIGCONT)


def _lag(runbook: Runbook, primary: str, replicas: Sequence[str]) -> int:
    """How far every replica is behind, as whoever wants to lead would judge it; 0 while that is not known."""
    told = runbook.desk.ask(runbook.node(primary), "/cluster") or {"members": []}
    return min((int(one.get("lag") or 0) for one in told["members"] if one["name"] in replicas), default=0)


def _open_link(runbook: Runbook) -> None:
    for site in runbook.desk.topology.sites:
        runbook.desk.link(site.name).heal(by="lab", reason="healed")


def _said(runbook: Runbook, nodes: Sequence[str], words: str) -> int:
    """How often their logs have these words."""
    return sum(runbook.said(node, words) for node in nodes)
