"""O-1, O-5 and O-8: the order of items over runs and dates, however it is cut into commits."""

from __future__ import annotations

import pytest

from banks import TUESDAY, WEDNESDAY, key, number, prove
from cuts import Cut
from kanjo import ledger
from kanjo.ledger import Phase, Reason

ANN, BOB = number(1), number(2)


def _causes(cut: Cut, account: int) -> list[tuple[int | None, int | None]]:
    return [(entry.run, entry.item) for entry in cut.of_items(account)]


@pytest.mark.parametrize("start", ["all", "last only", "Before"])
def test_o_1_priorities_decide_between_runs_on_one_account(cut: Cut, start: str) -> None:
    """Whichever run's slice comes first, or Before: date, priority, run, item; a slice settles all that is due."""
    cut.bank.account(ANN)
    runs = {priority: cut.wages(TUESDAY, (ANN, priority), (ANN, 1), priority=priority) for priority in (60, 20, 40)}
    later = cut.wages(TUESDAY, (ANN, 2), priority=40)
    cut.open(TUESDAY)
    order = [runs[20], runs[40], later, runs[60]]
    expected = [(runs[20], 1), (runs[20], 2), (runs[40], 1), (runs[40], 2), (later, 1), (runs[60], 1), (runs[60], 2)]

    if start == "Before":
        assert cut.balance(ANN) == 125
    elif start == "all":
        cut.run(*order)
    else:
        cut.run(runs[60])

    assert _causes(cut, ANN) == expected


def test_o_5_a_run_that_was_not_finished_goes_on_in_the_next_day_and_first(cut: Cut) -> None:
    """Wednesday's items wait behind Tuesday's; these bear the booking date Wednesday and their own value date."""
    for account in (ANN, BOB):
        cut.bank.account(account)
    tuesday = cut.wages(TUESDAY, (ANN, 1), (BOB, 2), priority=90, slice_items=1)
    wednesday = cut.wages(WEDNESDAY, (ANN, 10), (BOB, 20), priority=10)
    cut.open(TUESDAY)
    cut.start(tuesday)
    assert cut.step(tuesday) == 1
    cut.open(WEDNESDAY)

    cut.run(wednesday)

    assert _causes(cut, ANN) == [(tuesday, 1), (wednesday, 1)]
    assert _causes(cut, BOB) == [(tuesday, 2), (wednesday, 2)]
    [ann, bob] = [cut.of_items(account)[0] for account in (ANN, BOB)]
    assert (ann.date, ann.value_date) == (TUESDAY, TUESDAY)
    assert (bob.date, bob.value_date) == (WEDNESDAY, TUESDAY)
    cut.work(tuesday)
    assert cut.state(tuesday) == "completed"


def test_o_5_order_is_kept_over_many_dates_by_whoever_settles(cut: Cut) -> None:
    """Monday's reader comes on Wednesday: two dates are due, in their order."""
    cut.bank.account(ANN, 50)
    wednesday = cut.wages(WEDNESDAY, (ANN, 1_000), priority=1)
    tuesday = cut.bills(TUESDAY, (ANN, 60), priority=99)
    cut.open(WEDNESDAY)

    assert cut.balance(ANN) == 1_050

    assert cut.reasons(tuesday) == {1: Reason.INSUFFICIENT_FUNDS}
    assert cut.reasons(wednesday) == {1: Reason.ACCEPTED}


@pytest.mark.parametrize("items_max", [1, 3, 7])
def test_o_8_a_worker_settles_in_bounded_steps(cut: Cut, items_max: int) -> None:
    """One account with 20 items: each commit settles at most the bound, in order, and the slice ends with the last."""
    cut.bank.account(ANN)
    run = cut.wages(TUESDAY, *((ANN, index) for index in range(1, 21)))
    cut.open(TUESDAY)
    cut.start(run)

    steps = []
    while (settled := cut.step(run, items_max=items_max)) is not None:
        steps.append(settled)

    assert max(steps) == items_max
    assert sum(steps) == 20
    assert _causes(cut, ANN) == [(run, index) for index in range(1, 21)]


def test_o_8_the_bound_is_that_of_the_whole_commit(cut: Cut) -> None:
    """A slice of 30 accounts with four items each, and another run's on them: a step settles ten, not ten of each."""
    accounts = [cut.bank.account(number(index)) for index in range(1, 31)]
    run = cut.wages(TUESDAY, *((account, 1) for account in accounts for _ in range(4)))
    cut.bills(TUESDAY, *((account, 1) for account in accounts))
    cut.open(TUESDAY)
    cut.start(run)

    steps = []
    while (settled := cut.step(run, items_max=10)) is not None:
        steps.append(settled)

    assert max(steps) == 10
    assert sum(steps) == 150
    assert all(cut.stored_balance(account) == 3 for account in accounts)


def test_o_8_a_stuck_item_does_not_eat_the_bound_of_its_neighbours(cut: Cut) -> None:
    """Twenty items wait behind it on its account; the others settle, ten a commit."""
    accounts = [cut.bank.account(number(index)) for index in range(1, 31)]
    guilty = accounts[3]
    run = cut.wages(TUESDAY, *((account, 1) for account in accounts), *((guilty, 1) for _ in range(20)))
    cut.open(TUESDAY)
    cut.bank.poison(guilty)
    cut.start(run)

    for _ in range(40):
        if cut.step(run, items_max=10) is None:
            break

    assert cut.status(run).totals.settled == 29
    assert [(one.account, one.item) for one in cut.status(run).stuck] == [(guilty, 4)]


def test_o_8_online_waits_for_bounded_steps_and_is_decided_behind_the_last(cut: Cut) -> None:
    """25 items pending, a bound of ten: the withdrawal finds them all settled."""
    cut.bank.account(ANN)
    cut.wages(TUESDAY, *((ANN, 1) for _ in range(25)))
    cut.open(TUESDAY)

    [paid] = ledger.post(cut.store, [ledger.withdrawal("atm", key(1), ANN, 25)], items_max=10)

    assert isinstance(paid, ledger.Outcome) and paid.accepted
    assert [entry.amount_yen for entry in cut.bank.entries(ANN)] == [1] * 25 + [-25]
    prove(cut.bank)


def test_claims_go_by_phase_date_priority_and_run(cut: Cut) -> None:
    """Workers take pre-business slices first, then early and in-business ones."""
    accounts = [cut.bank.account(number(index)) for index in range(1, 7)]
    early = cut.wages(TUESDAY, (accounts[0], 1), phase=Phase.EARLY, priority=1)
    second = cut.wages(TUESDAY, (accounts[1], 1), priority=40)
    third = cut.wages(TUESDAY, (accounts[2], 1), priority=40)
    first = cut.wages(TUESDAY, (accounts[3], 1), priority=10)
    last = cut.wages(TUESDAY, (accounts[4], 1), phase=Phase.IN_BUSINESS, priority=5)
    cut.open(TUESDAY)
    cut.start(early, second, third, first, last)

    claimed = []
    while cut.step() is not None:
        done = [run for run in (early, second, third, first, last) if cut.reasons(run) and run not in claimed]
        claimed += done

    assert claimed == [first, second, third, early, last]


def test_monday_has_no_items_of_tuesday(cut: Cut) -> None:
    """Nothing is settled ahead of its date by anybody."""
    cut.bank.account(ANN)
    run = cut.wages(TUESDAY, (ANN, 1))

    cut.settle_everything()

    assert cut.reasons(run) == {}
