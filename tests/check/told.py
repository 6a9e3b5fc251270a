"""Histories in memory: what is asked of a bank one after the other, with a clock of their own, and what it stores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

import numpy as np

from banks import MemoryBank
from kanjo import ledger
from kanjo.check import Call, CheckProof, History, How, Told, judge
from kanjo.check.calls import told_by
from kanjo.check.lines import AnsweredLine, end_line
from kanjo.check.stored import Stored, StoredRequest
from kanjo.ledger import Answer, Asked, Phase, Reason

STEP_US = 10
"""Each call takes so long, and so long passes before the next."""


def told(answer: Answer) -> Told | How:
    """The answer as a history keeps it."""
    line = end_line(answer, number=0, at_us=0)
    if not isinstance(line, AnsweredLine):
        return line.how
    return told_by(line)


class Telling:
    """Asks and writes down."""

    def __init__(self, bank: MemoryBank) -> None:
        self.bank = bank
        self.calls: list[Call] = []
        self.now_us = 0

    def ask(self, asked: Asked, caller: str = "ann") -> Call:
        """Ask now, and wait for the answer."""
        call = self.at(asked, self.now_us + STEP_US, self.now_us + 2 * STEP_US, caller)
        self.now_us += 2 * STEP_US
        return call

    def at(self, asked: Asked, asked_us: int, ended_us: int, caller: str = "ann") -> Call:
        """Ask now, but say that it was then."""
        [answer] = ledger.post(self.bank.store, [asked])
        found = told(answer)
        call = Call(0, len(self.calls) + 2, 0, caller, asked, asked_us, ended_us)
        if isinstance(found, Told):
            call.told = found
        else:
            call.how = found
        self.calls.append(call)
        return call

    def history(self, *complete: str) -> History:
        return History(self.calls, ("told",), ("clock",), frozenset(complete))

    def stored(self) -> Stored:
        return stored_of(self.bank.tables)


def stored_of(tables: Any) -> Stored:
    """What `load_stored` would read, of all clients and accounts."""
    entries, caused = [], {}
    for (account, sequence), row in sorted(tables.entries.items()):
        entries.append((account, sequence, row["balance_yen"], row["date"].toordinal()))
        if row.get("key"):
            caused.setdefault(row["key"], []).append((account, sequence, row["amount_yen"], row["balance_yen"]))
    items = []
    for item in tables.items.values():
        run, result = tables.runs[item.run], tables.results.get((item.run, item.item))
        if run.phase == Phase.PRE_BUSINESS:
            after = -1 if result is None else result.sequence + (result.reason == Reason.ACCEPTED)
            items.append((item.account, run.due.toordinal(), after, item.run, item.item))
    return Stored(
        requests=[_request(outcome) for outcome in tables.requests.values()],
        caused=caused,
        entries=np.array(entries, dtype=np.int64).reshape(len(entries), 4),
        items=np.array(sorted(items), dtype=np.int64).reshape(len(items), 5),
    )


def _request(outcome: ledger.Outcome) -> StoredRequest:
    assert isinstance(outcome.business_date, date) and isinstance(outcome.value_date, date)
    return StoredRequest(
        outcome.client,
        outcome.key,
        outcome.fingerprint,
        outcome.kind,
        outcome.reason,
        outcome.business_date,
        outcome.value_date,
        [int(movement.debit) for movement in outcome.movements],
        [int(movement.credit) for movement in outcome.movements],
        [movement.amount_yen for movement in outcome.movements],
        [touch.account for touch in outcome.touched],
        [touch.sequence for touch in outcome.touched],
        [touch.balance_yen for touch in outcome.touched],
    )


def broken(history: History, stored: Stored) -> dict[str, CheckProof]:
    """The checks that cry."""
    return {proof.name: proof for proof in judge(history, stored) if not proof.ok}


def only(rows: Iterable[Any], wanted: Callable[[Any], bool]) -> Any:
    """The one that is wanted."""
    [found] = [row for row in rows if wanted(row)]
    return found
