"""A day of a small town, lived through by real processes on an embedded server of their own, whatever is killed.

A step that failed or was killed is done again as a person would do it: by the same command. What the day must come to
does not depend on when things happen.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import callers
import msgspec
import psycopg
from assassin import Assassin, Blow, Strike, Victim, children, kill, signal_all, wait_for

from kanjo import centercut, check, db, ledger
from kanjo.db import last_out
from kanjo.demo.town import Town
from kanjo.errors import KanjoError

MONDAY = date(2026, 8, 24)
TUESDAY = date(2026, 8, 25)
KANJO = Path(sys.executable).with_name("kanjo")
RICH = 40
"""So many of the town's accounts are used online; they have pending items like all others."""
RICH_YEN = 100_000_000
CALLERS = 8
STEP_S_MAX = 180.0

# What a command may say when the database is taken from it; anything else is a fault.
LOST = frozenset(
    {"database-stopped", "database-unreachable", "database-starting", "outcome-unknown", "workers-died", "server-died"}
)


class Scale(NamedTuple):
    """How big the town is, and how much its customers ask."""

    accounts: int
    requests: int
    rate_per_s: int


class Morning(NamedTuple):
    """What a day begins with: a home whose server is stopped, and two files."""

    home: Path
    payroll: Path
    debits: Path
    online: list[int]
    scale: Scale


class Evening(NamedTuple):
    """What a day came to: reasons of items by business, (balance, held, sequence) by account, how the runs ended."""

    reasons: dict[str, dict[int, int]]
    accounts: dict[int, tuple[int, int, int]]
    runs: dict[str, tuple[str, str, int]]


class Undisturbed(NamedTuple):
    """An evening without a blow, and how long the steps took."""

    evening: Evening
    spans_s: dict[str, float]


def prepare(folder: Path, scale: Scale) -> Morning:
    """Make the home: accounts imported, Monday open; and the companies' files for Tuesday."""
    town = Town(scale.accounts)
    online = town.numbers()[:RICH].tolist()
    rich = {ledger.show_account(number) for number in online}
    home = folder / "morning"
    with db.database(home) as database:
        with database.connect(autocommit=True) as connection:
            lines = [_made_rich(line) if line.partition(",")[0] in rich else line for line in town.csv_lines()]
            ledger.import_accounts(ledger.PostgresStore(connection), lines, name="town.csv")
        ledger.open_day(database, MONDAY)
    town.write_payroll(folder / "payroll.txt", TUESDAY)
    town.write_debits(folder / "debits.txt", TUESDAY)
    return Morning(home, folder / "payroll.txt", folder / "debits.txt", online, scale)


def _made_rich(line: str) -> str:
    number, product, _, floor, _, name = line.split(",")
    return f"{number},{product},{RICH_YEN},{floor},open,{name}"


