"""Rule K-1 on ledgers in which nothing is broken: every check finds something to judge, and no check cries."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import banking_days
import psycopg
import pytest

from kanjo import check, db, ledger
from kanjo.check.prove import CONSTANTS, SQL, WHOLE_TABLES, prove_in
from kanjo.ledger import Reason

pytestmark = pytest.mark.xdist_group("check")  # the days are played once

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "check.md"


def proved(database: db.Database) -> check.Proof:
    """What a door's own role finds."""
    with database.connect(autocommit=True) as connection:
        return check.prove(connection)


def test_k_1_days_that_went_well_are_proved(days: db.Database) -> None:
    """Laws 1 to 3 hold, each check judged rows, and law 4 is said to be not checked."""
    proof = proved(days)

    assert [violation for law in proof.laws for violation in law.violations] == []
    assert [(law.law, law.ok) for law in proof.laws] == [(1, True), (2, True), (3, True), (4, None)]
    assert proof.ok
    assert "not checked" in (proof.laws[3].not_checked or "")
    assert [found.name for law in proof.laws for found in law.checks if not found.checked] == []


def test_c_5_it_says_what_is_due_and_settles_nothing(days: db.Database) -> None:
    """A check is a bulk view: it counts what is pending and leaves it as it is."""
    assert proved(days).pending_count == 0
    with contextlib.closing(days.connect(role="owner")) as owner:  # closed without a commit: the days stay as they are
        owner.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        owner.execute("UPDATE ledger.day SET business_date = %s", (banking_days.THURSDAY,))
        first, second = prove_in(owner), prove_in(owner)

    assert first == second
    assert first.pending_count == 1
    assert first.ok


def test_o_9_a_stuck_item_is_shown_and_breaks_no_law(database: db.Database) -> None:
    """An item that holds its account waits for an operator; the laws hold meanwhile."""
    with database.connect(role="owner") as owner:
        owner.execute("INSERT INTO ledger.stuck_item VALUES (%s, 3, 17, 0, 'ValueError: x')", (banking_days.ANN,))

    proof = proved(database)

    assert proof.ok
    assert proof.stuck == (check.Stuck(account="001-1-0000002", run=3, item=17, error="ValueError: x"),)


def test_c_6_imported_accounts_before_the_first_date(database: db.Database) -> None:
    """Balances whose opening entries are still to come are no violation; money added to them later is."""
    with database.connect(autocommit=True) as connection:
        lines = ["account,product,balance,floor,status,name_kana\n", "001-1-0000001,ordinary,1000,0,open,\n"]
        ledger.import_accounts(ledger.PostgresStore(connection), lines, name="a.csv")

    assert proved(database).ok
    with database.connect(role="owner") as owner:
        owner.execute("UPDATE ledger.account SET sequence = 2")
    assert not proved(database).ok


def test_progress_names_every_check(days: db.Database) -> None:
    """It hears each check before it runs, and the end."""
    heard: list[tuple[str, int, int]] = []
    with days.connect(autocommit=True) as connection:
        check.prove(connection, lambda name, done, total: heard.append((name, done, total)))

    total = len(check.checks())
    names = [law.name for law in check.checks()]
    assert heard == [(name, done, total) for done, name in enumerate(names)] + [("", total, total)]


def test_c_2_every_reason_is_an_outcome_of_an_item_or_of_a_request_or_is_never_stored() -> None:
    """A new reason must be put where it belongs, or the check would call it a broken law."""
    never_stored = {Reason.KEY_REUSED, Reason.DAY_NOT_OPEN, Reason.ITEM_STUCK}
    stored = set(CONSTANTS["item_reasons"]) | set(CONSTANTS["request_reasons"])

    assert stored == set(Reason) - never_stored


def test_the_page_lists_every_check() -> None:
    """docs/reference/check.md has a row for each check, law by law."""
    sections = re.split(r"^## Law (\d).*$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    listed = [
        (int(law), name)
        for law, section in zip(sections[1::2], sections[2::2], strict=True)
        for name in re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)
    ]

    assert listed == [
        *((law.law, law.name) for law in check.checks()),
        *((4, one.name) for one in check.HISTORY_CHECKS),
    ]


def test_no_check_looks_anything_up_row_by_row(days: db.Database) -> None:
    """A look-up for each item, with the indexes off, took hours of a bank that `kanjo soak` had filled."""
    with days.connect(role="owner") as owner:
        for setting in WHOLE_TABLES:
            owner.execute(setting)
        for law in check.checks():
            judged = psycopg.ClientCursor(owner).mogrify(SQL[law.block], CONSTANTS)
            plan = "\n".join(row[0] for row in owner.execute(f"EXPLAIN {judged}"))  # type: ignore[arg-type]
            # a sub-plan or a LATERAL with its LIMIT runs once for each row, whatever the planner is told; those of
            # `requests` read arrays of the row itself
            repeated = [line for line in plan.splitlines() if re.search(r"(?<!hashed )SubPlan|Limit", line)]
            assert not repeated or law.name == "requests", plan
