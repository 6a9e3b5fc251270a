"""R-9: the originator takes one item back while it is unsettled, in the order of its account."""

from __future__ import annotations

import threading

import pytest

from banks import TUESDAY, WEDNESDAY, key, number
from cuts import EMPLOYER, Cut
from kanjo import centercut
from kanjo.errors import KanjoError
from kanjo.ledger import Phase, PlaceHold, PostgresStore, Reason, Verdict, give_verdict, post

ANN, BOB = number(1), number(2)


def _refused(code: str) -> pytest.RaisesExc[KanjoError]:
    return pytest.RaisesExc(KanjoError, check=lambda error: error.code == code)


def test_r_9_before_its_date(cut: Cut) -> None:
    """It has its outcome at once; the others come due as ever; the money returns at closing."""
    cut.bank.account(ANN)
    run = cut.wages(TUESDAY, (ANN, 10), (ANN, 20), (ANN, 30))

    centercut.withdraw(cut.store, run, 2)

    assert cut.reasons(run) == {2: Reason.WITHDRAWN}
    assert cut.stored_balance(ANN) == 0
    cut.open(TUESDAY)
    cut.run(run)
    assert cut.stored_balance(ANN) == 40
    assert cut.stored_balance(EMPLOYER) == 1_000_000_000 - 40


def test_r_9_when_it_is_due_what_stands_before_it_is_settled_first(cut: Cut) -> None:
    """The outcome is decided at its place (O-2): behind item 1 and the run of higher priority, ahead of item 3."""
    cut.bank.account(ANN)
    run = cut.wages(TUESDAY, (ANN, 10), (ANN, 20), (ANN, 30))
    first = cut.wages(TUESDAY, (ANN, 5), priority=1)
    cut.open(TUESDAY)

    centercut.withdraw(cut.store, run, 2)

    results = cut.bank.results(run)
    assert {item: result.reason for item, result in results.items()} == {1: Reason.ACCEPTED, 2: Reason.WITHDRAWN}
    assert (results[2].balance_yen, results[2].sequence) == (15, 2)
    assert cut.reasons(first) == {1: Reason.ACCEPTED}
    cut.run(run)
    assert cut.stored_balance(ANN) == 45


def test_r_9_of_an_in_business_run(cut: Cut) -> None:
    """What is due on the account comes first; the run's other items wait for their slice."""
    cut.bank.account(ANN)
    due = cut.wages(TUESDAY, (ANN, 5))
    run = cut.wages(TUESDAY, (ANN, 10), (ANN, 20), phase=Phase.IN_BUSINESS)
    cut.open(TUESDAY)

    centercut.withdraw(cut.store, run, 2)

    assert cut.reasons(run) == {2: Reason.WITHDRAWN}
    assert cut.reasons(due) == {1: Reason.ACCEPTED}
    cut.run(run)
    assert cut.stored_balance(ANN) == 15


def test_r_9_after_settlement_it_is_too_late(cut: Cut) -> None:
    """The outcome stands; so does a withdrawal, which is not withdrawn twice; items and runs must exist."""
    cut.bank.account(ANN)
    run = cut.wages(WEDNESDAY, (ANN, 10), (ANN, 20))
    centercut.withdraw(cut.store, run, 2)
    with _refused("item-settled"):
        centercut.withdraw(cut.store, run, 2)
    cut.open(WEDNESDAY)
    assert cut.balance(ANN) == 10
    with _refused("item-settled"):
        centercut.withdraw(cut.store, run, 1)
    with _refused("item-unknown"):
        centercut.withdraw(cut.store, run, 3)
    with _refused("run-unknown"):
        centercut.withdraw(cut.store, 9_999, 1)
    cut.run(run)
    with _refused("item-settled"):
        centercut.withdraw(cut.store, run, 1)


def test_r_9_far_behind_in_a_long_list(cut: Cut) -> None:
    """More items before it than a commit settles, due or not: bounded steps lead there (O-8)."""
    cut.bank.account(ANN)
    future = cut.wages(WEDNESDAY, *((ANN, 1) for _ in range(20)))
    due = cut.wages(TUESDAY, *((ANN, 1) for _ in range(20)))
    cut.open(TUESDAY)

    assert give_verdict(cut.store, ANN, due, 18, Reason.WITHDRAWN, items_max=3) == Verdict.GIVEN
    assert list(cut.reasons(due)) == list(range(1, 19))
    assert give_verdict(cut.store, ANN, future, 19, Reason.WITHDRAWN, items_max=3) == Verdict.GIVEN

    assert cut.reasons(future) == {19: Reason.WITHDRAWN}
    assert len(cut.reasons(due)) == 20


def test_r_9_an_unknown_accounts_item(cut: Cut) -> None:
    """No account stands behind it; the withdrawal is as good."""
    run = cut.wages(TUESDAY, (ANN, 10))

    centercut.withdraw(cut.store, run, 1)

    assert cut.reasons(run) == {1: Reason.WITHDRAWN}


def test_r_9_two_at_once_on_an_unknown_account(postgres: Cut) -> None:
    """There is no account to lock, so both decide: the second meets the first outcome and is told, with no error."""
    database = postgres.bank.database  # type: ignore[union-attr]
    for attempt in range(10):
        run = postgres.wages(TUESDAY, (BOB, 10 + attempt))
        together = threading.Barrier(2)
        told: list[Verdict] = []

        def withdraw(run: int = run, together: threading.Barrier = together, told: list[Verdict] = told) -> None:
            with database.connect(autocommit=True) as connection:
                together.wait(30)
                told.append(give_verdict(PostgresStore(connection), BOB, run, 1, Reason.WITHDRAWN))

        threads = [threading.Thread(target=withdraw) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(verdict.name for verdict in told) == ["GIVEN", "SETTLED"]


def test_r_9_behind_a_stuck_item_it_is_refused_and_named(cut: Cut) -> None:
    """Its place is not reached: item-stuck, not item-settled; the stuck one itself can be withdrawn."""
    cut.bank.account(ANN)
    run = cut.wages(TUESDAY, (ANN, 10), (ANN, 20))
    cut.open(TUESDAY)
    cut.bank.poison(ANN)

    with _refused("item-stuck"):
        centercut.withdraw(cut.store, run, 2)
    assert [one.item for one in cut.status(run).stuck] == [1]

    centercut.withdraw(cut.store, run, 1)
    assert cut.status(run).stuck == []
    centercut.withdraw(cut.store, run, 2)
    assert cut.reasons(run) == {1: Reason.WITHDRAWN, 2: Reason.WITHDRAWN}


def test_r_9_a_hold_does_not_expire_ahead_of_what_is_left_behind_it(cut: Cut) -> None:
    """O-6: Tuesday's hold ends ahead of Wednesday's first item, behind what Tuesday left; withdrawing Tuesday's first
    item on Wednesday must not end it ahead of Tuesday's second.
    """
    cut.bank.account(ANN, 100)
    tuesday = cut.bills(TUESDAY, (ANN, 10), (ANN, 60))
    wednesday = cut.bills(WEDNESDAY, (ANN, 60))
    post(cut.store, [PlaceHold(client="shop", key=key(1), account=ANN, amount_yen=50, expires_on=TUESDAY)])
    cut.open(TUESDAY)
    cut.open(WEDNESDAY)

    centercut.withdraw(cut.store, tuesday, 1)
    assert cut.balance(ANN) == 40

    assert cut.reasons(tuesday) == {1: Reason.WITHDRAWN, 2: Reason.INSUFFICIENT_FUNDS}
    assert cut.reasons(wednesday) == {1: Reason.ACCEPTED}
