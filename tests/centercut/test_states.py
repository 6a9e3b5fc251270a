"""R-1 and R-2: the states of a run, starting, pausing, and its one closing; O-4: due whatever the run's state."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import ClassVar

import pytest

from banks import MONDAY, TUESDAY, WEDNESDAY, key, number
from cuts import BUSINESSES, CLOCK, EMPLOYER, NOW, Cut, Wages
from kanjo import centercut, ledger
from kanjo.centercut import Business, Payment, RunRow, Totals
from kanjo.errors import KanjoError, Refused, WrongUsage
from kanjo.ledger import Code, LawBroken, Phase, PostgresStore, Reason

ANN, BOB, CAM = number(1), number(2), number(3)


@pytest.fixture
def run(cut: Cut) -> int:
    """Three credits for Tuesday, a slice each; Monday is open."""
    for account in (ANN, BOB, CAM):
        cut.bank.account(account)
    return cut.wages(TUESDAY, (ANN, 1), (BOB, 2), (CAM, 3), slice_items=1)


def _refused(code: str) -> pytest.RaisesExc[KanjoError]:
    return pytest.RaisesExc(KanjoError, check=lambda error: error.code == code)


def test_r_1_a_run_goes_through_its_states(cut: Cut, run: int) -> None:
    """Registered until its date opens, ready until its first claim, running, paused and back, completed."""
    assert cut.state(run) == "registered"
    cut.open(TUESDAY)
    assert cut.state(run) == "ready"
    cut.start(run)
    assert cut.state(run) == "ready"
    assert cut.step(run) == 1
    assert cut.state(run) == "running"
    centercut.pause(cut.store, run)
    assert cut.state(run) == "paused"
    centercut.resume(cut.store, run)
    assert cut.state(run) == "running"
    cut.work(run)
    assert cut.state(run) == "completed"


def test_r_1_a_run_for_a_date_that_was_skipped_is_ready(cut: Cut, run: int) -> None:
    """`day open` may pass over a date (D-1); what was due on it is due."""
    cut.open(WEDNESDAY)

    assert cut.state(run) == "ready"


def test_status_shows_progress_and_what_before_did(cut: Cut, run: int) -> None:
    """Counts grow with each slice; one of three was settled by a customer's question; unknown runs are refused."""
    cut.open(TUESDAY)
    assert cut.balance(CAM) == 3
    cut.start(run)
    assert cut.step(run) == 1

    status = cut.status(run)

    totals = status.totals
    assert (totals.settled, totals.accepted, totals.refused, totals.settled_by_before) == (2, 2, 0, 1)
    assert status.row.items == 3 and status.stuck == []
    with _refused("run-unknown"):
        cut.status(run + 1)


def test_status_tells_rate_and_time_left(cut: Cut, run: int) -> None:
    """Two of three items in ten seconds: a fifth of an item a second, five more seconds."""
    cut.open(TUESDAY)
    cut.start(run)
    cut.step(run)
    cut.step(run)

    [status] = centercut.status(cut.store, [run], NOW + timedelta(seconds=10))

    assert status.rate_per_s == pytest.approx(0.2)
    assert status.eta_s == pytest.approx(5)


def test_not_due_before_its_date_is_open(cut: Cut, run: int) -> None:
    """O-4: `cut start` of a registered run is refused, and nothing is claimed."""
    with _refused("not-due"):
        cut.start(run)

    assert cut.step(run) is None
    assert cut.state(run) == "registered"


def test_start_takes_all_runs_or_none(cut: Cut, run: int) -> None:
    """One of three is not due: none is started; then one is paused, one unknown, one finished."""
    later = cut.wages(WEDNESDAY, (ANN, 1))
    other = cut.wages(TUESDAY, (BOB, 1))
    cut.open(TUESDAY)
    for refused, code in ((later, "not-due"), (9_999, "run-unknown")):
        with _refused(code):
            cut.start(run, refused, other)
    centercut.pause(cut.store, other)
    with _refused("run-paused"):
        cut.start(run, other)
    centercut.resume(cut.store, other)
    assert cut.step() is None

    cut.run(other)
    with _refused("run-finished"):
        cut.start(run, other)
    assert cut.step() is None


def test_pausing_twice_and_resuming_what_runs_is_refused(cut: Cut, run: int) -> None:
    """So is either of an unknown or finished run."""
    with _refused("run-not-paused"):
        centercut.resume(cut.store, run)
    centercut.pause(cut.store, run)
    with _refused("run-paused"):
        centercut.pause(cut.store, run)
    centercut.resume(cut.store, run)
    cut.open(TUESDAY)
    cut.run(run)
    for act in (centercut.pause, centercut.resume):
        with _refused("run-finished"):
            act(cut.store, run)
        with _refused("run-unknown"):
            act(cut.store, 9_999)


