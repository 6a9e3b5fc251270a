"""Commits in doubt: an answer leaves only when the commit is where the policy wants it, and is the one of its key."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from banks import MONDAY, TUESDAY, PostgresBank, key, number, postgres_bank
from cuts import wait_until
from kanjo import db, ledger
from kanjo.cli.opened import store_in
from kanjo.db import PASSING, connect
from kanjo.errors import Refused, SystemFailed
from kanjo.ledger import (
    Batcher,
    OutcomeUnknown,
    PostgresStore,
    Snapshot,
    StoreAway,
    business_date,
    deposit,
    until_known,
)

ACCOUNT = number(1)
DEADLINE_S = 20.0
NOBODY = "a server that does not exist"


class Site:
    """A server of its own, whose commits wait for another one as long as `alone` was not called."""

    def __init__(self, database: db.Database) -> None:
        self.database = database
        self.owner = database.connect(role="owner", autocommit=True)

    def open(self) -> PostgresStore:
        return PostgresStore(self.database.connect(autocommit=True))

    def waits(self) -> None:
        self._wait_for(f'"{NOBODY}"')

    def alone(self) -> None:
        self._wait_for("")

    def _wait_for(self, names: str) -> None:
        self.owner.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        self.owner.execute("SELECT pg_reload_conf()")
        self._until("SELECT count(*) FROM pg_settings WHERE name = 'synchronous_standby_names' AND setting = %s", names)
        time.sleep(0.1)  # the checkpointer hands it to those who wait

    def waiting_pid(self, but: int = 0) -> int:
        """The one whose COMMIT waits for another server; a door that asks again does so on another connection."""
        return self._until("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND pid <> %s", but)

    def waiting_count(self) -> int:
        """How many wait so."""
        return self._until("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")

    def call_off(self, pid: int) -> None:
        """End its wait, as an operator may."""
        self.owner.execute("SELECT pg_cancel_backend(%s)", (pid,))

    def hang_up(self, pid: int) -> None:
        self.owner.execute("SELECT pg_terminate_backend(%s)", (pid,))

    def _until(self, query: str, *values: object) -> int:
        until_s = time.monotonic() + DEADLINE_S
        while (row := self.owner.execute(query, values).fetchone()) is None or not row[0]:
            assert time.monotonic() < until_s, query
            time.sleep(0.01)
        return int(row[0])


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A server whose settings may be changed: no other test is on it."""
    with tempfile.TemporaryDirectory(prefix="kanjo-site-") as folder:
        Path(folder).chmod(0o711)
        with db.database(Path(folder)) as database:
            ledger.ensure_partitions(database, MONDAY)
            found = Site(database)
            yield found
            found.alone()
            found.owner.close()


@pytest.fixture
def bank(site: Site) -> Iterator[PostgresBank]:
    """Its ledger on Monday."""
    site.alone()
    with postgres_bank(site.database) as found:
        found.account(ACCOUNT, 100)
        yield found
        site.alone()


def _in_background(work: object) -> Future[object]:
    pool = ThreadPoolExecutor(1)
    found = pool.submit(work)  # type: ignore[arg-type]
    pool.shutdown(wait=False)
    return found


@pytest.mark.parametrize("broken_off", ["cancelled", "killed"])
def test_a_commit_that_nobody_confirmed_is_no_answer(broken_off: str, site: Site, bank: PostgresBank) -> None:
    """COMMIT returned with a warning (01000), or its backend died: it stands here, and perhaps nowhere else."""
    store = site.open()
    site.waits()
    posting = _in_background(lambda: ledger.post(store, [deposit("c", key(1), ACCOUNT, 5)]))
    (site.call_off if broken_off == "cancelled" else site.hang_up)(site.waiting_pid())

    error = posting.exception(DEADLINE_S)

    assert isinstance(error, OutcomeUnknown) and error.committing
    assert bank.balances()[ACCOUNT].balance_yen == 105
    store.connection.close()


