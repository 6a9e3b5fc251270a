"""A bank at work in a lab: customers at a door and a centre cut, whatever becomes of nodes, clouds and the link.

When a day's work is over it is judged, in each site that must have it: by the checker of histories and `kanjo check`.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.conninfo import make_conninfo
from waiting import ANSWER_S_MAX, wait_until

from banks import key
from kanjo import centercut, check, db, ledger, transfers
from kanjo.calendar import JAPAN
from kanjo.demo.town import Town
from kanjo.ledger import Asked, Batcher, Enquiry, Outcome, OutcomeUnknown, PostgresStore, StoreAway, StoreFailed
from kanjo.sites.operate.desk import Desk

MONDAY = date(2026, 8, 24)
TOWN = Town(6_000)
CUSTOMERS = 4
THINK_S = 0.02
ITEMS_PER_S = 100.0
"""Slow enough that the cut is in the middle when something breaks."""
WORKERS = 2
DOOR, WORKER = "kanjo service", "worker"
"""The names of their sessions."""
KANJO = Path(sys.executable).with_name("kanjo")
REPLAY_S_MAX = 20.0
POSITION = "SELECT pg_current_wal_flush_lsn()"
HAS_REPLAYED = "SELECT NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() >= %s::pg_lsn"
RUNS = "SELECT run FROM ledger.run"
KEYS = "SELECT key FROM ledger.request WHERE client = %s"


class Customers:
    """They ask without end, each waits for its answer before it asks again, and it is noted when each answer came.

    They leave with the block whose they are.
    """

    def __init__(self, database: db.Database, name: str, history: Path) -> None:
        self.name, self.history = name, history
        self.heard: list[float] = []
        """When each answer came, enquiries' too."""
        self.answered: list[tuple[float, UUID]] = []
        """Outcomes: when each came, and the key of it."""
        self._numbers = TOWN.numbers()[:60].tolist()
        self._over = threading.Event()
        self._door = Batcher(lambda: ledger.store_of(database))
        self._recorder = check.Recorder(self._door.post, history, complete=[name])
        self._crowd = ThreadPoolExecutor(CUSTOMERS)
        self._asking = [self._crowd.submit(self._ask, customer) for customer in range(CUSTOMERS)]

    def __enter__(self) -> Customers:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def count(self) -> int:
        """How many answers came."""
        return len(self.heard)

    def wait_for_more(self, count: int) -> float:
        """Wait for so many further answers; returns the seconds until the first of them."""
        began_s, before = time.monotonic(), self.count()
        wait_until(lambda: self.count() >= before + count or self._any_gave_up(), f"{count} more answers")
        self._raise()
        return self.heard[before] - began_s

    def wait_unanswered(self, condition: Callable[[], object], what: str) -> None:
        """Nobody is answered before it holds."""
        before = self.count()

        def holds() -> bool:
            now = self.count()  # counted first: an answer may follow at its heels
            if condition():
                return True
            assert now == before, f"{now - before} were answered before: {what}"
            return False

        wait_until(holds, what)

    def silence_s(self, since: int) -> float:
        """The longest time without an answer since there were so many."""
        moments = sorted(self.heard[since - 1 :])
        return max(later - sooner for sooner, later in itertools.pairwise(moments))

    def leave(self) -> None:
        """Ask nothing more; whoever still waits learns that the outcome is not known."""
        self._over.set()
        self._door.close()
        self._crowd.shutdown()
        self._recorder.close()
        self._raise()

    def _any_gave_up(self) -> bool:
        return any(asking.done() for asking in self._asking)

    def _raise(self) -> None:
        for asking in self._asking:
            if asking.done():
                asking.result()

    def _ask(self, customer: int) -> None:
        for turn in itertools.count():
            named, asked = self._asked(customer, turn)
            answer = None
            while answer is None:
                if self._over.wait(THINK_S):
                    return
                try:
                    answer = self._recorder.post(asked, caller=f"{self.name}-{customer}")
                except (OutcomeUnknown, StoreAway):
                    pass  # and comes again with the same key
                except StoreFailed:
                    if not self._over.is_set():  # else the door closed before the customer had asked
                        raise
            now_s = time.monotonic()
            if isinstance(answer, Outcome):
                self.answered.append((now_s, named))
            self.heard.append(now_s)

    def _asked(self, customer: int, turn: int) -> tuple[UUID, Asked]:
        chance = random.Random(customer * 1_000_003 + turn)
        one, other = chance.sample(self._numbers, 2)
        named = key(f"{self.name}/{customer}/{turn}")
        match turn % 8:
            case 0 | 4:
                return named, Enquiry(one)
            case 1 | 5:
                return named, ledger.transfer(self.name, named, one, other, chance.randint(1, 300))
            case 3:  # the withdrawal before it once more: its answer is drawn from a read
                return self._asked(customer, turn - 1)
            case 6:
                return named, ledger.deposit(self.name, named, one, chance.randint(1, 300))
        return named, ledger.withdrawal(self.name, named, one, chance.randint(1, 300))


