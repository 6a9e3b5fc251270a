"""Rule K-1 on days that went well: every check finds something to judge, and nothing broken."""

from __future__ import annotations

from kanjo import check, db


def test_k_1_days_that_went_well_are_proved(days: db.Database) -> None:
    """Laws 1 to 3 hold, each check judged rows, and law 4 is said to be not checked."""
    with days.connect(autocommit=True) as connection:
        proof = check.prove(connection)

    assert [violation for law in proof.laws for violation in law.violations] == []
    assert [(law.law, law.ok) for law in proof.laws] == [(1, True), (2, True), (3, True), (4, None)]
    assert proof.ok
    assert [found.name for law in proof.laws for found in law.checks if not found.checked] == []