@pytest.mark.parametrize("broken_off", ["cancelled", "killed"])
def test_a_door_resolves_it_by_the_key_and_answers_once_it_is_confirmed(
    broken_off: str, site: Site, bank: PostgresBank
) -> None:
    """Found by its key it is still on this server only: the answer waits until the other one has it."""
    site.waits()
    with Batcher(site.open) as batcher:
        asked = batcher.submit(deposit("c", key(1), ACCOUNT, 5))
        first = site.waiting_pid()
        (site.call_off if broken_off == "cancelled" else site.hang_up)(first)
        site.waiting_pid(but=first)  # it was found by its key, and that waits again
        time.sleep(0.3)
        is_answered = asked.done()
        site.alone()
        answer = asked.result(DEADLINE_S)

    assert not is_answered
    assert isinstance(answer, ledger.Outcome) and answer.accepted and answer.replayed and answer.resolved
    assert bank.balances()[ACCOUNT].balance_yen == 105


def test_what_is_only_read_is_told_behind_a_commit_that_waits(site: Site, bank: PostgresBank) -> None:
    """R4: an enquiry may show what this site alone has; so may a repeated key, also one that locks no account."""
    asked = [deposit("c", key(1), ACCOUNT, 5), deposit("c", key(2), number(99), 5)]
    first = ledger.post(site.open(), asked)
    site.waits()
    with Batcher(site.open, threads=3) as batcher:
        waiting = []
        for one in [*asked, ledger.Enquiry(ACCOUNT)]:
            waiting.append(batcher.submit(one))
            time.sleep(0.2)  # each in a commit of its own
        answered = [one.done() for one in waiting]
        site.alone()
        *again, shown = [one.result(DEADLINE_S) for one in waiting]

    assert answered == [False] * 3
    assert isinstance(shown, Snapshot) and shown.balance_yen == 105
    assert [msgspec.structs.replace(one, replayed=True) for one in first] == again


@pytest.mark.parametrize("refused", [False, True])
def test_what_a_command_read_is_told_once_it_is_known_everywhere(refused: bool, site: Site, bank: PostgresBank) -> None:
    """Also a refusal: "loaded already" is how somebody finds a lost answer again, and this site may have it alone."""

    def command() -> None:
        with store_in(site.database) as store:
            if refused:
                raise Refused("duplicate-file", "the same content is loaded")
            assert business_date(store.connection) == MONDAY

    site.waits()
    told = _in_background(command)
    site.waiting_pid()
    is_told = told.done()
    site.alone()
    error = told.exception(DEADLINE_S)

    assert not is_told
    assert isinstance(error, Refused) if refused else error is None


def test_a_date_that_is_open_already_is_told_once_it_is_known_everywhere(site: Site, bank: PostgresBank) -> None:
    """The first `day open` may have been committed here alone."""
    site.waits()
    told = _in_background(lambda: ledger.open_day(site.database, MONDAY))
    site.waiting_pid()
    is_told = told.done()
    site.alone()

    assert not is_told
    assert isinstance(told.exception(DEADLINE_S), Refused)


def test_a_command_leaves_a_server_whose_commits_wait(
    monkeypatch: pytest.MonkeyPatch, site: Site, bank: PostgresBank
) -> None:
    """Whatever it told from there nobody else may have."""
    monkeypatch.setattr(connect, "STUCK_S", 0.5)
    store = site.open()
    site.waits()
    posting = _in_background(lambda: ledger.post(store, [deposit("c", key(1), ACCOUNT, 5)]))
    site.waiting_pid()
    time.sleep(1)

    with pytest.raises(SystemFailed) as failed, store_in(site.database):
        pass

    site.alone()
    posting.result(DEADLINE_S)
    store.connection.close()
    assert failed.value.code == "commits-stuck"


def test_who_is_interrupted_cancels_no_commit(site: Site, bank: PostgresBank) -> None:
    """Pitfall 2: a COMMIT whose wait is cancelled stands here at once, and perhaps nowhere else."""
    store = site.open()
    site.waits()

    def interrupt() -> int:
        waiting = site.waiting_pid()
        os.kill(os.getpid(), signal.SIGINT)
        return waiting

    interrupting = _in_background(interrupt)
    with pytest.raises(KeyboardInterrupt):
        ledger.post(store, [deposit("c", key(1), ACCOUNT, 5)])
    time.sleep(0.5)

    assert store.connection.closed
    assert site.waiting_pid() == interrupting.result(DEADLINE_S)
    assert bank.balances()[ACCOUNT].balance_yen == 100
    site.alone()