class CrashDay:
    """One day in a copy of the morning's home. Use it in a `with` block: nothing of it is left running behind it."""

    def __init__(self, morning: Morning, folder: Path, *, seed: int = 0) -> None:
        self.home = folder / "home"
        self.spans_s: dict[str, float] = {}
        self.failures: list[str] = []
        self._morning = morning
        self._seed = seed
        self._journal = folder / "journal.jsonl"
        self._histories = folder / "histories"
        self._histories.mkdir()
        self._step = "morning"
        self._current: subprocess.Popen[str] | None = None
        self._callers: subprocess.Popen[str] | None = None
        self._assassin: Assassin | None = None
        self._words = (folder / "callers.log").open("w")

    def __enter__(self) -> CrashDay:
        subprocess.run(["cp", "-a", str(self._morning.home), str(self.home)], check=True)
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self._current, self._callers):
            if process is not None and process.returncode is None:
                signal_all(children(process.pid, b"kanjo.centercut"))
                kill(process)
                process.communicate()
        self._words.close()
        start = last_out.take(self.home / last_out.START_LOCK, fcntl.LOCK_EX)
        try:
            last_out.stop(self.home)
        finally:
            os.close(start)
        shutil.rmtree(self.home, ignore_errors=True)

    # -- the day -----------------------------------------------------------------------------------------------------

    def live(self, blows: list[Blow] | None = None, spans_s: dict[str, float] | None = None) -> list[Strike]:
        """Live through it under blows; returns those that hit. Without blows, nothing may fail."""
        self._assassin = Assassin(blows or [], spans_s or {}, self._target, lambda: self._step)
        self._assassin.begin()
        try:
            self._load(self._morning.payroll)
            self._load(self._morning.debits)
            self._open_tuesday()
            self._cut()
            self._let_callers_finish()
        finally:
            self._assassin.end()
        self._let_callers_finish()  # the last blow may have fallen behind them
        self.spans_s |= {"loader": self.spans_s["load debits"], "opener": self.spans_s["open"]}
        self.spans_s |= dict.fromkeys(("command", "worker", "workers"), self.spans_s["cut"])
        return self._assassin.strikes

    def _load(self, file: Path) -> None:
        self._repeat(f"load {file.stem}", "cut", "load", file, done=("duplicate-file",))

    def _open_tuesday(self) -> None:
        self._repeat("open", "day", "open", TUESDAY, done=("date-already-open",))

    def _cut(self) -> None:
        until_s = time.monotonic() + STEP_S_MAX
        while True:
            left = self._unfinished()
            if left == []:
                return
            assert time.monotonic() < until_s, f"the cut does not end: {left}"
            if left is None:
                continue
            rate = self._morning.scale.rate_per_s
            self._command("cut", "cut", "start", *left, "--workers", 2, "--max-rate", rate)

    def _unfinished(self) -> list[int] | None:
        """The runs that are to be started yet; None when the database was lost while asking."""
        try:
            with db.database(self.home) as database, database.connect(autocommit=True) as connection:
                found = centercut.status(ledger.PostgresStore(connection), None, datetime.now(UTC))
                return [status.row.run for status in found if status.row.finished is None]
        except (KanjoError, psycopg.Error, ledger.OutcomeUnknown, ledger.StoreFailed):
            assert self._was_struck()
            return None

    def _let_callers_finish(self) -> None:
        """They stop thinking; whoever of them, or of the database, dies meanwhile is started again."""
        self._step = "last callers"
        began_s = time.monotonic()
        until_s = time.monotonic() + STEP_S_MAX
        while not self._callers_are_done():
            assert time.monotonic() < until_s, "the callers do not come to their end"
            self._keep_callers()
            assert self._callers is not None and self._callers.stdin is not None
            with contextlib.suppress(OSError):
                self._callers.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._callers.wait(0.1)
            if not self._lives():
                self._repeat(self._step, "day", "show")
        self.spans_s.setdefault("last callers", time.monotonic() - began_s)

    # -- processes ---------------------------------------------------------------------------------------------------

    def _repeat(self, step: str, *arguments: object, done: tuple[str, ...] = ()) -> Any:
        """The command until it is done, or says by a code of `done` that an earlier try did it."""
        until_s = time.monotonic() + STEP_S_MAX
        while True:
            reply = self._command(step, *arguments)
            if reply is not None and ("error" not in reply or reply["error"]["code"] in done):
                return reply
            assert time.monotonic() < until_s, f"{arguments} does not come to its end: {reply}"

    def _command(self, step: str, *arguments: object) -> Any:
        """One try: the reply, a refusal, or None for a command that was killed or lost its database."""
        self._keep_callers()
        self._step = step
        self._current = self._start([KANJO, "--json", *arguments])
        began_s = time.monotonic()
        out, said = self._current.communicate(timeout=STEP_S_MAX)
        self.spans_s[step] = time.monotonic() - began_s
        status = self._current.returncode
        assert "Traceback" not in said, said
        if status == -signal.SIGKILL and self._was_struck():
            return None
        assert status >= 0, (arguments, status, out, said)
        reply = json.loads(out)
        if status == 3:
            assert self._was_struck() and reply["error"]["code"] in LOST, (arguments, reply, said)
            self.failures.append(f"{step}: {reply['error']['code']}")
            return None
        return reply

    def _start(self, command: list[object], **options: Any) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KANJO_")}
        return subprocess.Popen(
            list(map(str, command)),
            text=True,
            env=environment | {"KANJO_HOME": str(self.home)},
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options,
        )

    def _keep_callers(self) -> None:
        """Start the callers, again if they were killed; they go on where they stopped."""
        if self._callers is not None and self._callers.poll() is None:
            return
        if self._callers is not None and self._callers.returncode != 0:
            self._words.flush()
            said = Path(self._words.name).read_text()
            assert self._was_struck(), said
            assert self._callers.returncode in (1, -signal.SIGKILL), (self._callers.returncode, said)
        if self._callers_are_done():
            return
        crowd = callers.Crowd(
            journal=str(self._journal),
            histories=str(self._histories),
            accounts=self._morning.online,
            callers=CALLERS,
            requests=self._morning.scale.requests,
            think_s=0.03,
            seed=self._seed,
        )
        command: list[object] = [sys.executable, callers.__file__, msgspec.json.encode(crowd).decode()]
        self._callers = self._start(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._words)

    def _callers_are_done(self) -> bool:
        return self._callers is not None and self._callers.poll() == 0

    def _was_struck(self) -> bool:
        return self._assassin is not None and bool(self._assassin.strikes)

    def _lives(self) -> bool:
        start = last_out.take(self.home / last_out.START_LOCK, fcntl.LOCK_EX)
        try:
            return last_out.server_lives(self.home)
        finally:
            os.close(start)

    # -- victims -----------------------------------------------------------------------------------------------------

    def _target(self, victim: Victim) -> Callable[[], object] | None:
        """How to kill this victim now; None when there is none."""
        current, online = self._current, self._callers
        step = self._step
        lives = current is not None and current.returncode is None
        match victim:
            case "loader" if lives and step.startswith("load"):
                return lambda: kill(current)
            case "opener" if lives and step == "open":
                return lambda: kill(current)
            case "command" if lives and step == "cut":
                return lambda: kill(current)
            case "worker" | "workers" if lives and step == "cut":
                pids = children(current.pid, b"kanjo.centercut")
                return (lambda: signal_all(pids if victim == "workers" else pids[:1])) if pids else None
            case "online" if online is not None and online.returncode is None:
                return lambda: kill(online)
            case "postgres stopped" if self._postmaster() is not None:
                return lambda: self._end_postgres(signal.SIGQUIT)
            case "postgres killed" if self._postmaster() is not None:
                return lambda: self._end_postgres(signal.SIGKILL)
            case "everything" if online is not None and self._postmaster() is not None:
                return self._end_everything
            case _:
                return None

    def _postmaster(self) -> int | None:
        return last_out.postmaster_pid(self.home)

    def _end_postgres(self, number: signal.Signals) -> None:
        pid = self._postmaster()
        if pid is not None:
            signal_all([pid], number)
            wait_for(lambda: last_out.postmaster_pid(self.home) != pid or _is_dead(pid), "PostgreSQL ends")

    def _end_everything(self) -> None:
        current, online = self._current, self._callers
        if current is not None:
            signal_all(children(current.pid, b"kanjo.centercut"))
            kill(current)
        if online is not None:
            kill(online)
        self._end_postgres(signal.SIGKILL)

    # -- the evening -------------------------------------------------------------------------------------------------

    def prove(self) -> Evening:
        """`kanjo check --history` is clean and each answer that a caller saw is in the books once; returns what it came
        to.
        """
        history = check.read_histories(sorted(self._histories.iterdir()))
        assert any(call.told and call.told.reason == ledger.Reason.INSUFFICIENT_FUNDS for call in history.calls)
        assert any(call.told and isinstance(call.asked, ledger.Enquiry) for call in history.calls)
        with db.database(self.home) as database:
            with database.connect(autocommit=True) as connection:
                proof = check.prove(connection, history=history)
            assert proof.ok and not proof.stuck and not proof.pending_count, proof
            self._prove_answers(database)
            return evening_of(database)

    def _prove_answers(self, database: db.Database) -> None:
        """Every request was answered as it must be, is answered so again, and its entries are those it showed."""
        notes = list(callers.read_journal(self._journal))
        assert [note.fault for note in notes if note.fault] == []
        told = {(note.caller, note.place): note for note in notes}
        requests = self._morning.scale.requests
        assert sorted(told) == [(caller, place) for caller in range(CALLERS) for place in range(requests)]
        assert len(notes) == len(told), "a caller was answered twice without asking twice"
        shown = sorted((callers.key_of(*place), *entry) for place, note in told.items() for entry in note.entries)
        asked = [one for caller in range(CALLERS) for one in callers.script(caller, self._morning.online, requests)]
        with database.connect(autocommit=True) as connection:
            again = ledger.post(ledger.PostgresStore(connection), asked)
            stored = connection.execute(
                "SELECT key, account, sequence, amount, balance FROM ledger.entry WHERE client = %s", (callers.CLIENT,)
            ).fetchall()
            counts = connection.execute(
                "SELECT count(*) FROM ledger.request WHERE client = %s", (callers.CLIENT,)
            ).fetchall()
        assert sorted(stored) == shown
        assert counts == [(len(told),)]
        for (caller, place), answer in zip(sorted(told), again, strict=True):
            found = callers.note_of(caller, place, answer)
            assert (found.entries, found.replayed) == (told[caller, place].entries, True), (found, told[caller, place])

    def repeats(self) -> int:
        """How often the callers had to repeat a key."""
        return sum(note.repeats for note in callers.read_journal(self._journal))


def evening_of(database: db.Database) -> Evening:
    """What stands in the books."""
    with database.connect(role="owner", autocommit=True) as connection:
        runs = connection.execute(
            "SELECT run, business, finished, note, items FROM centercut.run ORDER BY run"
        ).fetchall()
        reasons = {
            business: dict(
                connection.execute("SELECT item, reason FROM ledger.outcome WHERE run = %s", (run,)).fetchall()
            )
            for run, business, *_ in runs
        }
        accounts = {
            account: tuple(others)
            for account, *others in connection.execute("SELECT account, balance, held, sequence FROM ledger.account")
        }
    assert len(reasons) == len(runs), f"a file was loaded twice: {runs}"
    return Evening(reasons, accounts, {business: tuple(others) for _, business, *others in runs})


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@contextlib.contextmanager
def crash_day(morning: Morning, folder: Path, *, seed: int = 0) -> Iterator[CrashDay]:
    """A day in a folder of its own."""
    folder.mkdir(mode=0o755)
    with CrashDay(morning, folder, seed=seed) as day:
        yield day