def test_o_4_items_are_due_though_the_run_was_never_started(cut: Cut, run: int) -> None:
    """Before settles them; the run completes once it is started, with nothing left to do."""
    cut.open(TUESDAY)

    assert [cut.balance(account) for account in (ANN, BOB, CAM)] == [1, 2, 3]
    assert cut.state(run) == "ready"
    cut.run(run)
    assert cut.status(run).totals.settled_by_before == 3


def test_o_4_items_are_due_though_the_run_is_paused(cut: Cut, run: int) -> None:
    """Pausing holds the workers, not the order."""
    cut.open(TUESDAY)
    cut.start(run)
    centercut.pause(cut.store, run)

    assert cut.balance(BOB) == 2
    assert cut.step() is None
    centercut.resume(cut.store, run)
    cut.work(run)
    assert cut.state(run) == "completed"


def test_pausing_stops_claims_within_a_slice(cut: Cut, run: int) -> None:
    """The slice in hand is finished, no other is claimed; a worker with these runs alone goes home."""
    cut.open(TUESDAY)
    cut.start(run)
    steps: list[int] = []

    def pause_at_the_first(done: centercut.Step) -> None:
        steps.append(done.settled)
        centercut.pause(cut.store, run)

    centercut.work(
        cut.store,
        runs=[run],
        flow=centercut.Flow(items_max=ledger.ITEMS_MAX),
        clock=CLOCK,
        should_stop=lambda: False,
        on_step=pause_at_the_first,
        find=BUSINESSES.__getitem__,
    )

    assert steps == [1]
    assert cut.status(run).totals.settled == 1
    assert cut.state(run) == "paused"


def test_r_2_closing_empties_the_suspense_and_returns_what_was_not_paid(cut: Cut) -> None:
    """The employer gets back what an unknown account could not take; the bills' total goes to it, too."""
    cut.bank.account(ANN, 100)
    wages = cut.wages(TUESDAY, (ANN, 1_000), (CAM, 500))
    bills = cut.bills(TUESDAY, (ANN, 300), (CAM, 70))
    rich = cut.stored_balance(EMPLOYER)
    assert cut.suspense(wages) == 1_500
    cut.open(TUESDAY)

    cut.run(wages, bills)

    assert cut.stored_balance(EMPLOYER) == rich + 500 + 300
    assert cut.suspense(wages) == cut.suspense(bills) == 0
    assert cut.reasons(wages) == {1: Reason.ACCEPTED, 2: Reason.ACCOUNT_UNKNOWN}


def test_r_2_other_banks_money_is_forwarded_at_closing(cut: Cut) -> None:
    """Set apart at load, funded with the rest, never an item (R-8)."""
    cut.bank.account(ANN)
    before = cut.stored_balance(EMPLOYER)
    run = cut.wages(TUESDAY, (ANN, 10), others=(2, 5_000))
    assert (cut.stored_balance(EMPLOYER), cut.suspense(run)) == (before - 5_010, 5_010)
    cut.open(TUESDAY)

    cut.run(run)

    assert (int(Code.RUN_SUSPENSE), int(Code.INTERBANK), 5_000, run) in cut.bank.internal_entries()
    assert cut.suspense(run) == 0


def test_r_2_a_run_is_closed_once_whoever_does_it(cut: Cut, run: int) -> None:
    """Asked again, closing answers how it ended and posts nothing more."""
    cut.open(TUESDAY)
    assert cut.close(run) is None
    cut.start(run)
    while cut.step(run) is not None:
        assert cut.close(run) in (None, "completed")
    assert cut.close(run) == "completed"
    before = cut.bank.entries(), cut.bank.internal_entries()

    assert cut.close(run) == "completed"
    cut.work(run)
    assert (cut.bank.entries(), cut.bank.internal_entries()) == before


