"""The ghost acknowledgement (pitfall 1): on plain servers it loses what was answered; with gate and launcher nothing.

Site a has a1 and a2, site b has b1; a commit waits for both copies. The sender to a2 stands still, a batch reaches b1
only, a1 dies: b1 is ahead of a2, and a2 is promoted. Here the test is the operator; T15 is the same under Patroni.
`pytest -n 0 --log-cli-level=INFO` on this file shows the figures of docs/explanation/ghost-acknowledgement.md.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import statistics
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from plain_servers import Ground, Server, ground
from waiting import wait_until

from kanjo.sites.catch_up import catch_up
from kanjo.sites.decision import CatchUp, Decision, Facts, Promote
from kanjo.sites.facts import gather
from kanjo.sites.gate import may_promote
from kanjo.sites.guard import Guard
from kanjo.sites.identify import identify
from kanjo.sites.identity import Identity, lsn_of, position_of
from kanjo.sites.names import HOLD
from kanjo.sites.node_file import Link, NodeFile, OurKeys, RegisterAddress
from kanjo.sites.register.state import RegisterState

logger = logging.getLogger(__name__)

SEGMENT = 16 << 20
BATCH_ROWS = 9_000
BATCH = f"INSERT INTO batch SELECT n, repeat('x', 60) FROM generate_series(1, {BATCH_ROWS}) n"  # 1.6 MB of log
FLUSHED = "SELECT pg_current_wal_flush_lsn()::text"
REPLAYED = "SELECT pg_last_wal_replay_lsn()::text"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
SENDER = "SELECT pid FROM pg_stat_replication WHERE application_name = %s"
COUNTED = 'standby "b1" is now a synchronous standby'
AHEAD = "before current recovery point"
REQUIRED = {"remote_sync": {"names": "b1", "mode": "required"}, "synchronous_mode": True}


class Bank:
    """Three servers of two sites."""

    def __init__(self, place: Ground) -> None:
        self.a1 = place.first("a1")
        self.a2, self.b1 = Server(place, "a2"), Server(place, "b1")

    def come_to_the_fault(self, *, same_segment: bool = True) -> None:
        """a1 is dead, b1 ahead of a2, and a2 not promoted yet; nobody was answered for what b1 alone has."""
        self.a1.start()
        for copy in (self.a2, self.b1):
            copy.copy_of(self.a1)
            copy.start()
        for table in ("batch", "answered"):
            with self.a1.connect() as connection:
                connection.execute(f"CREATE TABLE {table} (id bigint PRIMARY KEY, note text NOT NULL)")
        wait_until(lambda: self.a1.one(FLUSHED) == self.a2.one(REPLAYED) == self.b1.one(REPLAYED), "copies")
        self.a1.set("synchronous_standby_names", "FIRST 2 (a2,b1)")
        os.kill(self.a1.one(SENDER, "a2"), signal.SIGSTOP)
        batch = threading.Thread(target=self._load)
        batch.start()
        wait_until(lambda: self.a1.one(WAITING), "the batch waits")
        if not same_segment:
            self.a1.one("SELECT pg_switch_wal()")
        wait_until(lambda: self.a1.one(FLUSHED) == self.b1.one(REPLAYED), "b1 has the batch")
        self.a1.kill()
        batch.join()
        fork, ahead = position_of(self.a2.one(REPLAYED)), position_of(self.b1.one(REPLAYED))
        assert fork < ahead and (fork // SEGMENT == ahead // SEGMENT) is same_segment
        logger.info("a2 at %s, b1 at %s: %d bytes ahead", lsn_of(fork), lsn_of(ahead), ahead - fork)

    def _load(self) -> None:
        with pytest.raises(psycopg.OperationalError), self.a1.connect() as connection:
            connection.execute(BATCH)

    def promoted(self, names: str) -> None:
        """The failover: a2 serves, and b1 follows it."""
        self.a2.set("synchronous_standby_names", names)
        self.a2.promote()
        self.b1.follow(self.a2)

    def kill(self) -> None:
        for server in (self.a1, self.a2, self.b1):
            server.kill()


class Customer:
    """Writes one row after the other and remembers what was answered, until the server is gone."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.latencies_s: list[float] = []
        self._thread = threading.Thread(target=self._call, daemon=True)
        self._thread.start()

    @property
    def count(self) -> int:
        """How many rows were answered: these, from 0 on."""
        return len(self.latencies_s)

    def lost(self, server: Server) -> int:
        """How many of them a server does not have."""
        return self.count - int(server.one("SELECT count(*) FROM answered WHERE id < %s", self.count))

    def until_waits(self) -> None:
        """Nobody releases it any more: what could was killed or stands still."""
        wait_until(lambda: self._server.one(WAITING), "the customer waits")

    def end(self) -> None:
        self._thread.join()

    def _call(self) -> None:
        with contextlib.suppress(psycopg.OperationalError), self._server.connect() as connection:
            while True:
                row = (self.count, "y" * 1_000)
                began_s = time.monotonic()
                connection.execute("INSERT INTO answered VALUES (%s, %s)", row)
                self.latencies_s.append(time.monotonic() - began_s)


@pytest.fixture
def bank() -> Iterator[Bank]:
    """Gone afterwards whatever happens."""
    with ground() as place:
        found = Bank(place)
        try:
            yield found
        finally:
            found.kill()


