"""O-9: what goes wrong with one item or request harms no neighbour, and a failing database is nobody's guilt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from banks import (
    CLIENT,
    CREDIT,
    DEBIT,
    MONDAY,
    TUESDAY,
    Bank,
    PostgresBank,
    answer,
    key,
    number,
    prove,
    reasons,
    terminate,
)
from kanjo import ledger
from kanjo.db.line import Found, Line, Statement
from kanjo.ledger import NotDecided, Outcome, Phase, Reason, deposit, withdrawal
from kanjo.ledger import postgres as postgres_module
from kanjo.ledger.post import post_once

GUILTY = number(100)


def _neighbours(bank: Bank, run: int) -> list[int]:
    """200 accounts with two items each, GUILTY in their midst."""
    accounts = [bank.account(number(index), 100) for index in range(1, 201)]
    bank.items(run, [(account, CREDIT, 50) for account in accounts for _ in range(2)])
    return accounts


def _items_of(account: int) -> tuple[int, int]:
    index = account - number(0)
    return 2 * index - 1, 2 * index


def test_a_poison_item_is_held_back_alone(bank: Bank) -> None:
    """The neighbours settle; the first item of the guilty account is stuck and holds the second."""
    run = bank.run(MONDAY)
    accounts = _neighbours(bank, run)
    bank.poison(GUILTY)
    assert ledger.settle(bank.store, accounts) == 398
    first, second = _items_of(GUILTY)
    assert bank.stuck() == {(run, first)}
    assert set(range(1, 401)) - set(bank.results(run)) == {first, second}
    assert ledger.settle(bank.store, accounts) == 0


def test_a_poison_item_is_held_back_by_a_door_too(bank: Bank) -> None:
    """A batch of 200 deposits of which one meets a poison item: 199 are decided, that one is refused item-stuck."""
    run = bank.run(MONDAY)
    accounts = _neighbours(bank, run)
    bank.poison(GUILTY)
    answers = ledger.post(bank.store, [withdrawal(CLIENT, key(account), account, 200) for account in accounts])
    found = {account: one.reason for account, one in zip(accounts, answers, strict=True) if isinstance(one, Outcome)}
    assert found.pop(GUILTY) == Reason.ITEM_STUCK
    assert set(found.values()) == {Reason.ACCEPTED}
    assert bank.stuck() == {(run, _items_of(GUILTY)[0])}
    assert key(GUILTY) not in bank.requests()


def test_online_on_a_held_account_is_refused_until_it_is_repaired(bank: Bank) -> None:
    """item-stuck is no decision: the same key is decided once the item is taken back and settled."""
    run = bank.run(MONDAY)
    bank.account(GUILTY, 100)
    bank.account(number(1), 100)
    bank.items(run, [(GUILTY, CREDIT, 50), (GUILTY, CREDIT, 1)])
    bank.poison(GUILTY)
    asked: list[ledger.Asked] = [
        deposit(CLIENT, key(1), GUILTY, 5),
        ledger.transfer(CLIENT, key(2), number(1), GUILTY, 5),
        ledger.PlaceHold(client=CLIENT, key=key(3), account=GUILTY, amount_yen=5),
        ledger.ChangeAccount(client=CLIENT, key=key(4), account=GUILTY, status=ledger.Status.FROZEN),
    ]
    assert [answer(bank, one).reason for one in asked] == [Reason.ITEM_STUCK] * 4
    assert ledger.enquire(bank.store, GUILTY).reason == Reason.ITEM_STUCK
    assert bank.requests() == {}
    bank.cure(GUILTY, 100)
    with bank.store.unit() as unit:
        assert unit.take_stuck(run, 1) == GUILTY
        assert unit.take_stuck(run, 1) is None
    assert [answer(bank, one).reason for one in asked] == [Reason.ACCEPTED] * 4
    assert reasons(bank, run) == {1: Reason.ACCEPTED, 2: Reason.ACCEPTED}
    prove(bank)


def test_a_key_answered_before_is_answered_on_a_held_account(bank: Bank) -> None:
    """Law 2 goes before O-9: the outcome was given."""
    bank.account(GUILTY, 100)
    first = answer(bank, deposit(CLIENT, key(1), GUILTY, 5))
    bank.items(bank.run(TUESDAY), [(GUILTY, CREDIT, 50)])
    bank.open(TUESDAY)
    bank.poison(GUILTY)
    ledger.settle(bank.store, [GUILTY])
    assert answer(bank, deposit(CLIENT, key(1), GUILTY, 5)).entries == first.entries


@pytest.mark.parametrize("many", [False, True])
def test_what_waits_behind_a_stuck_item_starves_nobody(bank: Bank, many: bool) -> None:
    """More items behind it than a commit may load: settling ends, doors are answered, and the neighbours settle."""
    accounts = [bank.account(number(index), 100) for index in range(1, 602 if many else 10)]
    guilty = accounts[3]
    run = bank.run(MONDAY)
    bank.items(run, [(guilty, CREDIT, 50) for _ in range(60)] + [(account, CREDIT, 1) for account in accounts])
    bank.poison(guilty)
    assert ledger.settle(bank.store, accounts, items_max=16) == len(accounts) - 1
    assert ledger.settle(bank.store, accounts, items_max=16) == 0
    answers = ledger.post(bank.store, [deposit(CLIENT, key(account), account, 1) for account in accounts], items_max=16)
    refused = [one.reason for one in answers if isinstance(one, Outcome) and not one.accepted]
    assert refused == [Reason.ITEM_STUCK]
    assert ledger.enquire(bank.store, guilty).reason == Reason.ITEM_STUCK


def test_several_poison_items_are_each_held_back(bank: Bank) -> None:
    """Every guilty account is found, whatever the halves."""
    run = bank.run(MONDAY)
    accounts = _neighbours(bank, run)
    guilty = {number(index) for index in (1, 2, 77, 150, 200)}
    for account in guilty:
        bank.poison(account)
    assert ledger.settle(bank.store, accounts, items_max=7) == 390
    assert bank.stuck() == {(run, _items_of(account)[0]) for account in guilty}


def test_the_item_behind_a_good_one_is_the_guilty_one(postgres: PostgresBank) -> None:
    """Items ahead of the poison on the same account are settled, whatever the bound of a step."""
    postgres.account(GUILTY, 100)
    run = postgres.run(MONDAY)
    postgres.items(run, [(GUILTY, DEBIT, 1)] * 20 + [(GUILTY, CREDIT, 500)] + [(GUILTY, DEBIT, 1)] * 20)
    postgres.cure(GUILTY, 2**63 - 100)
    ledger.settle(postgres.store, [GUILTY])
    assert postgres.stuck() == {(run, 21)}
    assert list(postgres.results(run)) == list(range(1, 21))


class Stumbling:
    """A store of which one unit fails, for a reason that is over then; counts its units."""

    def __init__(self, bank: Bank) -> None:
        self.units = 0
        self._store = bank.store

    @contextmanager
    def unit(self) -> Iterator[Any]:
        self.units += 1
        if self.units == 1:
            raise ZeroDivisionError
        with self._store.unit() as unit:
            yield unit


def test_a_passing_fault_makes_one_commit_small_and_not_all_behind_it(bank: Bank) -> None:
    """1,000 items of one account, 64 a commit: one that failed, a small one, 16 large ones."""
    bank.account(GUILTY)
    run = bank.run(MONDAY)
    bank.items(run, [(GUILTY, CREDIT, 1)] * 1_000)
    store = Stumbling(bank)
    assert ledger.settle(store, [GUILTY], items_max=64) == 1_000
    assert store.units == 18
    assert bank.stuck() == set()


def test_a_request_that_fails_alone_keeps_nobody_waiting_for_all_that_is_due_there(bank: Bank) -> None:
    """Its accounts are settled without it in bounded steps, between which others are answered."""
    bank.account(GUILTY)
    run = bank.run(MONDAY)
    bank.items(run, [(GUILTY, CREDIT, 1)] * 1_000)
    posted = post_once(Stumbling(bank), [deposit(CLIENT, key(1), GUILTY, 1)], items_max=64)
    assert posted == ([None], {GUILTY})
    assert len(bank.results(run)) == 64
    assert answer(bank, deposit(CLIENT, key(1), GUILTY, 1)).touched[0].sequence == 1_000


def test_an_item_the_database_refuses_is_held_back(postgres: PostgresBank) -> None:
    """An error of the database about one row is found like one of the program."""
    run = postgres.run(MONDAY)
    accounts = _neighbours(postgres, run)
    first, _ = _items_of(GUILTY)
    name = f"planted_{run}"
    postgres.owner.execute(f"ALTER TABLE ledger.result ADD CONSTRAINT {name} CHECK (run <> {run} OR item <> {first})")
    try:
        assert ledger.settle(postgres.store, accounts) == 398
        assert postgres.stuck() == {(run, first)}
    finally:
        postgres.owner.execute(f"ALTER TABLE ledger.result DROP CONSTRAINT {name}")


def test_a_second_entry_of_one_sequence_is_law_3_and_no_conflict(bank: Bank) -> None:
    """Trying again would never help: the account is held, its neighbours settle."""
    accounts = [bank.account(number(index), 100) for index in range(1, 4)]
    run = bank.run(MONDAY)
    bank.items(run, [(account, CREDIT, 1) for account in accounts])
    if isinstance(bank, PostgresBank):
        bank.owner.execute("UPDATE ledger.account SET sequence = 0 WHERE account = %s", (accounts[1],))
    else:
        bank.store.tables.accounts[accounts[1]].sequence = 0
    assert ledger.settle(bank.store, accounts) == 2
    assert bank.stuck() == {(run, 2)}
    assert answer(bank, deposit(CLIENT, key(1), accounts[1], 1)).reason == Reason.ITEM_STUCK


def test_a_poison_request_is_told_and_its_neighbours_are_decided(bank: Bank) -> None:
    """NotDecided for the guilty one, nothing stored for it, its key free; items before it stay settled."""
    accounts = [bank.account(number(index), 100) for index in range(1, 201)]
    run = bank.run(MONDAY)
    bank.poison(GUILTY)
    bank.items(run, [(account, CREDIT, 1) for account in accounts if account != GUILTY])
    asked = [deposit(CLIENT, key(account), account, 5_000) for account in accounts]
    answers = ledger.post(bank.store, asked)
    assert [accounts[index] for index, one in enumerate(answers) if isinstance(one, NotDecided)] == [GUILTY]
    assert all(isinstance(one, NotDecided) or (isinstance(one, Outcome) and one.accepted) for one in answers)
    assert len(bank.requests()) == 199 and key(GUILTY) not in bank.requests()
    assert bank.stuck() == set()
    bank.cure(GUILTY, 100)
    assert answer(bank, asked[99]).accepted
    prove(bank)


@pytest.mark.parametrize("client", ["bad\x00client", "bad\ud800client"])
def test_a_client_that_cannot_be_stored_harms_itself_only(postgres: PostgresBank, client: str) -> None:
    """Text that PostgreSQL or UTF-8 refuses is the request's own fault."""
    postgres.account(GUILTY, 100)
    postgres.items(postgres.run(MONDAY), [(GUILTY, CREDIT, 1)])
    asked = [deposit(CLIENT, key(1), GUILTY, 1), deposit(client, key(2), GUILTY, 1), deposit(CLIENT, key(3), GUILTY, 1)]
    first, second, third = ledger.post(postgres.store, asked)
    assert isinstance(first, Outcome) and first.accepted and isinstance(third, Outcome) and third.accepted
    assert isinstance(second, NotDecided)
    assert postgres.stuck() == set()


