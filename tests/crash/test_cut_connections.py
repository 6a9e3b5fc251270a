"""A connection lost in the middle of a commit: the caller learns that the outcome is unknown, does it again, and
gets the one true outcome (issue 3, Survival).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from deaf_proxy import DeafProxy, Fault, through_proxy

from banks import CLIENT, TUESDAY, answer, key, number, prove, terminate
from cuts import EMPLOYER, NOW, NOWHERE, Cut, CutPostgresBank, Wages, postgres_cut, wait_until
from kanjo import centercut, db, ledger
from kanjo.errors import Refused
from kanjo.ledger import Batcher, Outcome, OutcomeUnknown, PostgresStore

pytestmark = pytest.mark.crash

DEADLINE_S = 30.0
ACCOUNT = number(1)
OTHER = number(2)
NEIGHBOUR = number(900)
"""Nothing that is lost here touches it."""
ROWS = [(number(index), 1_000) for index in range(1, 301)]
FAULTS = [
    pytest.param(Fault(arrives, end), id=f"commit {'arrives' if arrives else 'is lost'}, line {end}")
    for arrives in (True, False)
    for end in ("closes", "goes deaf")
]


@pytest.fixture
def cut(module_database: db.Database) -> Iterator[Cut]:
    """A bank of 300 accounts of 1,000 yen on Monday, reached directly."""
    ledger.ensure_partitions(module_database, TUESDAY)
    with postgres_cut(module_database) as found:
        bank = found.bank
        assert isinstance(bank, CutPostgresBank)
        bank.accounts([*ROWS, (NEIGHBOUR, 1_000)])
        bank.connection.execute("SET statement_timeout = '30s'")  # who waits in vain fails
        yield found


@pytest.fixture
def proxied(module_database: db.Database, cut: Cut) -> Iterator[tuple[DeafProxy, db.Database]]:
    """The same bank as a client sees it whose line will be cut."""
    with through_proxy(module_database) as found:
        yield found


def _lost(proxy: DeafProxy, fault: Fault, cut: Cut, work: Callable[[], object]) -> None:
    """Do the work over a line that fails at its COMMIT: OutcomeUnknown. Others are served while the line is deaf."""
    proxy.fail_next_commit(fault)
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(work)
        wait_until(proxy.cut.is_set, "the commit is cut", DEADLINE_S)
        asked = ledger.deposit(CLIENT, key("meanwhile"), NEIGHBOUR, 1)
        if fault.end == "goes deaf":
            assert not done.done()
            assert answer(cut.bank, asked).accepted
            proxy.hang_up()
        error = done.exception(DEADLINE_S)
    assert isinstance(error, OutcomeUnknown), error
    assert error.committing


@pytest.mark.parametrize("fault", FAULTS)
def test_a_posting(fault: Fault, cut: Cut, proxied: tuple[DeafProxy, db.Database]) -> None:
    """The repeated key is a replay when the commit had arrived, and decided for the first time when it had not."""
    proxy, database = proxied
    asked = ledger.deposit(CLIENT, key(1), ACCOUNT, 5)
    with database.connect(autocommit=True) as connection:
        store = PostgresStore(connection)
        _lost(proxy, fault, cut, lambda: ledger.post(store, [asked]))

    with database.connect(autocommit=True) as connection:
        [again] = ledger.post(PostgresStore(connection), [asked])

    assert isinstance(again, Outcome) and again.accepted
    assert again.replayed is fault.arrives
    assert cut.stored_balance(ACCOUNT) == 1_005
    assert len([entry for entry in cut.bank.entries(ACCOUNT) if entry.key == asked.key]) == 1
    prove(cut.bank)


def test_a_line_lost_before_the_commit_is_told_apart(cut: Cut, module_database: db.Database) -> None:
    """Nothing was committed, and the error knows it: a command may say so instead of leaving its user in doubt."""
    assert isinstance(cut.bank, CutPostgresBank)
    with module_database.connect(autocommit=True) as connection:
        store = PostgresStore(connection)
        terminate(cut.bank.owner, connection)
        with pytest.raises(OutcomeUnknown) as lost:
            ledger.post(store, [ledger.deposit(CLIENT, key(1), ACCOUNT, 5)])

    assert not lost.value.committing
    assert cut.stored_balance(ACCOUNT) == 1_000


@pytest.mark.parametrize("fault", FAULTS)
def test_callers_of_a_batcher(fault: Fault, cut: Cut, proxied: tuple[DeafProxy, db.Database]) -> None:
    """The callers of the lost batch are told; those of the other thread are served while the line is deaf."""
    proxy, database = proxied
    asked = ledger.withdrawal(CLIENT, key(1), ACCOUNT, 5)
    with Batcher(lambda: PostgresStore(database.connect(autocommit=True)), threads=2, patience_s=0) as batcher:
        _lost(proxy, fault, cut, lambda: batcher.post(asked))
        other = batcher.post(ledger.deposit(CLIENT, key(2), OTHER, 7))
        again = batcher.post(asked)

    assert isinstance(other, Outcome) and other.accepted and not other.replayed
    assert isinstance(again, Outcome) and again.accepted
    assert again.replayed is fault.arrives
    assert (cut.stored_balance(ACCOUNT), cut.stored_balance(OTHER)) == (995, 1_007)
    prove(cut.bank)


def test_a_batcher_serves_others_while_a_line_is_deaf(cut: Cut, proxied: tuple[DeafProxy, db.Database]) -> None:
    """One thread waits on a line that says nothing; all other callers are answered by the other one."""
    proxy, database = proxied
    with Batcher(lambda: PostgresStore(database.connect(autocommit=True)), threads=2, patience_s=0) as batcher:
        proxy.fail_next_commit(Fault(True, "goes deaf"))
        lost = batcher.submit(ledger.deposit(CLIENT, key(1), ACCOUNT, 5))
        wait_until(proxy.cut.is_set, "the commit is cut", DEADLINE_S)
        for place in range(100):
            found = batcher.submit(ledger.deposit(CLIENT, key(f"other {place}"), OTHER, 1)).result(DEADLINE_S)
            assert isinstance(found, Outcome) and found.accepted
        assert not lost.done()
        proxy.hang_up()
        assert isinstance(lost.exception(DEADLINE_S), OutcomeUnknown)

    assert cut.stored_balance(OTHER) == 1_100


@pytest.mark.parametrize("fault", FAULTS)
def test_a_load(fault: Fault, cut: Cut, proxied: tuple[DeafProxy, db.Database]) -> None:
    """Loading the same source again loads it, or says that it is there; the employer is debited once."""
    proxy, database = proxied
    business = Wages(ROWS, due=TUESDAY)

    def load() -> list[centercut.RunRow]:
        with database.connect(autocommit=True) as connection:
            return centercut.load(PostgresStore(connection), business, NOWHERE, now=NOW).runs

    _lost(proxy, fault, cut, load)
    if fault.arrives:
        with pytest.raises(Refused, match="same content") as refused:
            load()
        assert refused.value.code == "duplicate-file"
    else:
        assert len(load()) == 1

    [status] = centercut.status(cut.store, None, NOW)
    assert status.row.items == 300
    assert cut.stored_balance(EMPLOYER) == 1_000_000_000 - 300_000
    prove(cut.bank)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_worker(fault: Fault, cut: Cut, proxied: tuple[DeafProxy, db.Database]) -> None:
    """The next worker goes on behind the slice that was committed, or settles it again if it was not."""
    proxy, database = proxied
    run = cut.wages(TUESDAY, *ROWS, slice_items=100)
    cut.open(TUESDAY)
    cut.start(run)
    with database.connect(autocommit=True) as connection:
        store = PostgresStore(connection)
        _lost(proxy, fault, cut, lambda: centercut.step(store, [run], NOW))
    assert len(cut.bank.results(run)) == (100 if fault.arrives else 0)

    cut.work(run)

    assert cut.state(run) == "completed"
    assert len(cut.bank.results(run)) == 300
    balances = cut.bank.balances()
    assert {balances[account].balance_yen for account, _ in ROWS} == {2_000}
    prove(cut.bank)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_switch_of_the_date(fault: Fault, cut: Cut, proxied: tuple[DeafProxy, db.Database]) -> None:
    """Opening the date again opens it, or says that it is open."""
    proxy, database = proxied
    # a COMMIT that is lost on a deaf line leaves the day taken: the doors wait until the server undoes it by itself
    _lost(proxy, fault, cut, lambda: ledger.open_day(database, TUESDAY))
    if fault.arrives:
        with pytest.raises(Refused) as refused:
            ledger.open_day(database, TUESDAY)
        assert refused.value.code == "date-already-open"
    else:
        ledger.open_day(database, TUESDAY)

    assert ledger.enquire(cut.store, ACCOUNT).business_date == TUESDAY
