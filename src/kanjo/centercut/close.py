"""Closing a run: one transaction that empties its suspense and ends it (R-2, R-3, R-7)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from kanjo.centercut.business import Business, Payment, business_named
from kanjo.centercut.load import CLIENT, run_key
from kanjo.centercut.run import Finish, RunRow, Totals
from kanjo.centercut.store import runs_in
from kanjo.ledger import (
    Code,
    Kind,
    LawBroken,
    Movement,
    Outcome,
    Post,
    Store,
    Unit,
    is_account,
    post_in,
    settle,
    show_account,
)


def close_if_settled(
    store: Store, run: int, now: datetime, *, find: Callable[[str], Business] = business_named
) -> Finish | None:
    """Close the run when nothing of it is unsettled; returns how it finished, None when it has not yet.

    Whoever finds such a run may call this, at any time, any number of times: the run's lock and the derived keys of
    its postings make it happen once.
    """
    while True:
        with store.unit() as unit:
            runs = runs_in(unit)
            runs.lock_run(run)
            [row] = runs.rows([run])
            if row.finished is not None:
                return row.finished
            if not (row.started or row.cancelled) or runs.counts([run]).get(run, Totals()).settled < row.items:
                return None
            note, waiting = _pay_out(unit, row, runs.totals(row), find(row.business))
            if waiting is None:
                finished: Finish = "cancelled" if row.cancelled else "completed"
                runs.set_finished(run, finished, now, note)
                return finished
            pending = waiting
        settle(store, [pending])


def _pay_out(unit: Unit, row: RunRow, totals: Totals, business: Business) -> tuple[str, int | None]:
    """Post the closing payments; returns the note, and the account that has to be settled first, if any (O-8)."""
    left_yen = row.funded_yen + totals.debited_yen - totals.credited_yen
    payments = [payment for payment in business.close(row, totals) if payment.amount_yen]
    purposes = [payment.purpose for payment in payments]
    if len(set(purposes)) < len(purposes):
        raise LawBroken(f"law 1: business {row.business} names two payments of run {row.run} alike: {purposes}")
    if sum(payment.amount_yen for payment in payments) != left_yen:
        raise LawBroken(
            f"law 1: business {row.business} would leave the suspense of run {row.run} at "
            f"{left_yen - sum(payment.amount_yen for payment in payments)} yen, not zero"
        )
    notes = [row.note] if row.note else []
    for payment in payments:
        [answer] = post_in(unit, [_posting(row, payment, payment.to, payment.purpose)])
        if answer is None:
            return "", payment.to
        assert isinstance(answer, Outcome)
        if answer.accepted:
            continue
        assert is_account(payment.to)
        [answer] = post_in(unit, [_posting(row, payment, int(Code.SUSPENSE), f"{payment.purpose}/suspense")])
        assert isinstance(answer, Outcome) and answer.accepted
        notes.append(
            f"{payment.amount_yen:,} yen ({payment.purpose}) could not be credited to {show_account(payment.to)} "
            f"and lie in suspense"
        )
    return "; ".join(notes), None


def _posting(row: RunRow, payment: Payment, to: int, purpose: str) -> Post:
    return Post(
        client=CLIENT,
        key=run_key(row.run, f"closing/{purpose}"),
        kind_of=Kind.RUN_CLOSING,
        movements=(Movement(int(Code.RUN_SUSPENSE), to, payment.amount_yen),),
        run=row.run,
    )