def test_stock_postgresql_answers_for_what_nobody_else_has(bank: Bank) -> None:
    """b1 comes once, and is dead when the customer does: a2, alone in the world, answers, and all of it is lost."""
    bank.come_to_the_fault()
    bank.promoted("FIRST 1 (b1)")
    wait_until(lambda: bank.a2.said(COUNTED), "b1 counts")
    ahead = position_of(bank.b1.one(REPLAYED))
    bank.b1.kill()

    customer = Customer(bank.a2)
    customer.until_waits()

    assert customer.count > 500
    assert 0 < position_of(bank.a2.one(FLUSHED)) - ahead < 16_384, "it answers exactly as far as b1 was ahead"
    assert bank.a2.one("SELECT count(*) FROM pg_stat_replication") == 0
    bank.a2.kill()
    customer.end()
    bank.b1.start()
    bank.b1.promote()
    lost, took_s = customer.lost(bank.b1), customer.latencies_s
    first_ms, median_ms = 1e3 * took_s[0], 1e3 * statistics.median(took_s)
    logger.info("%d answers, the first in %.1f ms, median %.2f ms; lost %d", len(took_s), first_ms, median_ms, lost)
    assert lost == customer.count


def test_a_rule_made_after_the_ghost_comes_too_late(bank: Bank) -> None:
    """What was released once stays released: a name that nobody bears is required, and the customer is answered."""
    bank.come_to_the_fault()
    bank.promoted("FIRST 1 (b1)")
    wait_until(lambda: bank.a2.said(COUNTED), "b1 counts")

    bank.a2.set("synchronous_standby_names", HOLD)
    bank.b1.kill()
    customer = Customer(bank.a2)
    customer.until_waits()

    logger.info("%d answers under %s", customer.count, HOLD)
    assert customer.count > 500
    bank.a2.kill()
    customer.end()


def _assert_nobody_is_answered(bank: Bank) -> None:
    """A customer comes to a2 and waits for as long as it lives: b1 was never counted."""
    customer = Customer(bank.a2)
    customer.until_waits()

    assert customer.count == 0 and not bank.a2.said(COUNTED)
    bank.a2.kill()
    customer.end()


def test_beyond_the_segment_there_is_no_ghost(bank: Bank) -> None:
    """b1 asks for log of the old timeline after the fork, and is refused: it never counts. Small leads do the harm."""
    bank.come_to_the_fault(same_segment=False)
    bank.promoted("FIRST 1 (b1)")
    wait_until(lambda: bank.a2.said("is not in this server's history"), "b1 is refused")

    _assert_nobody_is_answered(bank)


def test_the_launcher_alone_answers_nobody(bank: Bank) -> None:
    """Rule a: it requires an impossible name before the promotion, and as long as b1 is on the old timeline."""
    bank.come_to_the_fault()
    guard = _guard(bank)
    bank.promoted(str(guard.value(None, is_primary=False)))
    guard.forget("promotion")
    wait_until(lambda: bank.b1.said(AHEAD), "b1 came, and is ahead")

    assert guard.see()
    assert guard.value(None, is_primary=True) == HOLD
    _assert_nobody_is_answered(bank)


def test_gate_and_launcher_lose_nothing(bank: Bank) -> None:
    """The gate fetches the batch before a2 is promoted; b1 follows without a rewind; an answer is kept."""
    bank.come_to_the_fault()
    node, said = _node(bank), []

    def log(decision: Decision, facts: Facts, silent: dict[str, str]) -> None:
        said.append(decision)

    def fetch(origin: Identity, until_s: float) -> None:
        began_s = time.monotonic()
        catch_up(node, origin, until_s)
        logger.info("the gate fetched what was missing in %.2f s", time.monotonic() - began_s)

    guard = _guard(bank)
    before = str(guard.value(None, is_primary=False))
    bank.a2.set("synchronous_standby_names", before)
    assert may_promote(lambda: gather(node), fetch, log)
    assert [type(decision) for decision in said] == [CatchUp, Promote]
    bank.promoted(before)
    guard.forget("promotion")
    wait_until(lambda: not guard.see(), "b1 is seen on a2's timeline")
    value = guard.value(None, is_primary=True)
    assert value == "FIRST 1 (b1)"
    bank.a2.set("synchronous_standby_names", value)

    customer = Customer(bank.a2)
    wait_until(lambda: customer.count > 500, "answers")
    os.kill(bank.a2.one(SENDER, "b1"), signal.SIGSTOP)
    customer.until_waits()
    bank.a2.kill()
    customer.end()

    bank.b1.promote()
    logger.info("%d answers; lost %d", customer.count, customer.lost(bank.b1))
    assert customer.lost(bank.b1) == 0
    assert bank.b1.one("SELECT count(*) FROM batch") == BATCH_ROWS
    assert not bank.b1.said(AHEAD)


def register(address: RegisterAddress) -> _Register:
    """The gate finds its register's reader by name."""
    return _Register()


class _Register:
    def read(self) -> RegisterState:
        return RegisterState("a", 1, "required")


def _node(bank: Bank) -> NodeFile:
    """What a2's gate is told; the link reaches b1."""
    a2, b1 = bank.a2.address, bank.b1.address
    return NodeFile(
        name="a2",
        data=str(bank.a2.data),
        host=a2["host"],
        port=a2["port"],
        rest_host=a2["host"],
        rest_port=a2["port"],  # nobody is a Patroni there: the policy is "required"
        superuser=a2["user"],
        replication_role=a2["user"],
        ours=OurKeys(
            site="a",
            link=Link(b1["host"], b1["port"]),
            peers=(),
            passfile=a2["passfile"],
            register=RegisterAddress(host="", port=0, authority="", reader=f"{__name__}:register"),
        ),
    )


def _guard(bank: Bank) -> Guard:
    """What a2's launcher is told."""
    node = _node(bank)
    return Guard(
        lambda: REQUIRED,
        across=lambda: identify(node.across),
        here=lambda: identify(node.here | {"user": node.replication_role}),
    )