def test_a_hold_that_cannot_expire_harms_nobody_else(bank: Bank) -> None:
    """Nothing is pending, so nothing is stuck: a worker passes the account over, a request there gets NotDecided."""
    accounts = [bank.account(number(index), 100) for index in range(1, 6)]
    hold = ledger.PlaceHold(client=CLIENT, key=key("hold"), account=accounts[0], amount_yen=50, expires_on=MONDAY)
    answer(bank, hold)
    if isinstance(bank, PostgresBank):
        bank.owner.execute("UPDATE ledger.account SET held = 0")
    else:
        bank.store.tables.accounts[accounts[0]].held_yen = 0
    bank.items(bank.run(TUESDAY), [(account, CREDIT, 1) for account in accounts[1:]])
    bank.open(TUESDAY)
    assert ledger.settle(bank.store, accounts) == 4
    answers = ledger.post(bank.store, [deposit(CLIENT, key(account), account, 1) for account in accounts])
    assert isinstance(answers[0], NotDecided) and "law 1" in answers[0].message
    assert all(isinstance(one, Outcome) and one.accepted for one in answers[1:])
    assert bank.stuck() == set()


def test_a_stuck_item_of_another_phase_does_not_hold_a_door(bank: Bank) -> None:
    """No order is promised for early and in-business items, so nothing online stands behind them."""
    bank.account(GUILTY, 100)
    run = bank.run(MONDAY, phase=Phase.EARLY)
    bank.items(run, [(GUILTY, CREDIT, 1), (GUILTY, CREDIT, 1)])
    bank.poison(GUILTY)
    assert ledger.settle(bank.store, [GUILTY], also=[run]) == 0
    bank.cure(GUILTY, 100)
    assert bank.stuck() == {(run, 1)}
    assert answer(bank, deposit(CLIENT, key(1), GUILTY, 1)).accepted
    assert ledger.settle(bank.store, [GUILTY], also=[run]) == 0


