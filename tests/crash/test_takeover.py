"""The primary dies under load and its copy takes over: doors and workers find it by themselves, and nothing answered is
lost. Two servers, one replicating the other, without anything that elects: the test is the operator.
"""

from __future__ import annotations

import itertools
import random
import shutil
import signal
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from assassin import children, signal_all, wait_for
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from banks import key
from kanjo import backup, centercut, check, db, ledger, transfers
from kanjo.cli.cut_start import start_and_wait
from kanjo.db import binaries, settings
from kanjo.db import home as homes
from kanjo.db.account import server_account
from kanjo.demo.town import Town
from kanjo.ledger import Answer, Asked, Batcher, Enquiry, Outcome, PostgresStore, Snapshot

MONDAY, TUESDAY = date(2026, 8, 24), date(2026, 8, 25)
CLIENT = "takeover"
ACCOUNTS = 4_000
CALLERS = 8
RATE_PER_S = 1_000.0
"""Slow enough that the cut is in the middle when the primary dies."""


class Pair(NamedTuple):
    """A primary, its copy, and the database as whoever does not care which of them is the primary names it."""

    first: Path
    second: Path
    database: db.Database


@pytest.fixture
def pair(places: Path) -> Iterator[Pair]:
    """A town's ledger on Monday, with Tuesday's payroll loaded; each commit waits for the copy."""
    town = Town(ACCOUNTS)
    first, second = places / "first", places / "second"
    with ExitStack() as stack:
        primary = stack.enter_context(db.database(first))
        store = PostgresStore(stack.enter_context(primary.connect(autocommit=True)))
        ledger.import_accounts(store, town.csv_lines(), name="town.csv")
        ledger.open_day(primary, MONDAY)
        town.write_payroll(places / "wages.txt", TUESDAY)
        business = centercut.business_named(transfers.business_of_file(places / "wages.txt"))
        centercut.load(store, business, places / "wages.txt", now=datetime.now(UTC))
        _copy(primary, first, second)
        copy = stack.enter_context(db.database(second))
        with primary.connect(role="owner", autocommit=True) as owner:
            owner.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            owner.execute("SELECT pg_reload_conf()")
            wait_for(lambda: _one(owner, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"), "sync")
        hosts = ",".join(str(conninfo_to_dict(one.url)["host"]) for one in (primary, copy))
        closed = stack.enter_context(_turns_away())
        url = make_conninfo(
            primary.url,
            host=f"127.0.0.1,{hosts}",
            port=f"{closed},5432,5432",
            hostaddr="",
            target_session_attrs="read-write",
        )
        yield Pair(first, second, db.Database(url, embedded=False, server_version=primary.server_version))
    for home in (first, second):
        shutil.rmtree(home)


@contextmanager
def _turns_away() -> Iterator[int]:
    """The port of one who hangs up at once: an entrance (HAProxy) whose site has no primary."""

    class HangUp(socketserver.BaseRequestHandler):
        pass

    with socketserver.TCPServer(("127.0.0.1", 0), HangUp) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        yield server.server_address[1]
        server.shutdown()


def _copy(primary: db.Database, first: Path, second: Path) -> None:
    """Make the home of a server that follows the primary."""
    second.mkdir(mode=0o711)
    account = server_account(first / "data")
    data = second / "data"
    data.mkdir()
    account.give(data)
    with (first / "etc" / "pg_ident.conf").open("a") as map_of_users:
        map_of_users.write(f"kanjo {account.name} {settings.SUPERUSER}\n")  # the copy is a user of the primary
    with primary.connect(role="owner", autocommit=True) as owner:
        owner.execute("SELECT pg_reload_conf()")
    programs = binaries.programs(homes.choose(first), account)
    command = [str(programs / "pg_basebackup"), "--pgdata", str(data), "--checkpoint=fast", "--write-recovery-conf"]
    subprocess.run(
        [*command, "--dbname", make_conninfo(primary.url, requirepeer="")],
        check=True,
        capture_output=True,
        **account.spawning(),
    )


def _one(connection: psycopg.Connection[Any], query: str) -> Any:
    row = connection.execute(query).fetchone()
    return row and row[0]


def _kill_server(home: Path) -> None:
    """All of its processes, at once: nothing is written any more, and nobody starts it again."""
    postmaster = int((home / "data" / "postmaster.pid").read_text().split()[0])
    signal_all([postmaster], signal.SIGSTOP)
    signal_all([*children(postmaster, b"postgres"), postmaster])


def _ask(caller: int, turn: int, numbers: list[int]) -> Asked:
    chance = random.Random(caller * 1_000_003 + turn)
    one, other = chance.sample(numbers, 2)
    named = key(f"{caller}/{turn}")
    match turn % 4:
        case 0:
            return Enquiry(one)
        case 1:
            return ledger.transfer(CLIENT, named, one, other, chance.randint(1, 300))
        case 2:
            return ledger.withdrawal(CLIENT, named, one, chance.randint(1, 300))
    return ledger.deposit(CLIENT, key(f"{caller}/{turn - 1}") if turn % 8 == 3 else named, one, 5)


def _call(post: Callable[..., Answer], caller: int, numbers: list[int], over: threading.Event) -> int:
    """Ask until it is over; every call has its answer, whatever becomes of servers. Returns how many."""
    for turn in itertools.count():
        if over.is_set():
            return turn
        assert isinstance(post(_ask(caller, turn, numbers), caller=f"caller-{caller}"), Outcome | Snapshot)
    raise AssertionError


def test_law_4_holds_through_a_takeover(pair: Pair, places: Path) -> None:
    """Callers only wait; `cut start` finishes on the new primary; all that was answered stands there, in order."""
    numbers = Town(ACCOUNTS).numbers()[:50].tolist()
    history = places / "takeover.jsonl"
    over = threading.Event()
    database = pair.database

    def open_store() -> PostgresStore:
        return ledger.store_of(database)

    with (
        Batcher(open_store) as batcher,
        check.Recorder(batcher.post, history, complete=[CLIENT]) as recorder,
        ThreadPoolExecutor(CALLERS + 1) as threads,
    ):
        try:
            callers = [threads.submit(_call, recorder.post, number, numbers, over) for number in range(CALLERS)]
            time.sleep(0.3)
            ledger.open_day(database, TUESDAY)
            store = open_store()
            [run] = [status.row.run for status in centercut.status(store, None, datetime.now(UTC))]
            store.close()
            orders = centercut.Orders(runs=[run], ceiling_items_per_s=RATE_PER_S / 2)
            operator = threads.submit(start_and_wait, database, [run], workers=2, orders=orders)
            time.sleep(2)
            _kill_server(pair.first)
            time.sleep(1)
            with db.database(pair.second, migrate=False) as copy, copy.connect(role="owner", autocommit=True) as owner:
                assert _one(owner, "SELECT pg_is_in_recovery()")
                assert _one(owner, "SELECT pg_promote()")
                left = _one(owner, "SELECT count(*) FROM centercut.slice WHERE NOT done")
                assert operator.result(60).content["runs"][0]["state"] == "completed"
        finally:
            over.set()
        answered = sum(caller.result(60) for caller in callers)
    assert left, "the cut was over before the primary died"
    with database.connect(autocommit=True) as connection:
        proof = check.prove(connection, history=check.read_histories([history]))
    assert [violation for law in proof.laws for violation in law.violations] == []
    assert proof.ok and proof.pending_count == 0
    assert answered > 200


@pytest.fixture
def kept(places: Path) -> Iterator[Path]:
    """A folder for a store and what is restored from it, of one test alone."""
    folder = places / "kept"
    folder.mkdir(mode=0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("slot", ["of the store", "of both servers"])
def test_a_backup_goes_on_with_the_server_that_took_over(pair: Pair, kept: Path, slot: str) -> None:
    """The log is drawn from one primary, then from the next: moments before and after the takeover are brought back.
    What is backed up from the next one is soon only what changed, whether the slot was made anew there or kept.
    """
    store = backup.Store(kept / "store")

    def keep_slot() -> None:
        """As Patroni does on each node that takes over."""
        if slot == "of both servers":
            with pair.database.connect(role="owner", autocommit=True) as owner:
                owner.execute("SELECT pg_create_physical_replication_slot('kanjo_backup', true)")

    keep_slot()
    backup.create(pair.database, store, _silent)
    moments = [_deposit(pair, "before")]
    backup.draw(pair.database, store)
    moments.append(_deposit(pair, "drawn from the copy"))
    _kill_server(pair.first)
    _promote(pair)
    moments.append(_deposit(pair, "after"))
    keep_slot()
    backup.create(pair.database, store, _silent)
    moments.append(_deposit(pair, "last"))
    backup.create(pair.database, store, _silent)

    assert backup.verify(store).ok
    first, second, third = store.backups()
    assert (first.timeline, second.timeline, third.timeline) == (1, 2, 2) and third.parent == second.id
    for count, moment in enumerate(moments, 1):
        report = backup.restore(store, moment, kept / f"restored-{count}", _silent)
        assert report.check_ok and report.later_count == len(moments) - count


def test_what_the_store_alone_has_of_a_lost_server_is_passed_over(pair: Pair, kept: Path) -> None:
    """Drawn from the first while the copy was away: nobody was answered for it, and life went on without it."""
    store = backup.Store(kept / "store")
    backup.create(pair.database, store, _silent)
    before = _deposit(pair, "before")
    with db.database(pair.second, migrate=False) as copy, copy.connect(role="owner", autocommit=True) as owner:
        owner.execute("ALTER SYSTEM SET primary_conninfo = ''")
        owner.execute("SELECT pg_reload_conf()")
        wait_for(lambda: not _one(owner, "SELECT count(*) FROM pg_stat_wal_receiver"), "the copy away")
    _deposit(pair, "of the lost server", synchronous_commit="local")
    backup.draw(pair.database, store)
    _kill_server(pair.first)
    _promote(pair)
    after = _deposit(pair, "after")
    backup.draw(pair.database, store)

    assert backup.verify(store).ok
    report = backup.restore(store, before, kept / "before", _silent)
    said = (kept / "before" / "data" / "postgresql.auto.conf").read_text()
    assert "synchronous_standby_names" not in said, "it waits for nobody, and for whomever it is told to later"
    assert [one.key for one in report.later] == [str(key("after"))]
    report = backup.restore(store, after, kept / "after", _silent)
    assert report.check_ok and report.later == ()


def _deposit(pair: Pair, turn: str, synchronous_commit: str = "on") -> datetime:
    """An answer under that key; returns the moment behind it."""
    number = Town(ACCOUNTS).numbers()[0].item()

    def door() -> PostgresStore:
        connection = pair.database.connect(autocommit=True)
        connection.execute(f"SET synchronous_commit = {synchronous_commit}")
        return PostgresStore(connection)

    with Batcher(door) as batcher:
        assert isinstance(batcher.post(ledger.deposit(CLIENT, key(turn), number, 5)), Outcome)
    return datetime.now(UTC)


def _promote(pair: Pair) -> None:
    """The copy is the primary now, and waits for nobody."""
    with db.database(pair.second, migrate=False) as copy, copy.connect(role="owner", autocommit=True) as owner:
        owner.execute("ALTER SYSTEM RESET synchronous_standby_names")
        assert _one(owner, "SELECT pg_promote()")


def _silent(_: str) -> None:
    pass
