"""`kanjo check`: the object of design 9, and its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kanjo import db, ledger

pytestmark = pytest.mark.xdist_group("check")

COMMAND = Path(sys.executable).with_name("kanjo")
ACCOUNT = ledger.account_number(1, 1, 1)


def checked(database: db.Database, *arguments: str) -> tuple[int, str]:
    """Exit status and standard output of the real command."""
    ran = subprocess.run(
        [COMMAND, "check", *arguments],
        env=os.environ | {"KANJO_DATABASE_URL": database.url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ran.returncode, ran.stdout


def test_a_broken_law_exits_1_with_the_offending_rows(database: db.Database) -> None:
    """Sound, the laws hold and law 4 is not checked; with a planted fault the row is shown to programs and people."""
    status, out = checked(database, "--json")
    found: dict[str, Any] = json.loads(out)
    assert status == 0 and found["ok"]
    assert [(law["law"], law["ok"], law["violations"]) for law in found["laws"]] == [
        (1, True, []),
        (2, True, []),
        (3, True, []),
        (4, None, []),
    ]
    with database.connect(role="owner") as owner:
        owner.execute(
            "INSERT INTO ledger.account (cell, account, balance, status, product) VALUES (0, %s, 5, 1, 1)", (ACCOUNT,)
        )

    status, out = checked(database, "--json")

    found = json.loads(out)
    assert status == 1 and not found["ok"]
    assert {"check": "balances", "account": "001-1-0000001", "balance": 5, "sum_of_entries": 0} in found["laws"][0][
        "violations"
    ]
    status, out = checked(database)
    assert status == 1 and "001-1-0000001" in out