@pytest.mark.parametrize(
    ("plant", "remove"),
    [
        ("REVOKE INSERT ON ledger.result FROM kanjo_service", "GRANT INSERT ON ledger.result TO kanjo_service"),
        ("ALTER TABLE ledger.result RENAME TO gone", "ALTER TABLE ledger.gone RENAME TO result"),
    ],
)
def test_a_failing_database_marks_nothing_as_stuck(postgres: PostgresBank, plant: str, remove: str) -> None:
    """A right or a table that is missing fails everybody: StoreFailed, and no item or request bears the blame."""
    run = postgres.run(MONDAY)
    accounts = _neighbours(postgres, run)
    postgres.owner.execute(plant)
    try:
        with pytest.raises(ledger.StoreFailed):
            ledger.settle(postgres.store, accounts)
        with pytest.raises(ledger.StoreFailed):
            ledger.post(postgres.store, [deposit(CLIENT, key(account), account, 1) for account in accounts])
    finally:
        postgres.owner.execute(remove)
    assert (postgres.stuck(), postgres.requests(), postgres.results(run)) == (set(), {}, {})
    assert ledger.settle(postgres.store, accounts) == 400


def test_a_missing_partition_marks_nothing_as_stuck(postgres: PostgresBank) -> None:
    """A date the owner made no partition for fails every posting, so none is guilty."""
    run = postgres.run(MONDAY)
    postgres.account(GUILTY, 100)
    postgres.items(run, [(GUILTY, CREDIT, 1)])
    postgres.open(MONDAY.replace(year=2030))
    with pytest.raises(ledger.StoreFailed, match="partition"):
        ledger.settle(postgres.store, [GUILTY])
    assert postgres.stuck() == set()


