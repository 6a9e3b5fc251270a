"""`kanjo cut load` and what an operator does to a run before it is settled."""

from __future__ import annotations

import json

from command import ZENGIN, Kanjo

from kanjo.db import Database


def test_every_bad_file_is_refused_whole(bank: Kanjo) -> None:
    """Exit 1 `bad-file` with record, byte, field, found and expected; no run is left."""
    for file in sorted((ZENGIN / "bad").glob("*.txt")):
        error = bank.refused("bad-file", "cut", "load", file)
        for fault in error["errors"]:
            assert {"record", "position", "field", "found", "expected"} <= fault.keys(), file.name
    assert bank.json("cut", "status")["runs"] == []


def test_people_see_all_errors_of_a_file(bank: Kanjo) -> None:
    """A table on standard error, nothing on standard output."""
    ran = bank("cut", "load", ZENGIN / "bad" / "two-errors.txt", status=1)

    assert ran.out == ""
    assert "bad-file" in ran.err and "46" in ran.err and "85" in ran.err


def test_options_of_load(bank: Kanjo) -> None:
    """--date must agree with the header, --phase and --priority are kept, an unknown business is wrong usage."""
    file = ZENGIN / "debit.txt"
    bank.refused("date-mismatch", "cut", "load", file, "--date", "2026-08-26")
    bank.refused("business-unknown", "cut", "load", file, "--business", "raffle", status=2)
    bank.refused("wrong-usage", "cut", "load", file, "--phase", "tomorrow", status=2)

    [run] = bank.json("cut", "load", file, "--phase", "early", "--priority", 7)["runs"]

    assert (run["phase"], run["priority"]) == ("early", 7)


def test_a_load_too_late_is_refused(bank: Kanjo) -> None:
    """O-3: `date-already-open`; in-business it is taken."""
    bank("day", "open", "2026-08-25")

    bank.refused("date-already-open", "cut", "load", ZENGIN / "debit.txt")

    assert bank.json("cut", "load", ZENGIN / "debit.txt", "--phase", "in-business")["runs"][0]["phase"] == "in-business"


def test_an_item_is_withdrawn_and_a_run_cancelled(bank: Kanjo, database: Database) -> None:
    """R-9 and R-3: the originator has its money back, and the result file says 8."""
    bank("cut", "load", ZENGIN / "payroll.txt")
    funded = bank.json("account", "show", "001-2-7654321")["balance_yen"]

    with database.connect() as connection:
        [(item,)] = connection.execute("SELECT min(item) FROM ledger.item").fetchall()

    assert bank.json("cut", "withdraw", 1, item)["runs"][0]["refused"] == 1

    bank.refused("item-settled", "cut", "withdraw", 1, item)
    bank.refused("item-unknown", "cut", "withdraw", 1, 9_999)
    bank.refused("no-result-file", "cut", "result", 1, "--out", "nothing.txt")
    bank.refused("not-due", "cut", "outgoing", 1, "--out", "nothing.txt")
    [run] = bank.json("cut", "cancel", 1)["runs"]
    assert (run["state"], run["settled"], run["accepted"]) == ("cancelled", 135, 0)
    assert bank.json("account", "show", "001-2-7654321")["balance_yen"] == 10**12 > funded
    assert bank.json("cut", "load", ZENGIN / "payroll.txt")["runs"][0]["run"] > 1


def test_a_result_before_its_time_is_refused(bank: Kanjo) -> None:
    """R-9: an unfinished run has no result."""
    bank("cut", "load", ZENGIN / "debit.txt")

    assert bank.refused("run-not-finished", "cut", "result", 1, "--out", "nothing.txt")["run"] == 1


def test_expected_totals_stand_in_the_sample(bank: Kanjo) -> None:
    """The amount loaded and the amount for other banks are the whole file's."""
    expected = json.loads((ZENGIN / "expected.json").read_text())

    [run] = bank.json("cut", "load", ZENGIN / "payroll.txt")["runs"]

    assert run["amount_yen"] == expected["paid"] + expected["returned"]
    assert run["other_bank_amount_yen"] == expected["other_bank"]
