"""A wait for the other site is broken off: nobody takes for an answer what only this site has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from bank import DOOR, WORKER
from psycopg.conninfo import make_conninfo
from runbook import Runbook
from sessions import BLOWS, Blow, break_off, waiting
from waiting import ANSWER_S_MAX, wait_until

from banks import key
from kanjo import db, ledger
from kanjo.ledger import Batcher, Outcome, OutcomeUnknown

pytestmark = [pytest.mark.sites, pytest.mark.long, pytest.mark.xdist_group("sites-lab")]

COUNTER = "counter"


@contextmanager
def open_counter(runbook: Runbook, **named: float) -> Iterator[Batcher]:
    """A door of its own, whose sessions bear its name."""
    database = db.reach(make_conninfo(runbook.dsn(), application_name=COUNTER), embedded=False)
    with Batcher(lambda: ledger.store_of(database), **named) as door:
        yield door


@pytest.mark.parametrize("blow", BLOWS)
def test_t22_a_wait_that_is_broken_off_is_in_doubt_until_b_has_it(shared: Runbook, blow: Blow) -> None:
    """The link swallows, waits are cancelled or killed: in doubt, and the key repeated is not answered either."""
    bank = shared.bank
    named = key(f"counter/{blow}")
    asked = ledger.deposit(COUNTER, named, bank.account(), 1)
    with bank.at_work() as customers:
        with open_counter(shared, patience_s=0.0) as hasty, open_counter(shared) as patient:
            shared.lab.cut(blackhole=True)
            for _ in ("the deposit", "its key once more"):
                for application in (DOOR, WORKER):
                    break_off(shared, blow, application)
                told = hasty.submit(asked)
                break_off(shared, blow, COUNTER)
                with pytest.raises(OutcomeUnknown) as doubt:
                    told.result(ANSWER_S_MAX)
                assert doubt.value.committing
            assert named in bank.keys("a", COUNTER) and named not in bank.keys("b", COUNTER)
            assert bank.keys("a", customers.name) - bank.keys("b", customers.name)

            before = customers.count()
            later = patient.submit(asked)
            for application in (DOOR, WORKER, COUNTER, DOOR, WORKER, COUNTER):
                break_off(shared, blow, application)
            wait_until(lambda: waiting(shared, COUNTER), "whoever repeats the key waits")
            assert customers.count() == before and not later.done()

            shared.lab.heal()
            answer = later.result(ANSWER_S_MAX)
            assert isinstance(answer, Outcome) and answer.replayed
            wait_until(lambda: named in bank.keys("b", COUNTER), "b shows it")
        customers.wait_for_more(20)