def test_a_read_only_database_marks_nothing_as_stuck(postgres: PostgresBank) -> None:
    """A primary that became a standby refuses writes to all alike."""
    postgres.account(GUILTY, 100)
    postgres.items(postgres.run(MONDAY), [(GUILTY, CREDIT, 1)])
    postgres.connection.execute("SET default_transaction_read_only = on")
    with pytest.raises(ledger.StoreFailed):
        ledger.settle(postgres.store, [GUILTY])
    with pytest.raises(ledger.StoreFailed):
        ledger.post(postgres.store, [deposit(CLIENT, key(1), GUILTY, 1)])
    assert postgres.stuck() == set()


@pytest.mark.parametrize("when", ["before", "in_unit"])
def test_a_connection_that_dies_leaves_one_outcome(postgres: PostgresBank, when: str) -> None:
    """The caller gets OutcomeUnknown, repeats the key on a new connection, and there is one outcome."""
    postgres.account(GUILTY, 100)
    asked = deposit(CLIENT, key(1), GUILTY, 5)
    if when == "before":
        terminate(postgres.owner, postgres.connection)
        with pytest.raises(ledger.OutcomeUnknown):
            ledger.post(postgres.store, [asked])
    else:
        with pytest.raises(ledger.OutcomeUnknown):
            _post_and_die(postgres, asked)
    with postgres.database.connect(autocommit=True) as connection:
        [outcome] = ledger.post(ledger.PostgresStore(connection), [asked])
    assert isinstance(outcome, Outcome) and outcome.accepted and not outcome.replayed
    assert postgres.balances()[GUILTY].balance_yen == 105
    prove(postgres)


