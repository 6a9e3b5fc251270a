"""Running the laws: every block of laws.sql in one snapshot, then what each of them found."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg import sql

from kanjo.check.calls import History
from kanjo.check.history import judge, named_in
from kanjo.check.proof import SHOWN_MAX, CheckProof, LawProof, Proof, Stuck, Violation
from kanjo.check.stored import load_stored
from kanjo.check.uncollected import uncollected
from kanjo.db.queries import Queries
from kanjo.ledger import (
    Code,
    HoldStatus,
    ItemKind,
    Kind,
    Phase,
    Reason,
    account_number,
    is_account,
    show_account,
)

SQL = Queries("kanjo.check", "laws.sql")
WORK_MEMORY = "128MB"
"""For each sort and hash of the check's own session; what does not fit goes to temporary files."""

WHOLE_TABLES = (
    "SET LOCAL enable_nestloop = off",
    "SET LOCAL enable_indexscan = off",
    "SET LOCAL enable_indexonlyscan = off",
    "SET LOCAL enable_bitmapscan = off",
)
"""Every table is read once, hashed or sorted: a plan made for a small table that has grown since, or one that walks an
index through all of the heap, must not look rows up one by one.
"""

LAWS = {1: "conserved", 2: "exactly once", 3: "in order", 4: "answered means kept"}
NOT_CHECKED = {
    4: "not checked: the ledger alone cannot show what callers were told; a history of answers or another site can"
}

_NAME = re.compile(r"law_(\d)_(\w+)")
_ACCOUNTS = frozenset({"account", "contra"})
_ITEM_REASONS = (
    Reason.ACCEPTED,
    Reason.ACCOUNT_UNKNOWN,
    Reason.ACCOUNT_CLOSED,
    Reason.ACCOUNT_FROZEN,
    Reason.DEBIT_STOPPED,
    Reason.MANDATE_STOPPED,
    Reason.NO_MANDATE,
    Reason.INSUFFICIENT_FUNDS,
    Reason.CANCELLED,
    Reason.WITHDRAWN,
    Reason.FAILED,
)
_REQUEST_REASONS = (
    Reason.ACCEPTED,
    Reason.ACCOUNT_UNKNOWN,
    Reason.ACCOUNT_CLOSED,
    Reason.ACCOUNT_FROZEN,
    Reason.DEBIT_STOPPED,
    Reason.INSUFFICIENT_FUNDS,
    Reason.ACCOUNT_EXISTS,
    Reason.ACCOUNT_NOT_EMPTY,
    Reason.ORIGINAL_UNKNOWN,
    Reason.NOT_REVERSIBLE,
    Reason.ALREADY_REVERSED,
    Reason.HOLD_UNKNOWN,
    Reason.HOLD_NOT_OPEN,
    Reason.HOLD_EXCEEDED,
    Reason.HOLD_EXPIRED,
)
_REVERSIBLE = (Kind.DEPOSIT, Kind.WITHDRAWAL, Kind.TRANSFER, Kind.HOLD_CAPTURE)


class Law(msgspec.Struct, frozen=True, kw_only=True):
    """A check as laws.sql has it: `name` without its law, `proves` the comment above it."""

    law: int
    name: str
    proves: str
    block: str


def checks() -> tuple[Law, ...]:
    """All checks, in the order of the file."""
    found = []
    for block in SQL:
        match = _NAME.fullmatch(block)
        if match:
            comment = [line[2:].strip() for line in SQL[block].splitlines() if line.startswith("--")]
            found.append(Law(law=int(match[1]), name=match[2], proves=" ".join(comment), block=block))
    return tuple(found)


def prove(
    connection: psycopg.Connection[Any],
    progress: Callable[[str, int, int], object] | None = None,
    *,
    history: History | None = None,
) -> Proof:
    """Prove laws 1 to 3 in one repeatable-read snapshot; nothing waits for it and it writes nothing (K-1).

    Law 4 too when a history is given, which must have been read before: what was answered later than the snapshot would
    be missed in it. The connection must not be in a transaction. `progress` hears the name of each check before it
    runs, how many are done and how many there are.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return prove_in(connection, progress, history=history)


def prove_in(
    connection: psycopg.Connection[Any],
    progress: Callable[[str, int, int], object] | None = None,
    *,
    history: History | None = None,
) -> Proof:
    """The same in a transaction of the caller's, and of what it has written; it must be REPEATABLE READ."""
    _see_whole_tables(connection)
    laws = checks()
    steps = len(laws) + (history is not None)
    tell = progress or (lambda _name, _done, _total: None)
    found: dict[int, list[CheckProof]] = {number: [] for number in LAWS}
    for done, law in enumerate(laws):
        tell(law.name, done, steps)
        found[law.law].append(_judge(connection, law))
    if history is not None:
        tell("history", len(laws), steps)
        found[4].extend(_answers(connection, history))
    tell("", steps, steps)
    proofs = tuple(_of_law(number, found[number]) for number in LAWS)
    [(pending_count,)] = _rows(connection, sql.SQL(SQL["pending"]))
    return Proof(
        ok=all(proof.ok is not False for proof in proofs),
        laws=proofs,
        stuck=_stuck(connection),
        pending_count=pending_count,
    )


