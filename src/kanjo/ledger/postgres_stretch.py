"""A worker's stretch on PostgreSQL: columns out, columns in."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from kanjo.db.columns import POSTGRES_EPOCH, Date, Int2, Int4, Int8
from kanjo.ledger.book import Book, Changes, Run, Wanted
from kanjo.ledger.chart import Code
from kanjo.ledger.store import Day, due_runs
from kanjo.ledger.stretch import NOTHING_PLAIN, Numbers, Plain, PlainOutcomes, Span, StretchBook, StretchWanted, is_safe

if TYPE_CHECKING:
    from kanjo.ledger.postgres import PostgresUnit


def load_stretch(unit: PostgresUnit, day: Day, wanted: StretchWanted) -> StretchBook | None:
    """Items first, since they never change; then their accounts under lock; then what became of the items meanwhile."""
    if day.date is None or wanted.run not in day.runs:  # closed: Before settled the last of it
        return None
    run = day.runs[wanted.run]
    here: dict[str, Any] = {"cell": unit.cell, "run": wanted.run, "first": wanted.first, "last": wanted.last}
    [items] = unit.ask(("slice_items", here | {"due": run.due, "items_max": wanted.items_max + 1}))
    account, item, kind, amount_yen = (
        column.unpack(value) for column, value in zip((Int8, Int4, Int2, Int8), items.row_packed, strict=True)
    )
    if not len(account):
        return None
    more_from = None
    if len(account) > wanted.items_max:
        beyond = int(account[-1])
        taken = account < beyond
        more_from = beyond
        if not taken.any():  # one account alone fills the commit
            taken, more_from = account == beyond, beyond + 1 if beyond < wanted.last else None
        account, item, kind, amount_yen = account[taken], item[taken], kind[taken], amount_yen[taken]
    accounts, times = np.unique(account, return_counts=True)
    others = [other for other in due_runs(day, Wanted(accounts=[], also=wanted.also, items_max=1)) if other != run]
    here = here | {"first": int(accounts[0]), "last": int(accounts[-1]), "accounts": Int8(accounts), "date": day.date}
    names = ["lock_columns", "slice_results", "slice_spans", "stuck_items", "expiring_holds"]
    if others:
        here |= {"runs": Int4([other.run for other in others]), "dates": Date([other.due for other in others])}
        names.append("accounts_with_others")
    if run.originator is not None:
        here |= {"originator": run.originator, "due": run.due}
        names.append("asks_mandates")
    found = dict(zip(names, unit.ask(*((name, here) for name in names)), strict=True))
    locked = [Int8.unpack(value) for value in found["lock_columns"].row_packed[:5]]
    status = Int2.unpack(found["lock_columns"].row_packed[5])
    settled = Int4.unpack(found["slice_results"].row_packed[1])
    held = {row[0] for row in found["stuck_items"].rows}
    [(spans,)] = found["slice_spans"].rows
    if spans or run.cancelled or ("asks_mandates" in found and found["asks_mandates"].rows):
        special = accounts
    else:
        apart = held | {hold[2] for hold in found["expiring_holds"].rows}
        if others:
            apart |= {row[0] for row in found["accounts_with_others"].rows}
        special = np.union1d(accounts[times > 1], np.fromiter(apart, np.int64, len(apart)))
        wide = ~is_safe(amount_yen)
        large = ~is_safe(np.zeros(len(status), np.int64), *locked[1:4])
        if wide.any() or large.any():
            special = np.union1d(special, np.union1d(account[wide], locked[0][large]))
    plain = _plain(run, account, item, kind, amount_yen, locked, status, settled, special)
    specials = Wanted(accounts=special.tolist(), also=wanted.also, items_max=wanted.items_max, together=True)
    return StretchBook(
        run=wanted.run,
        accounts=accounts.tolist(),
        rest=unit.load(day, specials) if len(special) else Book(date=day.date, accounts={}, runs=day.runs),
        plain=plain,
        held=held,
        more_from=more_from,
        is_first=not spans,
    )


def _plain(
    run: Run,
    account: Numbers,
    item: Numbers,
    kind: Numbers,
    amount_yen: Numbers,
    locked: list[Numbers],
    status: Numbers,
    settled: Numbers,
    special: Numbers,
) -> Plain:
    chosen = np.ones(len(account), np.bool_)
    if len(settled):  # an item's number is unique in its run
        chosen &= ~np.isin(item, settled)
    if len(special):
        chosen &= ~np.isin(account, special)
    account, item, kind, amount_yen = account[chosen], item[chosen], kind[chosen], amount_yen[chosen]
    at = np.searchsorted(locked[0], account)
    at[at == len(locked[0])] = 0
    known = locked[0][at] == account if len(locked[0]) else np.zeros(len(account), np.bool_)

    def of_account(column: Numbers) -> Numbers:
        return np.where(known, column[at], 0) if len(column) else np.zeros(len(account), np.int64)

    return Plain(
        run=run.run,
        due=run.due,
        account=account,
        item=item,
        kind=kind,
        amount_yen=amount_yen,
        balance_yen=of_account(locked[1]),
        held_yen=of_account(locked[2]),
        floor_yen=of_account(locked[3]),
        sequence=of_account(locked[4]),
        status=of_account(status),
    )


def item_statements(
    here: dict[str, Any], changes: Changes, plain: PlainOutcomes = NOTHING_PLAIN
) -> list[tuple[str, dict[str, Any], int]]:
    """What plain items did to accounts, and all items' entries and results, the plain ones beside the others."""
    counts = (
        ("update_accounts", _accounts, len(plain.accepted.account)),
        ("insert_item_entries", _entries, len(changes.item_entries.account) + len(plain.accepted.account)),
        ("insert_results", _results, len(changes.results.run) + len(plain.refused.account)),
    )
    return [(name, here | columns(changes, plain), count) for name, columns, count in counts if count]


