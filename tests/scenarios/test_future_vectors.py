"""FV-1 to FV-7 (bank-batch E.4), the pre-business side: 15,000 on 9 August; due on the 10th: electricity 10,000, then
gas 10,000.

The future-dated balance of the sheet is another engine's; here nothing happens before the date, and the results of the
10th are the same whether the batch or Before comes first.
"""

from __future__ import annotations

from datetime import date

import pytest

from banks import number
from cuts import Cut
from kanjo import centercut
from kanjo.ledger import Reason

AUGUST_9, AUGUST_10 = date(2026, 8, 9), date(2026, 8, 10)
ANN = number(1)
ELECTRICITY, GAS = 1, 2


@pytest.fixture
def run(cut: Cut) -> int:
    """The debits, loaded on 9 August."""
    cut.bank.open(AUGUST_9)
    cut.bank.account(ANN, 15_000)
    return cut.bills(AUGUST_10, (ANN, 10_000), (ANN, 10_000))


@pytest.fixture(params=["batch first", "Before first"])
def settled_by(request: pytest.FixtureRequest) -> str:
    """Who settles on the 10th; results must not depend on it."""
    return str(request.param)


def _on_the_10th(cut: Cut, run: int, settled_by: str) -> tuple[int, list[int]]:
    """Open the 10th and settle; returns the balance and the results."""
    cut.open(AUGUST_10)
    if settled_by == "Before first":
        assert cut.balance(ANN) == cut.stored_balance(ANN)
    cut.run(run)
    assert (cut.status(run).totals.settled_by_before == 2) == (settled_by == "Before first")
    return cut.stored_balance(ANN), cut.codes(run)


def test_fv_1_nothing_happens_before_the_date(cut: Cut, run: int, settled_by: str) -> None:
    """15,000 all of the 9th; on the 10th 5,000, results 0 and 1."""
    assert cut.balance(ANN) == cut.stored_balance(ANN) == 15_000
    assert cut.reasons(run) == {}

    assert _on_the_10th(cut, run, settled_by) == (5_000, [0, 1])


def test_fv_2_a_withdrawal_on_the_9th_leaves_too_little_for_both(cut: Cut, run: int, settled_by: str) -> None:
    """10,000 drawn: 5,000 on the 10th, results 1 and 1."""
    assert cut.atm(ANN, -10_000, 1) == Reason.ACCEPTED
    assert cut.balance(ANN) == 5_000

    assert _on_the_10th(cut, run, settled_by) == (5_000, [1, 1])


def test_fv_3_a_deposit_on_the_9th_pays_both(cut: Cut, run: int, settled_by: str) -> None:
    """10,000 paid in: 5,000 on the 10th, results 0 and 0."""
    assert cut.atm(ANN, 10_000, 1) == Reason.ACCEPTED
    assert cut.balance(ANN) == 25_000

    assert _on_the_10th(cut, run, settled_by) == (5_000, [0, 0])


def test_fv_4_out_and_in_again_is_as_if_nothing_was(cut: Cut, run: int, settled_by: str) -> None:
    """10,000 drawn and paid in: 5,000, results 0 and 1."""
    assert cut.atm(ANN, -10_000, 1) == Reason.ACCEPTED
    assert cut.atm(ANN, 10_000, 2) == Reason.ACCEPTED
    assert cut.balance(ANN) == 15_000

    assert _on_the_10th(cut, run, settled_by) == (5_000, [0, 1])


def test_fv_5_a_smaller_withdrawal_leaves_enough_for_the_first(cut: Cut, run: int, settled_by: str) -> None:
    """4,000 drawn: 1,000, results 0 and 1."""
    assert cut.atm(ANN, -4_000, 1) == Reason.ACCEPTED
    assert cut.balance(ANN) == 11_000

    assert _on_the_10th(cut, run, settled_by) == (1_000, [0, 1])


def test_fv_6_a_withdrawal_just_after_midnight_comes_behind_them(cut: Cut, run: int) -> None:
    """6,000 at 00:30 on the 10th: both are decided first, the machine refuses; 5,000, results 0 and 1."""
    cut.open(AUGUST_10)

    assert cut.atm(ANN, -6_000, "00:30") == Reason.INSUFFICIENT_FUNDS
    assert cut.stored_balance(ANN) == 5_000
    assert cut.codes(run) == [0, 1]
    cut.run(run)
    assert cut.stored_balance(ANN) == 5_000


def test_fv_7_the_originator_withdraws_the_first(cut: Cut, run: int, settled_by: str) -> None:
    """Electricity withdrawn on the 9th: gas is paid; 5,000, results 8 and 0."""
    centercut.withdraw(cut.store, run, ELECTRICITY)
    assert cut.balance(ANN) == 15_000
    cut.open(AUGUST_10)
    if settled_by == "Before first":
        assert cut.balance(ANN) == 5_000
    cut.run(run)

    assert (cut.stored_balance(ANN), cut.codes(run)) == (5_000, [8, 0])