def prove_answers(connection: psycopg.Connection[Any], *, history: History) -> LawProof:
    """Prove law 4 alone, in a snapshot of its own like `prove`: cheap enough to be asked of every day's history."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        _see_whole_tables(connection)
        return _of_law(4, _answers(connection, history))


def _see_whole_tables(connection: psycopg.Connection[Any]) -> None:
    for setting in WHOLE_TABLES:
        connection.execute(setting)
    connection.execute(sql.SQL("SET LOCAL work_mem = {}").format(WORK_MEMORY))


def _answers(connection: psycopg.Connection[Any], history: History) -> list[CheckProof]:
    with uncollected():
        return list(judge(history, load_stored(connection, *named_in(history))))


def _stuck(connection: psycopg.Connection[Any]) -> tuple[Stuck, ...]:
    rows = _rows(connection, sql.SQL(SQL["stuck"]).format(shown_max=SHOWN_MAX))
    return tuple(
        Stuck(account=show_account(account), run=run, item=item, error=error) for account, run, item, error in rows
    )


def _judge(connection: psycopg.Connection[Any], law: Law) -> CheckProof:
    judged = sql.SQL(SQL[law.block])
    [(checked, broken)] = _rows(connection, sql.SQL(SQL["tally"]).format(judged=judged))
    violations: tuple[Violation, ...] = ()
    if broken:
        asked = sql.SQL(SQL["offenders"]).format(judged=judged, shown_max=SHOWN_MAX)
        cursor = psycopg.ClientCursor(connection)
        cursor.execute(asked, CONSTANTS)
        names = [column.name for column in cursor.description or ()]
        violations = tuple(_shown(law, dict(zip(names, row, strict=True))) for row in cursor)
    return CheckProof(name=law.name, proves=law.proves, checked=checked, broken=broken, violations=violations)


def _of_law(number: int, proofs: list[CheckProof]) -> LawProof:
    not_checked = None if proofs else NOT_CHECKED.get(number)
    return LawProof(
        law=number,
        name=LAWS[number],
        ok=None if not_checked else all(proof.ok for proof in proofs),
        checked=sum(proof.checked for proof in proofs),
        broken=sum(proof.broken for proof in proofs),
        violations=tuple(violation for proof in proofs for violation in proof.violations),
        not_checked=not_checked,
        checks=tuple(proofs),
    )


def _rows(connection: psycopg.Connection[Any], query: sql.SQL | sql.Composed) -> list[tuple[Any, ...]]:
    """Constants are put in by the client, so that the plan knows them."""
    return psycopg.ClientCursor(connection).execute(query, CONSTANTS).fetchall()


def _shown(law: Law, row: Mapping[str, Any]) -> Violation:
    return {"check": law.name} | {
        name: _plain(value, name in _ACCOUNTS) for name, value in row.items() if name != "broken"
    }


def _plain(value: Any, is_place: bool) -> Any:
    """As JSON can say it: whole yen stay integers."""
    match value:
        case Decimal():
            return int(value)
        case UUID() | date():
            return str(value)
        case bool():
            return value
        case int() if is_place and is_account(value):
            return show_account(value)
    return value


def _constants() -> dict[str, Any]:
    named: dict[str, Any] = {}
    for prefix, words in (
        ("kind", Kind),
        ("code", Code),
        ("reason", Reason),
        ("hold", HoldStatus),
        ("phase", Phase),
        ("item", ItemKind),
    ):
        named |= {f"{prefix}_{member.name.lower()}": int(member) for member in words}
    return named | {
        "account_min": account_number(0, 1, 0),
        "codes": [int(code) for code in Code],
        "item_reasons": [int(reason) for reason in _ITEM_REASONS],
        "request_reasons": [int(reason) for reason in _REQUEST_REASONS],
        "reversible_kinds": [int(kind) for kind in _REVERSIBLE],
    }


CONSTANTS = _constants()
"""What laws.sql calls by name."""
