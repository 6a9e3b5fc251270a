"""A commit takes a part of a slice: it locks no more accounts than it settles, and the next one goes on behind it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from banks import TUESDAY, number
from cuts import BUSINESSES, NOW, Cut, wait_until, waiting_sessions
from kanjo import centercut, ledger
from kanjo.ledger import PostgresStore

COUNT = 12


def _payday(cut: Cut) -> int:
    for index in range(1, COUNT + 1):
        cut.bank.account(number(index))
    run = cut.wages(TUESDAY, *((number(index), 10) for index in range(1, COUNT + 1)))
    cut.open(TUESDAY)
    cut.start(run)
    return run


def test_small_commits_go_on_where_the_last_one_stopped(cut: Cut) -> None:
    """Twelve accounts in one slice, five a commit; the slice ends with the last of them."""
    run = _payday(cut)

    assert [cut.step(run, items_max=5) for _ in range(4)] == [5, 5, 2, None]


def test_a_small_commit_locks_only_the_accounts_it_settles(postgres: Cut) -> None:
    """While a commit of five is open, a customer of the sixth account need not wait."""
    run = _payday(postgres)
    database = postgres.bank.database  # type: ignore[union-attr]
    with database.connect(autocommit=True) as connection:
        store = PostgresStore(connection)
        with store.unit() as unit:
            here = centercut.runs_in(unit)
            claimed = here.claim([run])
            assert claimed is not None
            first, last = claimed.next_account, claimed.last_account
            wanted = ledger.StretchWanted(run=run, first=first, last=last, also=[], items_max=5)
            stretch = unit.load_stretch(unit.day(), wanted)
            assert stretch is not None
            ledger.settle_stretch(unit, stretch, 5)

            assert stretch.accounts == [number(index) for index in range(1, 6)]
            assert postgres.balance(number(6)) == 10


def test_what_before_settled_meanwhile_is_passed(cut: Cut) -> None:
    """Customers came first to three accounts of the slice: their items are not settled again."""
    run = _payday(cut)
    for index in (1, 2, 7):
        cut.balance(number(index))

    cut.work(run, items_max=5)

    assert cut.status(run).totals.settled_by_before == 3
    assert cut.state(run) == "completed"


def test_slices_of_a_run_that_is_closed_are_only_ended(cut: Cut) -> None:
    """Customers came first to all accounts, so the run was closed before any worker claimed a slice of it."""
    run = _payday(cut)
    for index in range(1, 13):
        cut.balance(number(index))
    assert centercut.close_if_settled(cut.store, run, NOW, find=BUSINESSES.__getitem__) == "completed"

    assert cut.step() == 0
    assert cut.step() is None


def test_o_2_cancelling_waits_for_the_postings_under_way(postgres: Cut) -> None:
    """A posting that has read the open runs commits before the run is cancelled, and none of it is settled behind."""
    run = _payday(postgres)
    database = postgres.bank.database  # type: ignore[union-attr]
    with (
        ThreadPoolExecutor() as threads,
        database.connect(autocommit=True) as connection,
        database.connect(autocommit=True) as other,
        database.connect(role="owner", autocommit=True) as owner,
    ):
        with PostgresStore(connection).unit() as unit:
            unit.day()
            cancelling = threads.submit(centercut.cancel, PostgresStore(other), run, NOW, find=BUSINESSES.__getitem__)
            wait_until(lambda: waiting_sessions(owner), "the cancellation to wait for the day lock")
            assert not cancelling.done()
            [shown] = ledger.post_in(unit, [ledger.Enquiry(number(1))])
            assert isinstance(shown, ledger.Snapshot) and shown.sequence == 1

        assert cancelling.result(timeout=60) == "cancelled"
    assert postgres.status(run).totals.accepted == 1


def test_r_3_cancelling_waits_for_the_worker_that_holds_a_slice(postgres: Cut) -> None:
    """Whoever cancels closes the run himself: the worker may be told to stop before it could."""
    run = _payday(postgres)
    database = postgres.bank.database  # type: ignore[union-attr]
    with (
        ThreadPoolExecutor() as threads,
        database.connect(autocommit=True) as connection,
        database.connect(autocommit=True) as other,
        database.connect(role="owner", autocommit=True) as owner,
    ):
        with PostgresStore(connection).unit() as unit:
            assert centercut.runs_in(unit).claim([run]) is not None
            cancelling = threads.submit(centercut.cancel, PostgresStore(other), run, NOW, find=BUSINESSES.__getitem__)
            wait_until(lambda: waiting_sessions(owner), "the cancellation to wait for the slice")

        assert cancelling.result(timeout=60) == "cancelled"
