"""Files that left the bank after the moment of a restore are named: the restored ledger would send them again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from backed_up import ACCOUNTS, PAYROLL, Bank, stop

pytestmark = pytest.mark.xdist_group("backup")


@pytest.fixture
def bank() -> Iterator[Bank]:
    """Two runs are loaded, a payroll with records for other banks and a direct debit; a backup is made."""
    made = Bank(Path(tempfile.mkdtemp(prefix="kanjo-backup-")))
    made.folder.chmod(0o755)
    try:
        made.run("up")
        made.run("account", "import", ACCOUNTS)
        made.run("day", "open", "2026-08-24")
        made.run("cut", "load", PAYROLL)
        made.run("cut", "load", PAYROLL.with_name("debit.txt"), "--date", "2026-08-25", "--business", "direct-debit")
        made.run("day", "open", "2026-08-25")
        made.run("backup", "create")
        made.deposit("loaded", 1)
        yield made
    finally:
        for home in [*made.folder.glob("*"), *made.folder.glob("*/end")]:
            stop(home)
        shutil.rmtree(made.folder, ignore_errors=True)


def test_files_that_may_have_left_after_the_moment_are_named(bank: Bank) -> None:
    """The outgoing file that was handed out, the result that could be written; neither in a restore of later."""
    bank.run("cut", "start", 1, 2)
    bank.run("cut", "outgoing", 1, "--out", bank.folder / "outgoing.txt")
    bank.deposit("sent", 1)
    bank.run("backup", "log")

    earlier = bank.run("backup", "restore", "--to", bank.moments["loaded"], "--into", bank.folder / "earlier")
    later = bank.run("backup", "restore", "--to", bank.moments["sent"], "--into", bank.folder / "later")

    runs = {run["run"]: run for run in bank.run("cut", "status")["runs"]}
    assert [(one["run"], one["file"], one["business"]) for one in earlier["later_files"]] == [
        (1, "outgoing", "payroll"),
        (2, "result", "direct-debit"),
    ]
    assert all(one["date"] == runs[one["run"]]["date"] and len(one["digest"]) == 64 for one in earlier["later_files"])
    assert later["later_files"] == []