def _post_and_die(bank: PostgresBank, asked: ledger.Asked) -> None:
    with bank.store.unit() as unit:
        ledger.post_in(unit, [asked])
        terminate(bank.owner, bank.connection)


def test_an_answer_lost_behind_the_commit_is_found_again(
    postgres: PostgresBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SV-6: the commit was done and only its answer lost: the repeated key is a replay of the one outcome."""
    postgres.account(GUILTY, 100)
    asked = deposit(CLIENT, key(1), GUILTY, 5)
    exchange = Line.exchange

    def lossy(line: Line, statements: Sequence[Statement]) -> list[Found]:
        found = exchange(line, statements)
        if statements[-1] == (postgres_module.SQL["commit"], {}):
            terminate(postgres.owner, line.connection)
            line.connection.execute("SELECT 1")
        return found

    monkeypatch.setattr(Line, "exchange", lossy)
    with pytest.raises(ledger.OutcomeUnknown) as lost:
        ledger.post(postgres.store, [asked])
    assert lost.value.committing
    monkeypatch.undo()
    with postgres.database.connect(autocommit=True) as connection:
        [outcome] = ledger.post(ledger.PostgresStore(connection), [asked])
    assert isinstance(outcome, Outcome) and outcome.accepted and outcome.replayed
    assert postgres.balances()[GUILTY].balance_yen == 105


def test_a_store_refuses_a_connection_that_would_not_commit(postgres: PostgresBank) -> None:
    """Without autocommit a unit would be a savepoint, and an answer would be given for what nobody committed."""
    with (
        postgres.database.connect() as connection,
        pytest.raises(ValueError, match="autocommit"),
    ):
        postgres_module.PostgresStore(connection)


def test_c_2_a_key_that_was_decided_is_answered_again_though_its_account_is_held_now(postgres: PostgresBank) -> None:
    """item-stuck is no decision: it must not stand in for the one there is. A new key hears it."""
    account = postgres.account(number(1), 100)
    [first] = ledger.post(postgres.store, [deposit(CLIENT, key(1), account, 5)])
    run = postgres.run(MONDAY)
    postgres.items(run, [(account, CREDIT, 10)])
    postgres.owner.execute(
        "INSERT INTO ledger.stuck_item (cell, account, run, item, error) VALUES (0, %s, %s, 1, 'bad')", (account, run)
    )

    again, other = ledger.post(
        postgres.store, [deposit(CLIENT, key(1), account, 5), deposit(CLIENT, key(2), account, 5)]
    )

    assert again == msgspec.structs.replace(first, replayed=True)
    assert isinstance(other, Outcome) and other.reason == Reason.ITEM_STUCK
