"""Ledger and centre cut against an independent model, on both stores: laws 1 to 3 over any history.

KANJO_PROPERTY_EXAMPLES sets how many histories are tried, at random then; unset, the same few in every run.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from model import EARLY, IN, PRE, Model, Wish
from wishes import POOL, asked, choices, rows, said, statuses, wishes

from banks import MONDAY, PostgresBank, key, prove
from cuts import EMPLOYER, NOW, Bills, Cut, FromPython, Wages, memory_cut, postgres_cut
from kanjo import centercut, check, db, ledger
from kanjo.errors import Refused
from kanjo.ledger import Code, HoldStatus, Phase, Status


class BankMachine(RuleBasedStateMachine):
    """One bank, told to the program and to the model alike."""

    def __init__(self, make: Callable[[], contextlib.AbstractContextManager[Cut]]) -> None:
        super().__init__()
        self.hands = contextlib.ExitStack()
        self.cut = self.hands.enter_context(make())
        self.model = Model(today=0)
        self.wishes: list[Wish] = []
        self.contents: dict[int, tuple[type[FromPython], int, list[tuple[int, int]]]] = {}

    def teardown(self) -> None:
        with self.hands:
            if sys.exc_info()[0] is None:
                self.finish()

    # the beginning

    @initialize(balances=st.lists(st.tuples(st.integers(50, 300), statuses), min_size=3, max_size=3))
    def accounts(self, balances: list[tuple[int, str]]) -> None:
        """Three accounts in any state; the employer's is there already."""
        self.model.open_account(EMPLOYER, 1_000_000_000)
        for account, (yen, word) in zip(POOL, balances, strict=False):
            yen = 0 if word == "closed" else yen
            status = Status.of(word)
            assert isinstance(status, Status)
            self.cut.bank.account(account, yen, status=status)
            self.model.open_account(account, yen, word)

    # online

    @rule(asking=st.lists(wishes, min_size=1, max_size=6))
    def online(self, asking: list[Wish]) -> None:
        """Customers ask, alone or in one batch: the answers are the model's."""
        asking = [self._meant(wish) for wish in asking]
        answers = [said(one) for one in ledger.post(self.cut.store, [asked(wish) for wish in asking])]
        assert answers == self.model.post(asking)
        self.compare_results()

    @precondition(lambda self: self.wishes)
    @rule(chosen=choices)
    def online_again(self, chosen: int) -> None:
        """An earlier wish, word for word: the first answer (law 2)."""
        asking = self.wishes[chosen % len(self.wishes)]
        [answer] = ledger.post(self.cut.store, [asked(asking)])
        assert [said(answer)] == self.model.post([asking])
        self.compare_results()

    @rule(asking=wishes)
    def online_in_small_steps(self, asking: Wish) -> None:
        """The same with two items a commit (O-8); an answer given before needs no settling to the end."""
        asking = self._meant(asking)
        known = asking[0] != "ask" and asking[1] in self.model.decided
        [answer] = ledger.post(self.cut.store, [asked(asking)], items_max=100 if known else 2)
        assert [said(answer)] == self.model.post([asking])
        self.compare_results()

    # runs

    @rule(
        business=st.sampled_from([Wages, Bills, Bills]),
        rows=rows,
        ahead=st.sampled_from([0, 1, 1, 1, 1, 2, 3]),
        phase=st.sampled_from([PRE, PRE, PRE, EARLY, IN]),
        priority=st.sampled_from([10, 40, 60]),
        slice_items=st.integers(1, 4),
    )
    def load(
        self,
        business: type[FromPython],
        rows: list[tuple[int, int]],
        ahead: int,
        phase: str,
        priority: int,
        slice_items: int,
    ) -> None:
        """A file comes in: registered, or refused by O-3 or R-4."""
        due = self.model.today + ahead
        kind = "credit" if business is Wages else "debit"
        content = (business, due, rows)
        code, run = self._refused(
            lambda: self.cut.load(
                business(rows, due=self._date(due)),
                phase=Phase.of(phase),
                priority=priority,
                slice_items=slice_items,
            )
        )
        alike = [one for one, of in self.contents.items() if of == content and not self.model.runs[one]["cancelled"]]
        if not self.model.may_load(due, phase):
            assert code == "date-already-open"
        elif alike:
            assert code == "duplicate-file"
        else:
            assert code == ""
            self.contents[run] = content
            self.model.load(run, EMPLOYER, due, phase, priority, [(account, kind, yen) for account, yen in rows])
        self.compare_results()

    @rule(days=st.sampled_from([1, 1, 1, 2]))
    def open_a_later_date(self, days: int) -> None:
        """The date switches, maybe over one."""
        self.model.today += days
        self.cut.bank.open(self._date(self.model.today))

    @precondition(lambda self: self.model.runs)
    @rule(chosen=st.lists(choices, min_size=1, max_size=3))
    def start(self, chosen: list[int]) -> None:
        """All of them or none."""
        runs = [self._run(one) for one in chosen]
        code, _ = self._refused(lambda: self.cut.start(*runs))
        first = next((self._startable(run) for run in runs if self._startable(run)), "")
        assert code == first
        if not code:
            for run in runs:
                self.model.runs[run]["started"] = True

    @rule(steps=st.integers(1, 4), items_max=st.sampled_from([1, 2, 3, 100]))
    def workers_settle_some(self, steps: int, items_max: int) -> None:
        """A few commits of a worker on whatever is started."""
        for _ in range(steps):
            done = centercut.step(self.cut.store, None, NOW, items_max=items_max)
            if done is None:
                break
            assert done.settled <= items_max
            self.compare_work()

    @precondition(lambda self: self.model.runs)
    @rule(chosen=choices)
    def worker_ends_a_run(self, chosen: int) -> None:
        """A worker works for one run until nothing is left to claim, then closes what it can."""
        run = self._run(chosen)
        while self.cut.step(run) is not None:
            self.compare_work()
        assert (self.cut.close(run) or "") == self.model.close(run, EMPLOYER)
        self.compare_results()

    @precondition(lambda self: self.model.runs)
    @rule(chosen=choices)
    def pause_or_resume(self, chosen: int) -> None:
        run = self._run(chosen)
        paused = self.model.runs[run]["paused"]
        act = centercut.resume if paused else centercut.pause
        code, _ = self._refused(lambda: act(self.cut.store, run))
        assert code == self._finished(run)
        if not code:
            self.model.runs[run]["paused"] = not paused

    @precondition(lambda self: self.model.runs)
    @rule(chosen=choices, sure=st.integers(0, 2))
    def cancel(self, chosen: int, sure: int) -> None:
        """Seldom, or nothing else would be left."""
        run = self._run(chosen)
        if sure:
            return
        code, state = self._refused(lambda: self.cut.cancel(run))
        assert code == self._finished(run)
        if not code:
            self.model.runs[run]["cancelled"] = True
            self.compare_work()
            assert state == self.model.close(run, EMPLOYER) == "cancelled"

    @precondition(lambda self: self.model.runs)
    @rule(chosen=choices, item=st.integers(1, 9))
    def withdraw(self, chosen: int, item: int) -> None:
        run = self._run(chosen)
        code, _ = self._refused(lambda: centercut.withdraw(self.cut.store, run, item))
        assert code == self.model.withdraw(run, item)
        self.compare_results()

    # comparing

    def compare_results(self) -> None:
        """Every item has the model's outcome or none."""
        for run, of in self.model.runs.items():
            found = {item: reason.word for item, reason in self.cut.reasons(run).items()}
            assert found == of["reasons"], f"run {run}"

    def compare_work(self) -> None:
        """What a worker just settled was the next on each account, with the model's outcomes."""
        new: dict[int, set[tuple[int, int]]] = {}
        for run, of in self.model.runs.items():
            for item in self.cut.reasons(run):
                if item not in of["reasons"]:
                    new.setdefault(of["items"][item][0], set()).add((run, item))
        for account, settled in new.items():
            self.model.worked(account, settled)
        self.compare_results()

    def compare_states(self) -> None:
        for status in centercut.status(self.cut.store, None, NOW):
            run = status.row.run
            assert status.state == self.model.state(run, status.row.claimed_at is not None)
            assert status.totals.settled == len(self.model.runs[run]["reasons"])

    def finish(self) -> None:
        """Bring every run to its end, then compare everything and prove the laws."""
        self.compare_states()
        if self.model.runs:
            self.open_a_later_date(max(1, max(of["due"] for of in self.model.runs.values()) - self.model.today))
        for run, of in self.model.runs.items():
            if of["paused"] and not of["finished"]:
                centercut.resume(self.cut.store, run)
                of["paused"] = False
        open_runs = [run for run, of in self.model.runs.items() if not of["finished"]]
        self.cut.start(*open_runs)
        for run in open_runs:
            self.model.runs[run]["started"] = True
        while self.cut.step(items_max=3) is not None:
            self.compare_work()
        for run in open_runs:
            assert self.cut.close(run) == self.model.close(run, EMPLOYER) == "completed"
        self.compare_states()
        asking = [("ask", account) for account in (*POOL, EMPLOYER)]
        answers = [said(one) for one in ledger.post(self.cut.store, [asked(wish) for wish in asking])]
        assert answers == self.model.post(asking)
        self.compare_entries()
        self.prove_laws()

    def compare_entries(self) -> None:
        """All entries of all accounts, in order, each with its cause."""
        names = {key(name): name for name in range(len(self.wishes) + 1)}
        for account, expected in self.model.entries.items():
            found = []
            for entry in self.cut.bank.entries(account):
                cause: Any = "opening"
                if entry.item is not None:
                    cause = (entry.run, entry.item)
                elif entry.run is not None:
                    cause = (entry.run, "funding" if entry.amount_yen < 0 else "closing")
                elif entry.key is not None:
                    cause = names[entry.key]
                found.append((entry.sequence, entry.amount_yen, entry.balance_yen, cause))
            assert found == expected, f"account {account}"

    def prove_laws(self) -> None:
        """Sums and sequences, suspense, transfers, holds: from the rows alone."""
        bank = self.cut.bank
        prove(bank)
        assert all(self.cut.suspense(run) == 0 for run in self.model.runs)
        assert sum(entry.amount_yen for entry in bank.entries() if ledger.is_account(entry.contra)) == 0
        assert {name for name, status in bank.holds().items() if status == HoldStatus.OPEN} == {
            key(name) for name, hold in self.model.holds.items() if hold["open"]
        }
        assert {account: row.held_yen for account, row in bank.balances().items()} == {
            account: self.model.held(account) for account in self.model.accounts
        }
        assert all(entry.contra != Code.OPENING or entry.sequence == 1 for entry in bank.entries())
        if isinstance(bank, PostgresBank):  # what operators run comes to the same (K-1)
            proof = check.prove(bank.connection)
            assert [violation for law in proof.laws for violation in law.violations] == []

    # words

    def _meant(self, wish: Wish) -> Wish:
        """Mostly a new key, sometimes one that was used; what is referred to mostly exists."""
        if wish[0] == "ask":
            return wish
        used = len(self.wishes)
        words = list(wish)
        words[1] = wish[1] % used if used and wish[1] > 27 else used
        if wish[0] in ("capture", "release") and self.model.holds and wish[2] <= 25:
            words[2] = list(self.model.holds)[-1 - wish[2] % len(self.model.holds)]
        elif wish[0] == "reverse" and used and wish[2] <= 28:
            words[2] = used - 1 - wish[2] % used
        elif wish[0] == "hold" and wish[4] is not None:
            words[4] = self.model.today + wish[4]
        self.wishes.append(tuple(words))
        return tuple(words)

    def _run(self, chosen: int) -> int:
        runs = sorted(self.model.runs)
        return runs[chosen % len(runs)]

    def _finished(self, run: int) -> str:
        of = self.model.runs[run]
        return "run-finished" if of["finished"] or of["cancelled"] else ""

    def _startable(self, run: int) -> str:
        of = self.model.runs[run]
        if self._finished(run):
            return "run-finished"
        if of["due"] > self.model.today:
            return "not-due"
        return "run-paused" if of["paused"] else ""

    def _refused(self, act: Callable[[], Any]) -> tuple[str, Any]:
        """The code of the refusal, or nothing and what came back."""
        try:
            return "", act()
        except Refused as refused:
            return refused.code, None

    def _date(self, day: int) -> Any:
        return MONDAY + timedelta(days=day)


def _settings(examples: int, steps: int) -> settings:
    asked_for = os.environ.get("KANJO_PROPERTY_EXAMPLES")
    return settings(
        max_examples=int(asked_for) if asked_for else examples,
        stateful_step_count=steps,
        derandomize=asked_for is None,
        deadline=None,
        database=None,
        print_blob=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


@contextlib.contextmanager
def _memory() -> Iterator[Cut]:
    yield memory_cut()


def test_any_history_in_memory_is_the_models() -> None:
    """Many short histories on the in-memory twin."""
    make: Any = lambda: BankMachine(_memory)  # noqa: E731
    run_state_machine_as_test(make, settings=_settings(250, 50))


@pytest.fixture(scope="module")
def machine_database(server: db.Database) -> Iterator[db.Database]:
    """One database for all histories; each begins with it empty."""
    with db.scratch(server, "machine", template=server.name) as own:
        ledger.ensure_partitions(own, MONDAY)
        yield own


def test_any_history_on_postgres_is_the_models(machine_database: db.Database) -> None:
    """Fewer on PostgreSQL, with the very statements that production runs."""
    make: Any = lambda: BankMachine(lambda: postgres_cut(machine_database))  # noqa: E731
    run_state_machine_as_test(make, settings=_settings(50, 50))
