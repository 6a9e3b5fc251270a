"""Rows of decisions: outcomes to `ledger.request` and back, and the entries that they made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from kanjo.db.columns import Date, Int2, Int4, Int8, Text, Uuid
from kanjo.ledger.book import Changes
from kanjo.ledger.instruction import Kind, Movement
from kanjo.ledger.outcome import Outcome, Touch
from kanjo.ledger.reason import Reason


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


def _array(values: Sequence[int]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def request_statements(here: dict[str, Any], changes: Changes) -> list[tuple[str, dict[str, Any], int]]:
    statements: list[tuple[str, dict[str, Any], int]] = []
    outcomes = sorted(changes.outcomes, key=lambda outcome: (outcome.client, outcome.key))
    parameters = here | {
        "clients": Text([outcome.client for outcome in outcomes]),
        "keys": Uuid([outcome.key for outcome in outcomes]),
        "fingerprints": Uuid([outcome.fingerprint for outcome in outcomes]),
        "kinds": Int2([outcome.kind for outcome in outcomes]),
        "reasons": Int2([outcome.reason for outcome in outcomes]),
        "value_dates": Date([outcome.value_date or changes.date for outcome in outcomes]),
        "runs": Int4([outcome.run for outcome in outcomes]),
        "references": Uuid([outcome.reference for outcome in outcomes]),
        "debits": Text([_array([m.debit for m in outcome.movements]) for outcome in outcomes]),
        "credits": Text([_array([m.credit for m in outcome.movements]) for outcome in outcomes]),
        "amounts": Text([_array([m.amount_yen for m in outcome.movements]) for outcome in outcomes]),
        "accounts": Text([_array([t.account for t in outcome.touched]) for outcome in outcomes]),
        "sequences": Text([_array([t.sequence for t in outcome.touched]) for outcome in outcomes]),
        "balances": Text([_array([t.balance_yen for t in outcome.touched]) for outcome in outcomes]),
    }
    entries = list(changes.request_entries())
    if entries:
        columns = here | {
            "accounts": Int8([entry[1] for entry in entries]),
            "sequences": Int8([entry[2] for entry in entries]),
            "amounts": Int8([entry[3] for entry in entries]),
            "balances": Int8([entry[4] for entry in entries]),
            "contras": Int8([entry[5] for entry in entries]),
            **_cause_columns([entry[0] for entry in entries], changes.date),
        }
        statements.append(("insert_request_entries", columns, len(entries)))
    internal = list(changes.internal_entries())
    if internal:
        columns = here | {
            "debits": Int8([entry[1] for entry in internal]),
            "credits": Int8([entry[2] for entry in internal]),
            "amounts": Int8([entry[3] for entry in internal]),
            **_cause_columns([entry[0] for entry in internal], changes.date),
        }
        statements.append(("insert_internal_entries", columns, len(internal)))
    statements.append(("insert_requests", parameters, len(outcomes)))
    return statements


def _cause_columns(outcomes: Sequence[Outcome], today: date) -> dict[str, Any]:
    return {
        "kinds": Int2([outcome.kind for outcome in outcomes]),
        "value_dates": Date([outcome.value_date or today for outcome in outcomes]),
        "runs": Int4([outcome.run for outcome in outcomes]),
        "clients": Text([outcome.client for outcome in outcomes]),
        "keys": Uuid([outcome.key for outcome in outcomes]),
    }
