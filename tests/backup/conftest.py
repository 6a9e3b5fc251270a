"""A bank backed up in the middle of its postings, and one restore of it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from backed_up import ACCOUNTS, Bank, Restored, stop

from kanjo.sites.person import make_person


@pytest.fixture(scope="module")
def bank() -> Iterator[Bank]:
    """full backup, "first", log drawn, "second", a backup on top, "third", log drawn."""
    made = Bank(Path(tempfile.mkdtemp(prefix="kanjo-backup-")))
    made.folder.chmod(0o755)
    # a test kills processes, not the machine: their data survives without waiting for the disk
    (made.home / "etc").mkdir(parents=True)
    (made.home / "etc" / "local.conf").write_text("fsync = off\n")
    for folder in (made.home, made.home / "etc"):
        folder.chmod(0o755)
    (made.home / "etc" / "local.conf").chmod(0o644)
    try:
        made.run("up")
        made.run("account", "import", ACCOUNTS)
        made.run("day", "open", "2026-08-24")
        made.run("backup", "create")
        made.deposit("first", 1_000)
        made.run("backup", "log")
        made.deposit("second", 20_000)
        made.run("backup", "create")
        made.deposit("third", 300_000)
        made.run("backup", "log")
        yield made
    finally:
        for home in [*made.folder.glob("*"), *made.folder.glob("*/end")]:
            stop(home)
        shutil.rmtree(made.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def restored(bank: Bank) -> Restored:
    """The moment between "first" and "second", brought back."""
    home = bank.folder / "restored"
    return Restored(home, bank.run("backup", "restore", "--to", bank.moments["first"], "--into", home))


@pytest.fixture(scope="module")
def persons(bank: Bank) -> Path:
    """The keys of two persons of the bank."""
    folder = bank.folder / "persons"
    for name in ("mori", "sato"):
        make_person(folder, name)
    return folder