class Bank:
    """The ledger of a town in both sites; each time it is at work it is the next business day, with its payroll."""

    def __init__(self, url: str, desk: Desk, folder: Path) -> None:
        self.database = db.reach(url, embedded=False)
        self._desk, self._folder, self._today = desk, folder, MONDAY
        with self._store() as store:
            ledger.import_accounts(store, TOWN.csv_lines(), name="town.csv")
        ledger.open_day(self.database, MONDAY)

    @contextmanager
    def at_work(self, items_per_s: float = ITEMS_PER_S, *, by_command: bool = False) -> Iterator[Customers]:
        """A day: customers and a cut are at work while the block runs; afterwards it is finished, and proved.

        `by_command`: the cut is that of one `kanjo cut start`, which must see its end.
        """
        run = self._payday()
        begun = self._by_command if by_command else self._by_crew
        with begun(run, items_per_s) as begin, self.customers(f"{self._today}") as customers:
            customers.wait_for_more(20)
            begin()
            wait_until(lambda: self._settled(run), "the cut begins")
            yield customers
            status, before = self._status(run), self._settled(run)
            assert status.totals.settled < status.row.items, "the cut was over before the scenario was"
            # workers beside a site that is cut off and lives wait half a minute before they do
            wait_until(lambda: self._settled(run) > before, "the cut goes on by itself")
        with self._hastened():
            wait_until(lambda: self._status(run).row.finished is not None, "the run is closed")
        self.prove([customers.history])

    @contextmanager
    def _by_crew(self, run: int, items_per_s: float) -> Iterator[Callable[[], None]]:
        """By workers that stand ready; none of them may die."""

        def begin() -> None:
            with self._store() as store:
                centercut.start(store, [run])

        orders = centercut.Orders(ceiling_items_per_s=items_per_s / WORKERS)
        with centercut.crew_of(self._named(WORKER), orders, WORKERS) as crew:
            yield begin
            assert crew.alive() == WORKERS, crew.last_words()

    @contextmanager
    def _by_command(self, run: int, items_per_s: float) -> Iterator[Callable[[], None]]:
        """By a command, which says in the end that the run is completed."""
        begun: list[subprocess.Popen[str]] = []
        words = ["cut", "start", f"{run}", "--workers", f"{WORKERS}", "--max-rate", f"{items_per_s}"]
        try:
            yield lambda: begun.append(self._command(*words))
            with self._hastened():
                [told] = _reply(begun[0])["runs"]
            assert told["state"] == "completed"
        finally:
            for command in begun:
                command.kill()
                command.communicate()

    def _hastened(self) -> AbstractContextManager[object]:
        """With another worker, whom no rate holds back."""
        return centercut.crew_of(self.database, centercut.Orders(), 1)

    def load_by_command(self) -> int:
        """The payroll of the next business day; its run."""
        [told] = _reply(self._command("cut", "load", f"{self._payroll(self._next_day())}"))["runs"]
        return int(told["run"])

    def _command(self, *words: str) -> subprocess.Popen[str]:
        """`kanjo`, of somebody who reaches the bank by the same URL as everybody."""
        names = os.environ | {"KANJO_DATABASE_URL": self.database.url}
        return subprocess.Popen([KANJO, *words, "--json"], stdout=subprocess.PIPE, text=True, env=names)

    def customers(self, name: str, url: str | None = None) -> Customers:
        """Customers at a door of their own; whoever lets them in sees them out."""
        database = self.database if url is None else db.Database(url, False, self.database.server_version)
        return Customers(database, name, self._folder / f"{name}.jsonl")

    def prove(self, histories: Sequence[Path]) -> None:
        """All laws hold for those histories where the bank serves, and in the other site if answers wait for it."""
        told = check.read_histories(histories)
        state = self._desk.register.read()
        sites = [state.site] + [
            site.name for site in self._desk.topology.sites if site.name != state.site and state.mode == "required"
        ]
        with self._leading(state.site) as connection:
            [position] = connection.execute(POSITION).fetchone() or [None]
        for site in sites:
            with self._leading(site) as connection:
                wait_until(lambda: _true(connection, HAS_REPLAYED, position), f"{site} shows all", REPLAY_S_MAX)
                proof = check.prove(connection, history=told)
            assert [violation for law in proof.laws for violation in law.violations] == []
            assert proof.ok and all(law.ok for law in proof.laws) and proof.pending_count == 0

    def lost(self, customers: Customers, site: str) -> set[UUID]:
        """Which answers that site has not got; a standby has them on disk, and shows them a moment later."""
        wanted = {named for _, named in customers.answered}
        until_s = time.monotonic() + REPLAY_S_MAX
        while missing := wanted - self.keys(site, customers.name):
            if time.monotonic() > until_s:
                break
            time.sleep(0.1)
        return missing

    def account(self) -> int:
        """An account that no customer names."""
        return int(TOWN.numbers()[60])

    def keys(self, site: str, client: str) -> set[UUID]:
        """What a site shows of that client's instructions."""
        with self._leading(site) as connection:
            return {row[0] for row in connection.execute(KEYS, (client,))}

    def runs(self, site: str) -> set[int]:
        """What a site shows of runs."""
        with self._leading(site) as connection:
            return {int(str(row[0])) for row in connection.execute(RUNS)}

    @contextmanager
    def _leading(self, site: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        leader = self._desk.leader(self._desk.topology.site(site))
        assert leader is not None, f"nobody leads site {site}"
        with self._desk.database(leader, "kanjo") as connection:
            yield connection

    def _payday(self) -> int:
        """Open the next business day, with a payroll loaded the day before; its run, not yet started."""
        due = self._next_day()
        file = self._payroll(due)
        business = centercut.business_named(transfers.business_of_file(file))
        with self._store() as store:
            centercut.load(store, business, file, now=datetime.now(UTC))
        ledger.open_day(self.database, due)
        self._today = due
        with self._store() as store:
            [run] = [one.row.run for one in centercut.status(store, None, datetime.now(UTC)) if one.row.due == due]
        return run

    def _next_day(self) -> date:
        return JAPAN.next_business_day(self._today)

    def _payroll(self, due: date) -> Path:
        file = self._folder / f"{due}.txt"
        TOWN.write_payroll(file, due)
        return file

    def _settled(self, run: int) -> int:
        """By workers, and not by customers' own transactions."""
        totals = self._status(run).totals
        return totals.settled - totals.settled_by_before

    def _status(self, run: int) -> centercut.RunStatus:
        with self._store() as store:
            [found] = centercut.status(store, [run], datetime.now(UTC))
        return found

    def _named(self, application: str) -> db.Database:
        url = make_conninfo(self.database.url, application_name=application)
        return db.Database(url, False, self.database.server_version)

    @contextmanager
    def _store(self) -> Iterator[PostgresStore]:
        with closing(ledger.store_of(self.database)) as store:
            yield store


def _reply(command: subprocess.Popen[str]) -> dict[str, Any]:
    """What a command prints that must succeed."""
    said, _ = command.communicate(timeout=ANSWER_S_MAX)
    assert command.returncode == 0, said
    told: dict[str, Any] = json.loads(said)
    return told


def _true(connection: psycopg.Connection[tuple[object, ...]], query: str, *values: object) -> bool:
    row = connection.execute(query, values).fetchone()
    return row is not None and row[0] is True
