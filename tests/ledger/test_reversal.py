"""Reversals on both stores: whole, once, by reference, with the original's value date (rule C-3)."""

from __future__ import annotations

import threading

import pytest

from banks import CLIENT, CREDIT, DEBIT, MONDAY, TUESDAY, Bank, PostgresBank, answer, key, number, prove, reasons
from kanjo import ledger
from kanjo.ledger import ChangeAccount, Kind, Outcome, Reason, Reverse, Status, deposit, transfer, withdrawal

A, B = number(1), number(2)


def _reverse(name: object, original: object, client: str = CLIENT) -> Reverse:
    return Reverse(client=client, key=key(name), original=key(original))


def test_a_transfer_is_reversed_whole_with_the_originals_value_date(bank: Bank) -> None:
    """Both accounts get an entry of today's booking date and Monday's value date."""
    bank.account(A, 100)
    bank.account(B)
    answer(bank, transfer(CLIENT, key(1), A, B, 70))
    bank.open(TUESDAY)
    outcome = answer(bank, _reverse(2, 1))
    assert outcome.accepted and outcome.reference == key(1) and outcome.value_date == MONDAY
    assert {account: found.balance_yen for account, found in bank.balances().items()} == {A: 100, B: 0}
    for account in (A, B):
        last = bank.entries(account)[-1]
        assert (last.kind, last.date, last.value_date) == (Kind.REVERSAL, TUESDAY, MONDAY)
    prove(bank)


def test_several_movements_are_undone_from_the_last_to_the_first(bank: Bank) -> None:
    """So that each finds the money it needs."""
    bank.account(A, 50)
    bank.account(B)
    movements = (ledger.Movement(A, B, 50), ledger.Movement(B, int(ledger.Code.CASH), 50))
    answer(bank, ledger.Post(client=CLIENT, key=key(1), kind_of=Kind.TRANSFER, movements=movements))
    assert answer(bank, _reverse(2, 1)).accepted
    assert {account: found.balance_yen for account, found in bank.balances().items()} == {A: 50, B: 0}


def test_a_transaction_is_reversed_once(bank: Bank) -> None:
    """A second reversal under another key is refused, the first key is a replay; also within one batch."""
    bank.account(A, 100)
    answer(bank, deposit(CLIENT, key(1), A, 10))
    first, second = ledger.post(bank.store, [_reverse(2, 1), _reverse(3, 1)])
    assert isinstance(first, Outcome) and first.accepted
    assert isinstance(second, Outcome) and second.reason == Reason.ALREADY_REVERSED
    assert answer(bank, _reverse(4, 1)).reason == Reason.ALREADY_REVERSED
    assert answer(bank, _reverse(2, 1)).replayed
    assert bank.balances()[A].balance_yen == 100


def test_a_refused_reversal_may_be_asked_again(bank: Bank) -> None:
    """Only an accepted one uses the transaction up."""
    bank.account(A)
    answer(bank, deposit(CLIENT, key(1), A, 10))
    answer(bank, withdrawal(CLIENT, key(2), A, 10))
    assert answer(bank, _reverse(3, 1)).reason == Reason.INSUFFICIENT_FUNDS
    answer(bank, deposit(CLIENT, key(4), A, 10))
    assert answer(bank, _reverse(5, 1)).accepted


def test_what_cannot_be_reversed(bank: Bank) -> None:
    """An unknown key, another client's, a refusal, a reversal, a hold, a run's posting."""
    bank.account(A, 100)
    answer(bank, deposit(CLIENT, key(1), A, 10))
    answer(bank, withdrawal(CLIENT, key(2), A, 1_000))
    answer(bank, _reverse(3, 1))
    answer(bank, ledger.PlaceHold(client=CLIENT, key=key(4), account=A, amount_yen=1))
    funding = ledger.Movement(A, int(ledger.Code.RUN_SUSPENSE), 5)
    answer(bank, ledger.Post(client=CLIENT, key=key(5), kind_of=Kind.RUN_FUNDING, movements=(funding,), run=1))
    assert answer(bank, _reverse(10, 9)).reason == Reason.ORIGINAL_UNKNOWN
    assert answer(bank, _reverse(11, 1, client="other")).reason == Reason.ORIGINAL_UNKNOWN
    for original in (2, 3, 4, 5):
        assert answer(bank, _reverse((12, original), original)).reason == Reason.NOT_REVERSIBLE


def test_a_reversal_settles_all_its_accounts_first(bank: Bank) -> None:
    """C-3: Before on both accounts of the original, which the reversal does not name; a floor is not breached."""
    bank.account(A, 100)
    bank.account(B)
    answer(bank, transfer(CLIENT, key(1), A, B, 70))
    run = bank.run(TUESDAY)
    bank.items(run, [(A, CREDIT, 1), (B, DEBIT, 70)])
    bank.open(TUESDAY)
    refused = answer(bank, _reverse(2, 1))
    assert refused.reason == Reason.INSUFFICIENT_FUNDS
    assert [touch.account for touch in refused.touched] == [A, B]
    assert reasons(bank, run) == {1: Reason.ACCEPTED, 2: Reason.ACCEPTED}


@pytest.mark.parametrize("status", [Status.FROZEN, Status.DEBIT_STOPPED])
def test_a_reversal_obeys_the_accounts_status(bank: Bank, status: Status) -> None:
    """Like any other debit."""
    bank.account(A)
    answer(bank, deposit(CLIENT, key(1), A, 10))
    answer(bank, ChangeAccount(client=CLIENT, key=key(2), account=A, status=status))
    refused = answer(bank, _reverse(3, 1)).reason
    assert refused == (Reason.ACCOUNT_FROZEN if status == Status.FROZEN else Reason.DEBIT_STOPPED)


def test_two_reversals_at_once_undo_it_once(postgres: PostgresBank) -> None:
    """Whichever comes second waits and is refused."""
    postgres.account(A, 100)
    answer(postgres, deposit(CLIENT, key(1), A, 10))
    start = threading.Barrier(4)
    found: list[Reason] = []

    def ask(name: int) -> None:
        with postgres.database.connect(autocommit=True) as connection:
            start.wait(10)
            [outcome] = ledger.post(ledger.PostgresStore(connection), [_reverse(name, 1)])
            assert isinstance(outcome, Outcome)
            found.append(outcome.reason)

    threads = [threading.Thread(target=ask, args=(name,)) for name in range(10, 14)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(found) == [Reason.ACCEPTED, *[Reason.ALREADY_REVERSED] * 3]
    assert postgres.balances()[A].balance_yen == 100
    prove(postgres)
