"""`kanjo up`, `down`, `status`, and commands that start the embedded database for themselves."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import ZENGIN, Kanjo, kanjo_in

from kanjo.db import Database


@pytest.fixture
def embedded() -> Iterator[Kanjo]:
    """The command with a home of its own, short enough for a socket's path."""
    with tempfile.TemporaryDirectory(prefix="kanjo-cli-") as folder:
        Path(folder).chmod(0o755)
        kanjo = kanjo_in(Path(folder) / "home")
        yield kanjo
        kanjo("down")


def test_the_embedded_database_from_up_to_down(embedded: Kanjo) -> None:
    """A command starts it and stops it again; `up` leaves it running; `down` stops it; what was posted stays."""
    assert embedded.json("status")["running"] is False
    embedded("account", "import", ZENGIN / "accounts.csv")
    assert embedded.json("status")["running"] is False

    up = embedded.json("up")

    assert up["running"] and up["kept_running"] and up["schema_revision"] == up["schema_expected"]
    embedded("day", "open", "2026-08-24")
    assert embedded.json("status")["running"] is True
    assert embedded.json("account", "show", "001-1-1000016")["balance_yen"] == 123_456
    assert "running" in embedded("status").out
    assert embedded.json("status")["mode"] == "single"
    assert embedded.json("down")["running"] is False
    assert embedded.json("day", "show") == {"business_date": "2026-08-24"}


def test_cut_start_with_the_embedded_database(embedded: Kanjo) -> None:
    """The workers use the server that the command started, and both are gone behind it."""
    embedded("account", "import", ZENGIN / "accounts.csv")
    embedded("day", "open", "2026-08-24")
    embedded("cut", "load", ZENGIN / "payroll.txt")
    embedded("day", "open", "2026-08-25")

    assert embedded.json("cut", "start", 1, "--workers", 1)["runs"][0]["state"] == "completed"

    assert embedded.json("status")["running"] is False


def test_a_database_of_others_is_not_stopped(kanjo: Kanjo) -> None:
    """With KANJO_DATABASE_URL `down` is refused, `status` and `up` work."""
    kanjo.refused("not-embedded", "down")
    assert kanjo.json("status")["embedded"] is False
    assert kanjo.json("up")["running"] is True


def test_check_finds_what_was_done_by_hand(bank: Kanjo, database: Database) -> None:
    """Exit 0 and the counts when no law is broken; exit 1 and the offending rows when one is."""
    proof = bank.json("check")
    assert proof["ok"] and [law["law"] for law in proof["laws"]] == [1, 2, 3, 4]
    assert all({"law", "ok", "checked", "violations"} <= law.keys() for law in proof["laws"])
    assert "conserved" in bank("check").out

    with database.connect(role="owner") as connection:
        connection.execute("UPDATE ledger.account SET balance = balance + 1 WHERE account = 111000016")

    broken = bank.json("check", status=1)
    assert not broken["ok"] and broken["laws"][0]["violations"][0]["account"] == "001-1-1000016"
    assert "001-1-1000016" in bank("check", status=1).out