def test_a_single_server_writes_nothing_for_an_enquiry(site: Site, bank: PostgresBank) -> None:
    """Where nobody is waited for, reading stays reading."""
    before = site.owner.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
    store = site.open()
    for _ in range(20):
        ledger.enquire(store, ACCOUNT)
    written = site.owner.execute("SELECT pg_current_wal_insert_lsn() - %s::pg_lsn", before).fetchone()
    store.connection.close()
    assert written is not None and written[0] < 20 * 100  # locks of the account's row, no commits of it


@pytest.mark.parametrize(
    ("level", "demanded"), [("local", "on"), ("off", "local"), ("on", "remote_apply"), ("on", "yes")]
)
def test_a_session_that_lowered_its_commit_posts_nothing(
    level: str, demanded: str, site: Site, bank: PostgresBank
) -> None:
    """Pitfall: synchronous_commit is anybody's to set; what the server demands is looked at in every posting.

    A demand that names no level blames no instruction and no item either: nothing is posted until it is corrected.
    """
    store = site.open()
    store.connection.execute(f"SET kanjo.synchronous_commit = '{demanded}'")
    store.connection.execute(f"SET synchronous_commit = '{level}'")

    with pytest.raises(ledger.CommitTooWeak, match=f"is {level} here, and this server demands {demanded}"):
        ledger.post(store, [deposit("c", key(1), ACCOUNT, 5)])
    store.connection.execute("SET kanjo.synchronous_commit = 'remote_apply'")
    store.connection.execute("SET synchronous_commit = 'remote_apply'")
    [answer] = ledger.post(store, [deposit("c", key(1), ACCOUNT, 5)])

    assert isinstance(answer, ledger.Outcome) and answer.accepted and not answer.replayed
    store.connection.close()


def test_a_session_that_lowered_its_commit_opens_no_date(site: Site, bank: PostgresBank) -> None:
    """The first date posts opening entries (C-6), and every later one decides what is due: it is an answer too."""
    options = {"options": "-c synchronous_commit=local -c kanjo.synchronous_commit=on"}
    lowered = db.Database(make_conninfo(site.database.url, **options), embedded=False, server_version=180000)

    with pytest.raises(ledger.CommitTooWeak, match="is local here, and this server demands on"):
        ledger.open_day(lowered, TUESDAY)

    with site.database.connect(autocommit=True) as connection:
        assert business_date(connection) == MONDAY
    assert ledger.open_day(site.database, TUESDAY) == MONDAY


def test_a_lost_line_is_nothing_that_callers_notice(site: Site, bank: PostgresBank) -> None:
    """While callers ask, every session of the door is killed again and again: each has its one outcome."""
    over = threading.Event()

    def kill() -> None:
        with site.database.connect(role="owner", autocommit=True) as connection:
            while not over.wait(0.05):
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'door'"
                )

    def open_store() -> PostgresStore:
        store = site.open()
        store.connection.execute("SET application_name = 'door'")
        return store

    killing = _in_background(kill)
    with Batcher(open_store, threads=2) as batcher:
        asked = [batcher.submit(deposit("c", key(place), ACCOUNT, 1)) for place in range(500)]
        answers = []
        for place in range(500):
            answers.append(asked[place].result(60))
            asked.append(batcher.submit(deposit("c", key(500 + place), ACCOUNT, 1)))
        answers.extend(one.result(60) for one in asked[500:])
        over.set()
        killing.result(DEADLINE_S)

    assert all(isinstance(answer, ledger.Outcome) and answer.accepted for answer in answers)
    assert bank.balances()[ACCOUNT].balance_yen == 1_100


def test_a_frozen_server_is_given_up(site: Site, bank: PostgresBank) -> None:
    """Its connections stay open and say nothing, for ever: another one answers, and the thawed one does nothing."""
    opened: list[PostgresStore] = []

    def open_store() -> PostgresStore:
        opened.append(ledger.store_of(site.database, silent_s=1.0))
        return opened[-1]

    with Batcher(open_store, threads=1) as batcher:
        batcher.post(deposit("c", key(1), ACCOUNT, 1))
        frozen = opened[0].connection.info.backend_pid
        os.kill(frozen, signal.SIGSTOP)
        try:
            answer = batcher.submit(deposit("c", key(2), ACCOUNT, 1)).result(DEADLINE_S)
        finally:
            os.kill(frozen, signal.SIGCONT)

    assert isinstance(answer, ledger.Outcome) and answer.accepted and not answer.replayed
    assert len(opened) == 2 and opened[0].connection.closed
    wait_until(lambda: not Path(f"/proc/{frozen}").exists(), "the frozen one ends", DEADLINE_S)
    assert bank.balances()[ACCOUNT].balance_yen == 102


