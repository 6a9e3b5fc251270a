"""Rows of decisions: outcomes to `ledger.request` and back, and the entries that they made."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, TypeVar

from kanjo.db.columns import Date, Int2, Int4, Int8, Text, Uuid
from kanjo.ledger.book import Changes
from kanjo.ledger.instruction import Kind, Movement
from kanjo.ledger.outcome import Outcome, Touch
from kanjo.ledger.reason import Reason

_Value = TypeVar("_Value")


def outcome_of(row: tuple[Any, ...]) -> Outcome:
    client, key, fingerprint, kind, reason, on, value_date, run, reference = row[:9]
    debits, credits_, amounts, accounts, sequences, balances = row[9:]
    return Outcome(
        client=client,
        key=key,
        fingerprint=fingerprint,
        kind=Kind(kind),
        reason=Reason(reason),
        business_date=on,
        value_date=value_date,
        run=run or 0,
        reference=reference,
        movements=tuple(map(Movement, debits, credits_, amounts)),
        touched=tuple(map(Touch, accounts, sequences, balances)),
    )


def request_statements(here: dict[str, Any], changes: Changes) -> list[tuple[str, dict[str, Any], int]]:
    """Statements with their parameters, and the number of rows each must write."""
    made = changes.outcomes
    order = sorted(range(len(made)), key=[(outcome.client, outcome.key.int) for outcome in made].__getitem__)
    outcomes = [made[place] for place in order]
    rows = dict(zip(order, range(1, len(made) + 1), strict=True))  # entries name the row of their cause
    movements = [movement for outcome in outcomes for movement in outcome.movements]
    references = [outcome.reference for outcome in outcomes]
    touches = [touch for outcome in outcomes for touch in outcome.touched]
    causes = here | {
        "kinds": Int2([outcome.kind for outcome in outcomes]),
        "value_dates": Date(_said_once([outcome.value_date or changes.date for outcome in outcomes])),
        "runs": Int4(_said_once([outcome.run for outcome in outcomes])),
        "clients": Text(_said_once([outcome.client for outcome in outcomes])),
        "keys": Uuid([outcome.key for outcome in outcomes]),
        "debits": Int8([movement.debit for movement in movements]),
        "credits": Int8([movement.credit for movement in movements]),
        "amounts": Int8([movement.amount_yen for movement in movements]),
        "fingerprints": Uuid([outcome.fingerprint for outcome in outcomes]),
        "reasons": Int2(_said_once([outcome.reason for outcome in outcomes])),
        "references": Uuid(references if any(references) else ()),
        "movement_ends": Int4(_ends([len(outcome.movements) for outcome in outcomes])),
        "touched_accounts": Int8([touch.account for touch in touches]),
        "touched_sequences": Int8([touch.sequence for touch in touches]),
        "touched_balances": Int8([touch.balance_yen for touch in touches]),
        "touch_ends": Int4(_ends([len(outcome.touched) for outcome in outcomes])),
    }
    statements: list[tuple[str, dict[str, Any], int]] = []
    if changes.request_entries:
        places, accounts, sequences, amounts, balances, contras = zip(*changes.request_entries, strict=True)
        columns = causes | {
            "causes": Int4([rows[place] for place in places]),
            "entry_accounts": Int8(accounts),
            "entry_sequences": Int8(sequences),
            "entry_amounts": Int8(amounts),
            "entry_balances": Int8(balances),
            "contras": Int8(_said_once(contras)),
        }
        statements.append(("insert_request_entries", columns, len(places)))
    internal = list(changes.internal_entries())
    if internal:
        columns = causes | {
            "causes": Int4([rows[place] for place, _ in internal]),
            "debits": Int8([movement.debit for _, movement in internal]),
            "credits": Int8([movement.credit for _, movement in internal]),
            "amounts": Int8([movement.amount_yen for _, movement in internal]),
        }
        statements.append(("insert_internal_entries", columns, len(internal)))
    statements.append(("insert_requests", causes, len(outcomes)))
    return statements


def _said_once(values: Sequence[_Value]) -> Sequence[_Value]:
    """A column with one value in all its rows goes as one element, and a statement takes it for what is not there.

    What a usual batch writes is sent in one piece then: from 8,192 bytes on libpq sends a part at once, which wakes the
    server before it has anything to do.
    """
    return values[:1] if values.count(values[0]) == len(values) else values


def _ends(counts: Sequence[int]) -> Sequence[int]:
    """Where each one's share ends; nothing when each has one."""
    return () if counts.count(1) == len(counts) else list(accumulate(counts))
