"""SV-1 to SV-6 (bank-batch E.3): salary 200,000, cash machine 100,000, opening balance 50,000."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from typing import Any

from banks import CLIENT, TUESDAY, key, number, prove
from cuts import Cut
from kanjo import ledger
from kanjo.db import Database
from kanjo.ledger import Batcher, Outcome, Phase, PostgresStore, PostgresUnit, Reason, withdrawal

ANN = number(1)


def _salary(cut: Cut, phase: Phase) -> int:
    """Ann has 50,000; her salary of 200,000 is loaded for Tuesday, which is open now."""
    cut.bank.account(ANN, 50_000)
    run = cut.wages(TUESDAY, (ANN, 200_000), phase=phase)
    cut.open(TUESDAY)
    return run


def test_sv_1_without_order_the_machine_comes_before_the_cut_and_is_refused(cut: Cut) -> None:
    """Loaded as early: the withdrawal at 01:00 finds 50,000; the cut at 02:00 pays; 250,000 at the end."""
    run = _salary(cut, Phase.EARLY)

    assert cut.atm(ANN, -100_000, "01:00") == Reason.INSUFFICIENT_FUNDS
    cut.run(run)

    assert cut.stored_balance(ANN) == 250_000


def test_sv_2_without_order_the_machine_comes_after_the_cut_and_is_paid(cut: Cut) -> None:
    """Loaded as early: the cut at 02:00 pays, the withdrawal at 03:00 is paid; 150,000 at the end."""
    run = _salary(cut, Phase.EARLY)

    cut.run(run)

    assert cut.atm(ANN, -100_000, "03:00") == Reason.ACCEPTED
    assert cut.stored_balance(ANN) == 150_000


def test_sv_3_before_settles_salary_first(cut: Cut) -> None:
    """The machine at 01:00 triggers the salary: 250,000, then 150,000; the batch skips; one salary entry."""
    run = _salary(cut, Phase.PRE_BUSINESS)

    [paid] = ledger.post(cut.store, [withdrawal(CLIENT, key("01:00"), ANN, 100_000)])
    assert isinstance(paid, Outcome) and [line.balance_yen for line in paid.entries] == [150_000]
    cut.run(run)

    assert [entry.balance_yen for entry in cut.bank.entries(ANN)] == [50_000, 250_000, 150_000]
    assert [entry.amount_yen for entry in cut.of_items(ANN)] == [200_000]
    assert cut.status(run).totals.settled_by_before == 1


def test_sv_4_the_salary_stays_when_the_withdrawal_behind_it_is_refused(cut: Cut) -> None:
    """300,000 at 01:00: the salary is posted, 250,000; the machine refuses; 250,000 at the end."""
    run = _salary(cut, Phase.PRE_BUSINESS)

    assert cut.atm(ANN, -300_000, "01:00") == Reason.INSUFFICIENT_FUNDS

    assert cut.stored_balance(ANN) == 250_000
    assert cut.reasons(run) == {1: Reason.ACCEPTED}


def test_sv_5_fifty_at_once_see_the_salary_and_no_more_than_there_is(postgres: Cut) -> None:
    """50 callers of 10,000 each at one time: one salary entry, 25 paid, 25 refused, 0 at the end."""
    run = _salary(postgres, Phase.PRE_BUSINESS)
    database = postgres.bank.database  # type: ignore[union-attr]

    with Batcher(lambda: PostgresStore(database.connect(autocommit=True)), threads=4, batch_max=3) as batcher:
        asked = [batcher.submit(withdrawal(CLIENT, key(index), ANN, 10_000)) for index in range(50)]
        answers = [one.result(60) for one in asked]

    found = [answer.reason for answer in answers if isinstance(answer, Outcome)]
    assert sorted(found) == [Reason.ACCEPTED] * 25 + [Reason.INSUFFICIENT_FUNDS] * 25
    assert [entry.amount_yen for entry in postgres.of_items(ANN)] == [200_000]
    assert postgres.stored_balance(ANN) == 0
    assert postgres.reasons(run) == {1: Reason.ACCEPTED}
    prove(postgres.bank)


def _door(database: Database, pipe: Connection, after_commit: bool) -> None:
    """A door that settles one item a commit; held up between the salary's commit and the posting, or behind it."""
    finish = PostgresUnit.finish

    def held_up(unit: PostgresUnit, changes: Any) -> None:
        if changes.outcomes and not after_commit:
            pipe.send("the salary is committed")
            pipe.recv()
        finish(unit, changes)

    PostgresUnit.finish = held_up  # type: ignore[method-assign, assignment]
    with database.connect(autocommit=True) as connection:
        ledger.post(PostgresStore(connection), [withdrawal(CLIENT, key("01:00"), ANN, 100_000)], items_max=1)
        pipe.send("the withdrawal is committed")
        pipe.recv()


def _crash(cut: Cut, after_commit: bool) -> None:
    """Start a door, kill it at that point."""
    database = cut.bank.database  # type: ignore[union-attr]
    here, there = multiprocessing.Pipe()
    door = multiprocessing.get_context("spawn").Process(target=_door, args=(database, there, after_commit))
    door.start()
    try:
        assert here.poll(60)
        assert here.recv() == ("the withdrawal is committed" if after_commit else "the salary is committed")
        os.kill(door.pid or 0, signal.SIGKILL)
    finally:
        door.join(60)


def test_sv_6_a_crash_between_salary_and_withdrawal_repairs_itself(postgres: Cut) -> None:
    """The door's process is killed when the salary is committed and the withdrawal is not; the retry of the same key
    pays once: one salary entry, one withdrawal.
    """
    run = _salary_with_a_second_item(postgres)
    _crash(postgres, after_commit=False)
    assert postgres.reasons(run) == {1: Reason.ACCEPTED}
    assert key("01:00") not in postgres.bank.requests()

    assert postgres.atm(ANN, -100_000, "01:00") == Reason.ACCEPTED

    assert [entry.amount_yen for entry in postgres.bank.entries(ANN)] == [50_000, 200_000, 1, -100_000]
    postgres.run(run)
    assert postgres.stored_balance(ANN) == 150_001
    prove(postgres.bank)


def test_sv_6_a_crash_before_the_answer_is_answered_by_the_retry(postgres: Cut) -> None:
    """Killed when the withdrawal is committed but nobody was told: the retry gets that outcome, not a second one."""
    run = _salary_with_a_second_item(postgres)
    _crash(postgres, after_commit=True)

    [again] = ledger.post(postgres.store, [withdrawal(CLIENT, key("01:00"), ANN, 100_000)])

    assert isinstance(again, Outcome) and again.replayed and again.accepted
    assert [entry.amount_yen for entry in postgres.bank.entries(ANN)] == [50_000, 200_000, 1, -100_000]
    assert postgres.reasons(run) == {1: Reason.ACCEPTED, 2: Reason.ACCEPTED}


def _salary_with_a_second_item(cut: Cut) -> int:
    """So that, settled one item a commit, the salary is committed before the withdrawal is decided (O-8): that is done
    in the commit which finds no more behind what it settles.
    """
    cut.bank.account(ANN, 50_000)
    run = cut.wages(TUESDAY, (ANN, 200_000), (ANN, 1))
    cut.open(TUESDAY)
    return run