def test_a_server_whose_commits_wait_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, site: Site, bank: PostgresBank, database: db.Database
) -> None:
    """A primary behind a cut link lets everybody in and answers nobody: the one in the other site does, by itself."""
    monkeypatch.setattr(connect, "STUCK_S", 0.5)
    hosts = ",".join(str(conninfo_to_dict(one.url)["host"]) for one in (site.database, database))
    url = make_conninfo(site.database.url, host=hosts, port="5432,5432", hostaddr="", dbname=database.name)
    both = db.Database(url, False, database.server_version)
    with both.named(site.database.name).connect() as connection:
        assert connection.info.host == hosts.split(",")[0]
    site.owner.execute("CREATE DATABASE only_here")
    site.waits()
    with ThreadPoolExecutor(1) as door:
        asking = door.submit(ledger.post, site.open(), [deposit("c", key(1), ACCOUNT, 5)])
        site.waiting_pid()
        time.sleep(1)

        with pytest.raises(SystemFailed) as alone:
            site.database.connect(to_post=True)
        with pytest.raises(SystemFailed) as no_other:  # the other server has no such database
            both.named("only_here").connect(to_post=True)
        with both.connect(to_post=True) as connection:
            found = connection.info.host
        with site.database.connect() as looking:  # whoever only looks is let in
            assert looking.info.host == hosts.split(",")[0]

        assert no_other.value.code == alone.value.code == "commits-stuck" and alone.value.code in PASSING
        assert found == hosts.split(",")[1]
        site.alone()
        asking.result(DEADLINE_S)
    site.database.connect(to_post=True).close()


def test_a_door_that_nobody_confirms_leaves_few_sessions_behind(
    monkeypatch: pytest.MonkeyPatch, site: Site, bank: PostgresBank
) -> None:
    """Each that it gave up waits on in the server: were there one for each try, no connection would be left."""
    monkeypatch.setattr(connect, "STUCK_S", 0.5)
    site.waits()
    with Batcher(lambda: ledger.store_of(site.database, silent_s=0.7), threads=2) as batcher:
        asked = [batcher.submit(deposit("c", key(place), ACCOUNT, 1)) for place in range(4)]
        time.sleep(4)
        waiting = site.waiting_count()
        site.alone()
        answers = [one.result(DEADLINE_S) for one in asked]

    assert 1 <= waiting <= 2
    assert all(isinstance(answer, ledger.Outcome) and answer.accepted for answer in answers)
    assert bank.balances()[ACCOUNT].balance_yen == 104


def test_patience_ends_with_what_was_most_in_doubt() -> None:
    """Whoever gives up hears that it may have been committed, though the last try did not even connect."""
    tries = iter([OutcomeUnknown("lost"), StoreAway("gone"), SystemFailed("database-unreachable", "gone")])

    def attempt() -> None:
        raise next(tries, StoreAway("gone"))

    with pytest.raises(OutcomeUnknown, match="lost"):
        until_known(attempt, patience_s=0.5)


def test_what_is_no_doubt_is_told_at_once() -> None:
    """A wrong password is not mended by waiting; nor is a first connection that cannot be had."""
    errors: list[Exception] = [
        ledger.StoreFailed("full"),
        SystemFailed("database-unreachable", "gone"),
        psycopg.errors.DiskFull("full"),
    ]
    for error in errors:

        def attempt(error: Exception = error) -> None:
            raise error

        began_s = time.monotonic()
        with pytest.raises(type(error)):
            until_known(attempt)
        assert time.monotonic() - began_s < 5


def test_a_door_that_closes_tells_those_who_wait_for_a_database_that_is_away() -> None:
    """It does not sit out its patience."""

    def open_store() -> ledger.MemoryStore:
        raise SystemFailed("database-unreachable", "gone")

    batcher = Batcher(open_store, threads=1)
    asked = batcher.submit(deposit("c", key(1), ACCOUNT, 1))
    time.sleep(0.2)
    began_s = time.monotonic()
    batcher.close()

    assert time.monotonic() - began_s < 5
    with pytest.raises(StoreAway, match="gone"):
        asked.result(0)