def test_r_2_two_closers_at_once_close_once(postgres: Cut) -> None:
    """Both are told how it finished; the employer is repaid once."""
    run = postgres.wages(TUESDAY, (CAM, 500))
    postgres.open(TUESDAY)
    postgres.start(run)
    postgres.step(run)
    together = threading.Barrier(2)
    told: list[str | None] = []

    def close() -> None:
        with postgres.bank.database.connect(autocommit=True) as connection:  # type: ignore[union-attr]
            together.wait(30)
            told.append(centercut.close_if_settled(PostgresStore(connection), run, NOW, find=BUSINESSES.__getitem__))

    closers = [threading.Thread(target=close) for _ in range(2)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join(60)

    assert told == ["completed"] * 2
    assert [entry.amount_yen for entry in postgres.bank.entries(EMPLOYER)][1:] == [-500, 500]


def test_r_2_a_closing_payment_stands_behind_what_is_due_on_its_account(cut: Cut) -> None:
    """The employer has items of its own pending: they stand before the closing entry."""
    failed = cut.wages(TUESDAY, (number(4), 5))
    dues = cut.bills(TUESDAY, *((EMPLOYER, 1) for _ in range(3)), priority=90)
    cut.open(TUESDAY)
    cut.run(failed)

    causes = [entry.run for entry in cut.bank.entries(EMPLOYER)][1:]
    assert causes[-4:] == [dues, dues, dues, failed]


def test_r_7_money_that_cannot_be_credited_goes_to_suspense_with_a_note(cut: Cut) -> None:
    """The employer is frozen when the run closes: the run completes, the money lies in 別段, status says so."""
    run = cut.wages(TUESDAY, (CAM, 500))
    cut.open(TUESDAY)
    frozen = ledger.ChangeAccount(client="counter", key=key(1), account=EMPLOYER, status=ledger.Status.FROZEN)
    ledger.post(cut.store, [frozen])

    cut.run(run)

    assert (int(Code.RUN_SUSPENSE), int(Code.SUSPENSE), 500, run) in cut.bank.internal_entries()
    assert cut.suspense(run) == 0
    assert "500 yen" in cut.status(run).row.note and ledger.show_account(EMPLOYER) in cut.status(run).row.note


class _Leaves(Wages):
    """Leaves money behind."""

    name: ClassVar[str] = "leaves"

    def close(self, run: RunRow, totals: Totals) -> list[Payment]:
        return []


class _Alike(Wages):
    """Pays in two parts under one name: the second would be taken for a repetition of the first."""

    name: ClassVar[str] = "alike"

    def close(self, run: RunRow, totals: Totals) -> list[Payment]:
        return [Payment(EMPLOYER, 250, "returned"), Payment(EMPLOYER, 250, "returned")]


class _Fails(Wages):
    """Does not know what to do."""

    name: ClassVar[str] = "fails"

    def close(self, run: RunRow, totals: Totals) -> list[Payment]:
        raise ZeroDivisionError("what now?")


@pytest.mark.parametrize("business", [_Leaves, _Alike])
def test_r_2_a_business_that_would_leave_money_breaks_law_1(cut: Cut, business: type[Wages]) -> None:
    """The closing is undone as a whole, the error names the law, the run stays open with its money in suspense."""
    run = cut.load(business([(CAM, 500)], due=TUESDAY))
    cut.open(TUESDAY)
    cut.start(run)
    cut.step(run)

    with pytest.raises(LawBroken, match="law 1"):
        centercut.close_if_settled(cut.store, run, NOW, find={business.name: business()}.__getitem__)

    assert cut.state(run) == "running"
    assert cut.suspense(run) == 500


@pytest.mark.parametrize("known", [True, False])
def test_a_business_that_cannot_close_is_told_and_stops_no_other_run(cut: Cut, known: bool) -> None:
    """Its package is not installed where the worker runs, or it fails: the other runs are closed first."""
    bad = cut.load(_Fails([(CAM, 500)], due=TUESDAY))
    good = cut.wages(TUESDAY, (CAM, 400))
    cut.open(TUESDAY)
    cut.start(bad, good)
    there: dict[str, Business] = BUSINESSES | ({"fails": _Fails()} if known else {})

    def find(name: str) -> Business:
        if name not in there:
            raise WrongUsage("business-unknown", f"no business {name!r}")
        return there[name]

    with pytest.raises(ZeroDivisionError) if known else _refused("business-unknown"):
        centercut.work(
            cut.store,
            runs=None,
            flow=centercut.Flow(items_max=10),
            clock=CLOCK,
            should_stop=lambda: False,
            find=find,
        )

    assert cut.state(good) == "completed"
    assert cut.state(bad) == "running"


def test_an_unknown_business_is_a_clear_error(cut: Cut, run: int) -> None:
    """The installed ones are named."""
    with pytest.raises(WrongUsage, match=r"no business 'test-wages'.*payroll") as found:
        centercut.business_named("test-wages")

    assert found.value.code == "business-unknown"


def test_a_run_without_items_completes(cut: Cut) -> None:
    """A file may hold nothing for this bank."""
    run = cut.wages(TUESDAY, others=(1, 300))
    cut.open(TUESDAY)

    cut.run(run)

    assert cut.status(run).totals.settled == 0
    assert cut.suspense(run) == 0


def test_early_and_in_business_runs_are_not_settled_by_before(cut: Cut) -> None:
    """Only slices settle them, and none of a paused or unstarted run, not even beside a pre-business slice."""
    cut.bank.account(ANN)
    early = cut.wages(TUESDAY, (ANN, 10), phase=Phase.EARLY)
    later = cut.wages(TUESDAY, (ANN, 100), phase=Phase.IN_BUSINESS)
    pre = cut.wages(TUESDAY, (ANN, 1))
    cut.open(TUESDAY)
    cut.start(early, pre)
    centercut.pause(cut.store, early)

    cut.work(pre)
    assert cut.balance(ANN) == 1
    centercut.resume(cut.store, early)
    cut.work(early)
    assert cut.balance(ANN) == 11
    assert cut.reasons(later) == {}
    assert cut.status(early).totals.settled_by_before == 0


def test_early_and_in_business_runs_may_be_loaded_for_today_but_not_for_yesterday(cut: Cut) -> None:
    """O-3: a late file goes in as in-business."""
    cut.bank.account(ANN)
    cut.open(TUESDAY)

    for phase in (Phase.EARLY, Phase.IN_BUSINESS):
        cut.run(cut.wages(TUESDAY, (ANN, int(phase)), phase=phase))
        with _refused("date-already-open"):
            cut.wages(MONDAY, (ANN, 1), phase=phase)

    assert cut.balance(ANN) == 5


def test_a_paused_claim_still_settles_its_slice(cut: Cut, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pause comes between a worker's claim and its look at the runs: the slice must not be marked done unsettled."""
    cut.bank.account(ANN)
    run = cut.wages(TUESDAY, (ANN, 10), phase=Phase.EARLY)
    cut.open(TUESDAY)
    cut.start(run)
    runs_class = type(_runs(cut))
    claim = runs_class.claim

    def claim_then_pause(self: object, runs: object) -> object:
        claimed = claim(self, runs)  # type: ignore[arg-type]
        if claimed is not None:
            self.set_paused(run, True)  # type: ignore[attr-defined]
        return claimed

    monkeypatch.setattr(runs_class, "claim", claim_then_pause)
    assert cut.step(run) == 1
    monkeypatch.undo()

    assert cut.reasons(run) == {1: Reason.ACCEPTED}


def test_a_claim_of_a_run_cancelled_meanwhile_still_settles_its_slice(
    cut: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancel comes there: its item gets the outcome cancelled, and the run can be closed."""
    cut.bank.account(ANN)
    run = cut.wages(TUESDAY, (ANN, 10))
    cut.open(TUESDAY)
    cut.start(run)
    runs_class = type(_runs(cut))
    released = runs_class.released

    def cancel_behind_it(self: object) -> list[int]:
        found = released(self)  # type: ignore[arg-type]
        self.set_cancelled(run)  # type: ignore[attr-defined]
        return found

    monkeypatch.setattr(runs_class, "released", cancel_behind_it)
    assert cut.step(run) == 1
    monkeypatch.undo()

    assert cut.reasons(run) == {1: Reason.CANCELLED}
    assert cut.close(run) == "cancelled"


def _runs(cut: Cut) -> centercut.Runs:
    with cut.store.unit() as unit:
        return centercut.runs_in(unit)


def test_refusals_say_what_to_do(cut: Cut, run: int) -> None:
    """The message names the date, and the command that helps."""
    with pytest.raises(Refused, match=r"2026-08-25.*2026-08-24"):
        cut.start(run)
    centercut.pause(cut.store, run)
    cut.open(TUESDAY)
    with pytest.raises(Refused, match=f"kanjo cut resume {run}"):
        cut.start(run)


def test_idle_workers_look_at_unfinished_runs_only(cut: Cut) -> None:
    """What is over is not read again, however much of it there is; whoever asks for all runs still gets them."""
    account = cut.bank.account(number(1))
    over, going = cut.wages(TUESDAY, (account, 1)), cut.wages(TUESDAY, (account, 2))
    cut.open(TUESDAY)
    cut.start(over)
    cut.work(over)
    assert cut.state(over) == "completed"

    with cut.store.unit() as unit:
        runs = centercut.runs_in(unit)
        unfinished, every = runs.rows(None, unfinished=True), runs.rows(None)

    assert [row.run for row in unfinished] == [going]
    assert [row.run for row in every] == [over, going]
