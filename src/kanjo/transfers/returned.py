"""What another bank sends back (資金返却): a forwarded credit that it could not post goes to the originator (R-8)."""

from __future__ import annotations

import uuid

from kanjo.centercut import CLIENT, RunRow, run_key
from kanjo.errors import Refused, SystemFailed
from kanjo.ledger import Code, Kind, Movement, NotDecided, Outcome, Post, Store, is_account, post
from kanjo.transfers.kept import Kept
from kanjo.transfers.outgoing import is_delivered
from kanjo.transfers.runs import require_run

_AMOUNT = slice(80, 90)
"""Bytes 81-90 of a data record (A.4)."""


def give_back(store: Store, run: int, item: int) -> Outcome:
    """Credit the originator with a record of the outgoing file that came back; told twice, it happens once.

    If the originator's account cannot take it, it lies in suspense (別段) as at closing (R-7). Errors (Refused):
    `run-unknown`, `not-forwarded` for a record that is not in a delivered outgoing file of a closed run.
    """
    with store.unit() as unit:
        row = require_run(unit, run)
        amount_yen = _require_forwarded(Kept(unit), row, item)
    assert row.account is not None and is_account(row.account)
    answer = _post(store, row.account, amount_yen, run_key(run, f"given-back/{item}"))
    if not answer.accepted:
        answer = _post(store, int(Code.SUSPENSE), amount_yen, run_key(run, f"given-back/{item}/suspense"))
    return answer


def _require_forwarded(kept: Kept, row: RunRow, item: int) -> int:
    raw = kept.record(row.run, item)
    forwarded = row.finished is not None and is_delivered(row) and row.detail.get("kind") != "91"
    if raw is None or not forwarded:
        raise Refused(
            "not-forwarded",
            f"record {item} of run {row.run} is not one that an outgoing file of a closed run took to another bank",
            run=row.run,
            item=item,
        )
    return int(raw[_AMOUNT])


def _post(store: Store, to: int, amount_yen: int, key: uuid.UUID) -> Outcome:
    movement = Movement(int(Code.INTERBANK), to, amount_yen)
    [answer] = post(store, [Post(client=CLIENT, key=key, kind_of=Kind.GIVEN_BACK, movements=(movement,))])
    if isinstance(answer, NotDecided):
        raise SystemFailed(
            "not-decided", f"the program failed on this posting alone ({answer.message}); nothing is posted"
        )
    assert isinstance(answer, Outcome)
    return answer
