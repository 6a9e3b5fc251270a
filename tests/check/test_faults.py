"""Rule K-1 on days into which a fault was planted by hand: its check shows the row, and no other check cries."""

from __future__ import annotations

import contextlib

import psycopg
import pytest
from faults import FAULTS, LAW_1, LAW_2, LAW_3, Fault, parameters

from kanjo import check, db
from kanjo.check.prove import prove_in

pytestmark = pytest.mark.xdist_group("check")  # the days are played once


def test_every_check_has_a_planted_fault() -> None:
    """A new block of laws.sql without a fault fails here."""
    planted = {(law, fault.check) for law, faults in ((1, LAW_1), (2, LAW_2), (3, LAW_3)) for fault in faults}

    assert {(law.law, law.name) for law in check.checks()} == planted


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_k_1_a_planted_fault_is_found(days: db.Database, runs: dict[str, int], fault: Fault) -> None:
    """The check shows the offending row, the law is broken, and only the checks that must see it do."""
    with contextlib.closing(days.connect(role="owner")) as owner:  # closed without a commit: the days stay as they are
        owner.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        owner.execute("SET LOCAL session_replication_role = replica")  # the owner has no other way past the triggers
        cursor = psycopg.ClientCursor(owner)
        for statement in fault.statements:
            changed = cursor.execute(statement, parameters(runs)).rowcount  # type: ignore[arg-type]
            assert changed, f"planted nothing: {statement}"
        proof = prove_in(owner)

    found = {found.name: found for law in proof.laws for found in law.checks if not found.ok}
    assert set(found) == {fault.check} | fault.also
    shown = found[fault.check].violations
    assert any(fault.shows.items() <= violation.items() for violation in shown), shown
    broken = [law for law in proof.laws if law.ok is False]
    assert not proof.ok and fault.check in {violation["check"] for law in broken for violation in law.violations}
