"""Faults to plant by hand in the tables of the three days, and which checks must see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import banking_days


@dataclass(frozen=True)
class Fault:
    """`check` must report a row that has `shows`; `also` are the only others that may, and must, report something."""

    check: str
    what: str
    statements: tuple[str, ...]
    shows: dict[str, Any]
    also: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        return f"{self.check}: {self.what}"


def fault(check: str, what: str, *statements: str, also: set[str] | None = None, **shows: Any) -> Fault:
    return Fault(check, what, statements, shows, frozenset(also or set()))


def parameters(runs: dict[str, int]) -> dict[str, Any]:
    """What statements call accounts, runs, keys and dates of the days."""
    named = {name: getattr(banking_days, name) for name in (*ACCOUNTS, *DATES)}
    return (
        named
        | {f"run_{name}": run for name, run in runs.items()}
        | {f"key {name}": banking_days.key(name) for name in KEYS}
    )


ACCOUNTS = ("EMPLOYER", "ANN", "BOB", "CAM", "DAN", "EVE", "IDLE", "LATE", "NEW", "NOBODY", "HAL", "IAN")
DATES = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY")
KEYS = (
    "d1", "d3", "t4", "w2", "short", "short-2", "nobody", "wrong", "undo", "undo-again", "h-captured", "h-released",
    "h-expired", "h-open", "release", "unheard of",
)  # fmt: skip
ANN, BOB, CAM, EVE, IDLE, LATE, NEW, NOBODY, EMPLOYER = (
    banking_days.ledger.show_account(getattr(banking_days, name))
    for name in ("ANN", "BOB", "CAM", "EVE", "IDLE", "LATE", "NEW", "NOBODY", "EMPLOYER")
)

LAW_1 = (
    fault(
        "balances",
        "money moved from one balance to another without entries",
        "UPDATE ledger.account SET balance = balance + 5 WHERE account = %(IDLE)s",
        "UPDATE ledger.account SET balance = balance - 5 WHERE account = %(EVE)s",
        account=IDLE,
        balance=75,
        sum_of_entries=70,
    ),
    fault(
        "balances",
        "entries of an account that is not there",
        "DELETE FROM ledger.account WHERE account = %(IDLE)s",
        account=IDLE,
        balance=None,
        also={"sequences", "trial_balance"},
    ),
    fault(
        "sequences",
        "an account counts an entry too many",
        "UPDATE ledger.account SET sequence = sequence + 1 WHERE account = %(IDLE)s",
        account=IDLE,
        sequence=2,
        entries=1,
    ),
    fault(
        "sequences",
        "the last entry is lost",
        "DELETE FROM ledger.entry WHERE account = %(IDLE)s",
        account=IDLE,
        sequence=1,
        entries=0,
        also={"balances", "trial_balance"},
    ),
    fault(
        "running_balances",
        "an entry shows another balance",
        "UPDATE ledger.entry SET balance = balance + 1 WHERE account = %(IDLE)s",
        account=IDLE,
        balance=71,
        balance_before=0,
    ),
    fault(
        "running_balances",
        "one number twice and one missing",
        "UPDATE ledger.entry SET sequence = 1 WHERE account = %(LATE)s AND key = %(key t4)s",
        account=LATE,
        sequence=1,
        sequence_before=1,
        also={"sequences", "request_entries", "requests_decided_on"},
    ),
    fault(
        "transfer_legs",
        "one leg names another account",
        "UPDATE ledger.entry SET contra = %(IDLE)s WHERE account = %(NEW)s AND key = %(key t4)s",
        account=IDLE,
        contra=NEW,
        also={"request_entries"},
    ),
    fault(
        "transfer_legs",
        "one leg is of more than the other",
        """UPDATE ledger.entry SET amount = amount + 1, balance = balance + 1
        WHERE account = %(NEW)s AND key = %(key t4)s""",
        "UPDATE ledger.account SET balance = balance + 1 WHERE account = %(NEW)s",
        account=LATE,
        contra=NEW,
        also={"request_entries", "trial_balance"},
    ),
    fault(
        "trial_balance",
        "a balance out of nothing",
        "UPDATE ledger.account SET balance = balance + 5 WHERE account = %(IDLE)s",
        also={"balances"},
    ),
    fault(
        "contras",
        "money from a code that is not in the chart",
        "UPDATE ledger.entry SET contra = 1234 WHERE key = %(key d3)s",
        "UPDATE ledger.request SET debits = '{1234}' WHERE key = %(key d3)s",
        account=NEW,
        contra=1234,
    ),
    fault(
        "contras",
        "an internal entry against an account",
        "UPDATE ledger.internal_entry SET credit = %(IDLE)s WHERE run = %(run_wages)s",
        side="internal",
        contra=IDLE,
        also={"trial_balance", "funding", "internal_entries"},
    ),
    fault(
        "held",
        "money held back by no hold",
        "UPDATE ledger.account SET held = held + 1 WHERE account = %(IDLE)s",
        account=IDLE,
        held=1,
        open_holds=0,
    ),
    fault(
        "suspense",
        "an open run without all its funding",
        "UPDATE centercut.run SET funded = funded + 1 WHERE run = %(run_half)s",
        closed=False,
    ),
    fault(
        "suspense",
        "money of a closed run left in suspense, and money of no run in it",
        "UPDATE ledger.internal_entry SET run = NULL WHERE run = %(run_wages)s",
        "UPDATE ledger.request SET run = NULL WHERE run = %(run_wages)s AND cardinality(accounts) = 0",
        run=None,
        suspense=-600,
        also={"funding"},
    ),
    fault(
        "funding",
        "a run says it got more than its originator paid",
        "UPDATE centercut.run SET funded = funded + 1 WHERE run = %(run_wages)s",
        funded=1651,
        funding=1650,
        paid=1000,
        forwarded=600,
        returned=50,
    ),
    fault(
        "funding",
        "less was forwarded than was set apart for other banks",
        "UPDATE centercut.run SET other_bank_amount = other_bank_amount + 1 WHERE run = %(run_wages)s",
        forwarded=600,
    ),
)
LAW_2 = (
    fault(
        "items",
        "one item number on two accounts",
        """INSERT INTO ledger.item (cell, account, run, item, date, kind, amount)
        VALUES (0, %(IDLE)s, %(run_coming)s, 1, %(THURSDAY)s, 1, 1)""",
        "UPDATE centercut.run SET items = items + 1, amount = amount + 1 WHERE run = %(run_coming)s",
        item=1,
        times=2,
    ),
    fault(
        "results",
        "an outcome of no item",
        """INSERT INTO ledger.result (cell, account, run, item, date, reason, sequence, balance, before)
        VALUES (0, %(IDLE)s, %(run_coming)s, 77, %(WEDNESDAY)s, 1, 0, 0, false)""",
        item=77,
    ),
    fault(
        "results",
        "cancelled in a run that was not",
        "UPDATE ledger.result SET reason = 10 WHERE run = %(run_wages)s AND item = 5",
        item=5,
        reason=10,
    ),
    fault(
        "results",
        "an answer that is no outcome",
        "UPDATE ledger.result SET reason = 90 WHERE run = %(run_wages)s AND item = 5",
        item=5,
        reason=90,
    ),
    fault(
        "spans",
        "more items than it stands for",
        "UPDATE ledger.span SET items = items + 1 WHERE run = %(run_bonus)s AND last_account = %(HAL)s",
        items=3,
        items_stored=2,
    ),
    fault(
        "item_entries",
        "what a span stands for without its entry",
        "UPDATE ledger.entry SET item = 77 WHERE run = %(run_bonus)s AND account = %(IAN)s",
        account="001-1-0000032",
        item=3,
        amount=None,
        also={"items_in_order"},
    ),
    fault(
        "spans",
        "two of one run on the same accounts",
        """INSERT INTO ledger.span (cell, run, date, first_account, last_account, beside, items, credited, debited)
        SELECT cell, run, date, first_account, last_account + 5, beside, 0, 0, 0 FROM ledger.span
        WHERE run = %(run_bonus)s AND last_account = %(HAL)s""",
        items=0,
        items_stored=0,
    ),
    fault(
        "item_entries",
        "accepted without an entry",
        "UPDATE ledger.result SET reason = 0 WHERE run = %(run_collections)s AND item = 4",
        account=NOBODY,
        reason=0,
        amount=None,
    ),
    fault(
        "item_entries",
        "refused with an entry",
        "UPDATE ledger.result SET reason = 7 WHERE run = %(run_collections)s AND item = 5",
        account=ANN,
        reason=7,
        amount=-3,
    ),
    fault(
        "item_entries",
        "valued on another date",
        "UPDATE ledger.entry SET value_date = %(WEDNESDAY)s WHERE run = %(run_wages)s AND item = 1",
        account=ANN,
        item=1,
    ),
    fault(
        "item_entries",
        "an entry of another item",
        "UPDATE ledger.entry SET item = 55 WHERE run = %(run_collections)s AND item = 5",
        item=55,
        reason=None,
    ),
    fault(
        "item_entries",
        "posted twice",
        """INSERT INTO ledger.entry
          (cell, account, sequence, amount, balance, contra, date, value_date, kind, run, item)
        SELECT cell, account, account.sequence + 1, amount, account.balance + amount, contra, %(WEDNESDAY)s, value_date,
          kind, run, item
        FROM ledger.entry JOIN ledger.account USING (cell, account)
        WHERE run = %(run_early)s AND item = 2""",
        "UPDATE ledger.account SET sequence = sequence + 1, balance = balance + 12 WHERE account = %(EVE)s",
        account=EVE,
        item=2,
        also={"suspense"},
    ),
    fault(
        "causes",
        "an opening entry somebody asked for",
        "UPDATE ledger.entry SET client = 'x' WHERE account = %(IDLE)s",
        account=IDLE,
        client="x",
    ),
    fault(
        "causes",
        "an entry without a cause",
        "UPDATE ledger.entry SET kind = 1 WHERE account = %(IDLE)s",
        account=IDLE,
        kind=1,
    ),
    fault(
        "requests",
        "an answer that is no decision",
        "UPDATE ledger.request SET reason = 90 WHERE key = %(key short)s",
        reason=90,
    ),
    fault(
        "requests",
        "one account touched twice",
        """UPDATE ledger.request
        SET accounts = accounts || accounts, sequences = sequences || sequences, balances = balances || balances
        WHERE key = %(key short)s""",
        reason=7,
    ),
    fault(
        "requests",
        "a refusal that forgot what it was decided on",
        "UPDATE ledger.request SET accounts = '{}', sequences = '{}', balances = '{}' WHERE key = %(key short)s",
        reason=7,
    ),
    fault(
        "request_entries",
        "accepted without its entry",
        "UPDATE ledger.request SET reason = 0 WHERE key = %(key short)s",
        account=BOB,
        amount_said=-9_999,
        amount=None,
    ),
    fault(
        "request_entries",
        "refused with an entry",
        "UPDATE ledger.request SET reason = 7 WHERE key = %(key w2)s",
        account=ANN,
        amount_said=None,
        amount=-100,
    ),
    fault(
        "request_entries",
        "an entry under a key nobody asked",
        "UPDATE ledger.entry SET key = %(key unheard of)s WHERE key = %(key d3)s",
        account=NEW,
        amount_said=None,
        amount=60,
    ),
    fault(
        "request_entries",
        "another amount than was asked",
        "UPDATE ledger.request SET amounts = '{61}' WHERE key = %(key d3)s",
        account=NEW,
        amount_said=61,
        amount=60,
    ),
    fault(
        "internal_entries",
        "the bank's own movement is there with another date",
        "UPDATE ledger.internal_entry SET value_date = %(MONDAY)s WHERE run = %(run_wages)s",
        said=1,
        entered=0,
    ),
    fault(
        "internal_entries",
        "the bank's own movement is there twice",
        "INSERT INTO ledger.internal_entry SELECT * FROM ledger.internal_entry WHERE run = %(run_wages)s",
        said=1,
        entered=2,
        also={"suspense", "funding"},
    ),
    fault(
        "finished_runs",
        "closed with an item that has no outcome",
        "DELETE FROM ledger.result WHERE run = %(run_collections)s AND item = 4",
        closed=True,
        unsettled=1,
    ),
    fault(
        "finished_runs",
        "closed for the ledger, open for the centre cut",
        "UPDATE centercut.run SET finished = NULL WHERE run = %(run_collections)s",
        closed=True,
        finished=None,
    ),
    fault(
        "finished_runs",
        "a cancelled run called completed",
        "UPDATE centercut.run SET finished = 'completed', other_bank_amount = 0 WHERE run = %(run_wrong)s",
        finished="completed",
    ),
    fault(
        "run_totals",
        "an item lost since the run was loaded",
        "DELETE FROM ledger.item WHERE run = %(run_coming)s AND item = 1",
        items=2,
        items_stored=1,
        amount=3,
        amount_stored=2,
    ),
    fault(
        "files",
        "one file as two live runs",
        """UPDATE centercut.run
        SET digest = (SELECT digest FROM centercut.run WHERE run = %(run_wages)s)
        WHERE run = %(run_half)s""",
    ),
    fault(
        "reversals",
        "one transaction reversed twice",
        "DROP INDEX ledger.request_reversal",
        "UPDATE ledger.request SET reason = 0 WHERE key = %(key undo-again)s",
        times=2,
        also={"request_entries"},
    ),
    fault(
        "reversals",
        "the reversal of nothing",
        "UPDATE ledger.request SET reference = %(key unheard of)s WHERE key = %(key undo)s",
        times=1,
    ),
    fault(
        "reversals",
        "another value date than the original",
        "UPDATE ledger.request SET value_date = %(TUESDAY)s WHERE key = %(key undo)s",
        "UPDATE ledger.entry SET value_date = %(TUESDAY)s WHERE key = %(key undo)s",
        times=1,
    ),
    fault(
        "holds_placed",
        "placed on another date than was asked",
        "UPDATE ledger.hold SET placed_on = %(TUESDAY)s WHERE key = %(key h-open)s",
        account=CAM,
    ),
    fault(
        "holds_placed",
        "a hold that is gone",
        "DELETE FROM ledger.hold WHERE key = %(key h-released)s",
        account=None,
        also={"holds_ended"},
    ),
    fault(
        "holds_ended",
        "less captured than was taken",
        "UPDATE ledger.hold SET captured = captured - 1 WHERE key = %(key h-captured)s",
        account=EVE,
        captured=449,
    ),
    fault(
        "holds_ended",
        "released by nobody",
        "UPDATE ledger.hold SET status = 3 WHERE key = %(key h-expired)s",
        account=CAM,
        status=3,
    ),
    fault(
        "holds_ended",
        "captured and released",
        "UPDATE ledger.request SET reference = %(key h-captured)s WHERE key = %(key release)s",
        captures=1,
        releases=1,
    ),
    fault(
        "holds_ended",
        "open, though it was released",
        "UPDATE ledger.hold SET status = 1, ended_on = NULL WHERE key = %(key h-released)s",
        "UPDATE ledger.account SET held = held + 400 WHERE account = %(EVE)s",
        account=EVE,
        status=1,
    ),
)
LAW_3 = (
    fault(
        "registration",
        "registered when its date was open",
        "UPDATE ledger.run SET registered_on = date WHERE run = %(run_coming)s",
        registered_on=str(banking_days.THURSDAY),
    ),
    fault(
        "registration",
        "nobody knows when it was registered",
        "UPDATE ledger.run SET registered_on = NULL WHERE run = %(run_coming)s",
        registered_on=None,
    ),
    fault(
        "item_dates",
        "due on another date than its run",
        "UPDATE ledger.item SET date = %(WEDNESDAY)s WHERE run = %(run_coming)s AND item = 2",
        due=str(banking_days.WEDNESDAY),
        due_by_run=str(banking_days.THURSDAY),
    ),
    fault(
        "item_dates",
        "decided before it was due",
        "UPDATE ledger.result SET date = %(MONDAY)s WHERE run = %(run_collections)s AND item = 4",
        account=NOBODY,
        decided_on=str(banking_days.MONDAY),
    ),
    fault(
        "entry_dates",
        "booked on a date that is not open yet",
        "UPDATE ledger.entry SET date = %(THURSDAY)s WHERE account = %(IDLE)s",
        account=IDLE,
        date=str(banking_days.THURSDAY),
    ),
    fault(
        "entry_dates",
        "booked ahead of the entry before it",
        "UPDATE ledger.entry SET date = %(TUESDAY)s WHERE account = %(EVE)s AND sequence = 1",
        account=EVE,
        sequence=2,
        also={"requests_decided_on", "entries_behind_items"},
    ),
    fault(
        "items_in_order",
        "the lower priority went first",
        "UPDATE ledger.run SET priority = 99 WHERE run = %(run_wages)s",
        account=ANN,
        item=1,
    ),
    fault(
        "items_in_order",
        "one passed an item that is unsettled",
        "DELETE FROM ledger.result WHERE run = %(run_wages)s AND item = 5",
        account=NOBODY,
        item=4,
        item_before=5,
        also={"finished_runs"},
    ),
    fault(
        "requests_behind_items",
        "a refusal ahead of the wages that were due",
        "UPDATE ledger.request SET sequences = '{2}', balances = '{300}' WHERE key = %(key short-2)s",
        account=BOB,
        decided_on=2,
        must_stand_behind=3,
    ),
    fault(
        "requests_behind_items",
        "served although an item was due and unsettled",
        "UPDATE ledger.run SET date = %(TUESDAY)s, priority = 99 WHERE run = %(run_coming)s",
        "UPDATE ledger.item SET date = %(TUESDAY)s WHERE run = %(run_coming)s",
        account=ANN,
        unsettled_before=1,
        also={"items_in_order"},
    ),
    fault(
        "entries_behind_items",
        "an entry of the due date stands ahead of the item's",
        "UPDATE ledger.entry SET value_date = %(MONDAY)s WHERE run = %(run_collections)s AND item = 5",
        account=ANN,
        item=5,
        also={"item_entries"},
    ),
    fault(
        "results_decided_on",
        "refused on a balance that never was",
        "UPDATE ledger.result SET balance = balance - 1 WHERE run = %(run_collections)s AND item = 2",
        account=BOB,
        balance=499,
        balance_of_entry=500,
    ),
    fault(
        "results_decided_on",
        "an account without entries and with money",
        "UPDATE ledger.result SET balance = 5 WHERE run = %(run_collections)s AND item = 4",
        account=NOBODY,
        balance=5,
    ),
    fault(
        "results_decided_on",
        "decided on an entry that is not there",
        "UPDATE ledger.result SET sequence = 9 WHERE run = %(run_collections)s AND item = 4",
        account=NOBODY,
        sequence=9,
        balance_of_entry=None,
    ),
    fault(
        "requests_decided_on",
        "refused on a balance that never was",
        "UPDATE ledger.request SET balances = '{1}' WHERE key = %(key short)s",
        account=BOB,
        balance=1,
    ),
    fault(
        "requests_decided_on",
        "refused on yesterday's account",
        "UPDATE ledger.request SET sequences = '{1}', balances = '{500}' WHERE key = %(key short-2)s",
        account=BOB,
        sequence=1,
        also={"requests_behind_items"},
    ),
    fault(
        "requests_decided_on",
        "decided on a date that is not open yet",
        "UPDATE ledger.request SET date = %(THURSDAY)s WHERE key = %(key nobody)s",
        account=NOBODY,
        date=str(banking_days.THURSDAY),
    ),
    fault(
        "holds_expire_first",
        "a request came first",
        "UPDATE ledger.hold SET ended_on = %(WEDNESDAY)s WHERE key = %(key h-expired)s",
        account=CAM,
        next_request_on=str(banking_days.TUESDAY),
    ),
    fault(
        "holds_expire_first",
        "still open",
        "UPDATE ledger.hold SET status = 1, ended_on = NULL WHERE key = %(key h-expired)s",
        "UPDATE ledger.account SET held = held + 300 WHERE account = %(CAM)s",
        account=CAM,
        ended_on=None,
    ),
)
FAULTS = LAW_1 + LAW_2 + LAW_3
