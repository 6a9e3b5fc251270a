"""What a runbook says, in its words: look, break, order, and count what was answered."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from kanjo.sites.lab import Lab
from kanjo.sites.lab.bring_up import signed
from kanjo.sites.operate.look import look
from kanjo.sites.operate.perform import perform, planned
from kanjo.sites.operate.plan import Command, Plan
from kanjo.sites.operate.standing import Standing
from kanjo.sites.person import Signature
from kanjo.sites.register.entry import digest_of_change

CALLERS = 3
NO_ETCD = "the scenarios of two sites need etcd (Debian: etcd-server); `make test-sites` installs it"
ANSWER_S_MAX = 90.0
REPLAY_S_MAX = 15.0
END_S_MAX = 1.0
MAKE = "CREATE TABLE IF NOT EXISTS public.answered (id bigint PRIMARY KEY)"


class Callers:
    """Customers who write one row at a time, remember what was answered, and come again when they were cut off.

    A warning on commit is no answer: the wait for the other site was cancelled (pitfall 2).
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.answers: list[tuple[float, int]] = []
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(CALLERS)]

    def begin(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(MAKE)
        for thread in self._threads:
            thread.start()
        self.wait_for_more(20)

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(END_S_MAX)  # one that waits for an answer that never comes ends with the lab

    def count(self) -> int:
        return len(self.answers)

    def wait_for_more(self, count: int) -> float:
        """Wait for so many further answers; returns the seconds until the first of them."""
        began_s, before = time.monotonic(), self.count()
        wait_until(lambda: self.count() >= before + count, f"{count} more answers")
        return self.answers[before][0] - began_s

    def _call(self) -> None:
        while not self._stop.is_set():
            try:
                with psycopg.connect(self._dsn, autocommit=True) as connection:
                    self._write(connection)
            except psycopg.Error:
                time.sleep(0.05)

    def _write(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        warned: list[object] = []
        connection.add_notice_handler(warned.append)
        while not self._stop.is_set():
            number = next(self._ids)
            connection.execute("INSERT INTO public.answered VALUES (%s)", (number,))
            if warned:
                warned.clear()
                continue
            with self._lock:
                self.answers.append((time.monotonic(), number))


class Runbook:
    """The operator of a lab, who has both persons' keys."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.desk = lab.desk()

    def look(self) -> Standing:
        return look(self.desk)

    def dsn(self, site: str | None = None) -> str:
        """How to reach whoever is primary, in one site or in both."""
        whole = self.lab.status().dsn
        if site is None:
            return whole
        nodes = self.desk.topology.site(site).nodes
        given = conninfo_to_dict(whole)
        given |= {"host": ",".join(n.host for n in nodes), "port": ",".join(str(n.port) for n in nodes)}
        return make_conninfo(**given)

    def plan(self, command: Command, site: str, reason: str = "scenario") -> Plan:
        return planned(self.desk, command, site, reason)

    def sign(self, plan: Plan) -> list[Signature]:
        return [] if plan.change is None else signed(self.lab.ground, digest_of_change(plan.change))

    def order(self, command: Command, site: str, reason: str = "scenario") -> list[str]:
        """Give the command with both signatures; returns its log."""
        plan, log = self.plan(command, site, reason), []
        perform(self.desk, plan, self.sign(plan), lambda step, how: log.append(f"{type(step).__name__}: {how}"))
        return log

    @contextmanager
    def callers(self, site: str | None = None) -> Iterator[Callers]:
        """Customers at work while the block runs."""
        found = Callers(self.dsn(site))
        found.begin()
        try:
            yield found
        finally:
            found.end()

    def lost(self, callers: Callers, site: str) -> set[int]:
        """What was answered and is not at that site; a standby has it on disk, and shows it a moment later."""
        until_s = time.monotonic() + REPLAY_S_MAX
        while True:
            missing = {number for _, number in callers.answers} - self._there(site)
            if not missing or time.monotonic() > until_s:
                return missing
            time.sleep(0.1)

    def _there(self, site: str) -> set[int]:
        leader = self.desk.leader(self.desk.topology.site(site))
        if leader is None:
            return set()
        with self.desk.database(leader, "kanjo") as connection:
            return {row[0] for row in connection.execute("SELECT id FROM public.answered")}


def wait_until(condition: Callable[[], object], what: str, within_s: float = ANSWER_S_MAX) -> None:
    """Wait for a condition with a deadline."""
    until_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until_s, f"not within {within_s:g} s: {what}"
        time.sleep(0.05)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that the user of the lab's processes can reach, also when we are root."""
    folder = Path(tempfile.mkdtemp(prefix="kanjo-lab-"))
    folder.chmod(0o711)
    try:
        yield folder / "lab"
    finally:
        shutil.rmtree(folder)