def span_statement(here: dict[str, Any], span: Span) -> tuple[str, dict[str, Any], int]:
    parameters = here | {
        "run": span.run,
        "first": span.first,
        "last": span.last,
        "beside": Int8(span.beside),
        "items": span.items,
        "credited": span.credited_yen,
        "debited": span.debited_yen,
    }
    return "insert_span", parameters, 1


def _accounts(_: Changes, plain: PlainOutcomes) -> dict[str, Any]:
    rows = plain.accepted
    return {
        "accounts": Int8(rows.account),
        "balances": Int8(rows.balance_yen),
        "helds": Int8(rows.held_yen),
        "sequences": Int8(rows.sequence),
    }


def _entries(changes: Changes, plain: PlainOutcomes) -> dict[str, Any]:
    entries, rows = changes.item_entries, plain.accepted
    days = {value: _days(value) for value in set(entries.value_date)}
    return {
        "contra": int(Code.RUN_SUSPENSE),
        "accounts": Int8(_joined(entries.account, rows.account)),
        "sequences": Int8(_joined(entries.sequence, rows.sequence)),
        "amounts": Int8(_joined(entries.amount_yen, plain.signed_yen)),
        "balances": Int8(_joined(entries.balance_yen, rows.balance_yen)),
        "runs": Int4(_joined(entries.run, rows.same(rows.run))),
        "items": Int4(_joined(entries.item, rows.item)),
        "value_dates": Date.of_days(_joined([days[value] for value in entries.value_date], rows.same(_days(rows.due)))),
    }


def _results(changes: Changes, plain: PlainOutcomes) -> dict[str, Any]:
    results, rows = changes.results, plain.refused
    return {
        "before": changes.by_before,
        "accounts": Int8(_joined(results.account, rows.account)),
        "runs": Int4(_joined(results.run, rows.same(rows.run))),
        "items": Int4(_joined(results.item, rows.item)),
        "reasons": Int2(_joined(results.reason, plain.reason)),
        "sequences": Int8(_joined(results.sequence, rows.sequence)),
        "balances": Int8(_joined(results.balance_yen, rows.balance_yen)),
    }


def _joined(of_rest: list[int], of_plain: Numbers) -> list[int] | Numbers:
    if not len(of_plain):
        return of_rest
    return np.concatenate([np.array(of_rest, np.int64), of_plain]) if of_rest else of_plain


def _days(value: date) -> int:
    return value.toordinal() - POSTGRES_EPOCH
