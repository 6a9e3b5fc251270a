"""The sample files of tests/data/zengin through the command, from empty ledger to results, and what `--json` prints."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from command import ZENGIN, Kanjo, kanjo_on

from kanjo import db
from kanjo.formats.zengin import Reader, Records

pytestmark = pytest.mark.xdist_group("cli-sample-day")  # the day is lived once

LOADED = {
    *("run", "business", "date", "phase", "priority", "items", "amount_yen"),
    *("other_bank_items", "other_bank_amount_yen"),
}
STANDING = {
    *("run", "business", "date", "state", "items", "settled", "accepted", "refused", "settled_by_before"),
    *("rate_per_s", "eta_s", "phase", "priority", "paused", "note", "stuck", "amount_yen"),
}


class Day:
    """What the commands of one sample day printed."""

    kanjo: Kanjo
    folder: Path
    imported: Any
    opened: Any
    payroll: Any
    debit: Any
    turned: Any
    started: Any
    pending: str


@pytest.fixture(scope="module")
def day(module_database: db.Database, tmp_path_factory: pytest.TempPathFactory) -> Day:
    kanjo = kanjo_on(module_database)
    day = Day()
    day.kanjo = kanjo
    day.folder = tmp_path_factory.mktemp("day")
    day.imported = kanjo.json("account", "import", ZENGIN / "accounts.csv")
    day.opened = kanjo.json("day", "open", "2026-08-24")
    day.payroll = kanjo.json("cut", "load", ZENGIN / "payroll.txt")
    day.debit = kanjo.json("cut", "load", ZENGIN / "debit.txt", "--date", "2026-08-25", "--business", "direct-debit")
    day.turned = kanjo.json("day", "open", "2026-08-25")
    day.pending = kanjo("account", "export", day.folder / "pending.csv").err
    day.started = kanjo.json("cut", "start", 1, 2)
    return day


@pytest.fixture(scope="module")
def expected() -> Any:
    return json.loads((ZENGIN / "expected.json").read_text())


def test_balances_are_the_expected_ones(day: Day, expected: Any) -> None:
    """After both files were settled, payroll first, the export has the balances that must come out."""
    out = day.folder / "after.csv"

    answer = day.kanjo.json("account", "export", out)

    with out.open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    assert expected["balances"] == {row["account"]: int(row["balance"]) for row in rows}
    assert sorted(row["account"] for row in rows) == [row["account"] for row in rows]
    assert {"file": str(out), "accounts": len(rows), "pending_items": 0} == answer


def test_export_to_standard_output_is_the_same_file(day: Day) -> None:
    """`-` is standard output; the count of pending items goes beside it."""
    out = day.folder / "again.csv"
    day.kanjo("account", "export", out)

    shown = day.kanjo("account", "export", "-")

    assert out.read_text("utf-8") == shown.out
    assert "no items are pending" in shown.err


def test_export_settles_nothing_and_says_what_is_pending(day: Day) -> None:
    """C-5: a bulk view never settles first, but says how many items it did not wait for."""
    assert "315 items are pending" in day.pending


def test_import_and_day(day: Day) -> None:
    """The first opening sets the date; the next tells which one it followed."""
    assert day.imported["accounts"] == 202
    assert day.opened == {"business_date": "2026-08-24", "previous": None}
    assert day.turned == {"business_date": "2026-08-25", "previous": "2026-08-24"}
    assert day.kanjo.json("day", "show") == {"business_date": "2026-08-25"}


def test_load_prints_the_runs(day: Day, expected: Any) -> None:
    """Names of design 9; the business comes from the kind in the header, or from --business."""
    [payroll], [debit] = day.payroll["runs"], day.debit["runs"]

    assert payroll.keys() >= LOADED and debit.keys() >= LOADED
    assert tuple(payroll[name] for name in ("run", "business", "date", "phase", "priority", "items")) == (
        1,
        "payroll",
        "2026-08-25",
        "pre-business",
        40,
        135,
    )
    assert (5, expected["other_bank"]) == (payroll["other_bank_items"], payroll["other_bank_amount_yen"])
    assert tuple(debit[name] for name in ("run", "business", "items", "priority")) == (2, "direct-debit", 180, 60)


def test_start_prints_the_runs_and_how_long_it_took(day: Day, expected: Any) -> None:
    """`cut start` returns when the runs are completed, with the object of `cut status` and `seconds`."""
    payroll, debit = day.started["runs"]

    assert day.started["seconds"] > 0
    assert payroll.keys() >= STANDING
    assert (payroll["state"], debit["state"]) == ("completed", "completed")
    assert (expected["payroll"]["paid"], expected["payroll"]["returned"]) == (payroll["accepted"], payroll["refused"])
    assert expected["debit_ok"] == debit["accepted"] and debit["settled"] == 180


def test_status_of_all_and_of_one(day: Day) -> None:
    """`cut status` lists all runs, `cut status RUN` one."""
    every, one = day.kanjo.json("cut", "status"), day.kanjo.json("cut", "status", 2)

    assert [run["run"] for run in every["runs"]] == [1, 2]
    assert [every["runs"][1]] == one["runs"]
    assert day.kanjo.refused("run-unknown", "cut", "status", 9)["run"] == 9


def test_result_has_the_expected_codes(day: Day, expected: Any) -> None:
    """`cut result` writes the request back with a code for each record, and says how many."""
    out = day.folder / "result.txt"

    answer = day.kanjo.json("cut", "result", 2, "--out", out)

    assert {"run": 2, "out": str(out), "records": 180} == answer
    with out.open("rb") as stream:
        codes = [
            int(code) for part in Reader(stream, name="result") if isinstance(part, Records) for code in part.result
        ]
    assert expected["debit_results"] == codes


def test_outgoing_file_holds_what_is_for_other_banks(day: Day, expected: Any) -> None:
    """`cut outgoing` writes the same bytes each time; a debit run has none."""
    first, second = day.folder / "first.txt", day.folder / "second.txt"

    answer = day.kanjo.json("cut", "outgoing", 1, "--out", first)
    day.kanjo("cut", "outgoing", 1, "--out", second)

    assert (1, 5, expected["other_bank"]) == (answer["run"], answer["records"], answer["amount_yen"])
    assert first.read_bytes() == second.read_bytes()
    day.kanjo.refused("no-outgoing-file", "cut", "outgoing", 2, "--out", day.folder / "none.txt")
    assert not (day.folder / "none.txt").exists()


def test_trial_balance_is_zero(day: Day) -> None:
    """Law 1 as people look at it."""
    balance = day.kanjo.json("day", "trial-balance")

    assert balance["total_yen"] == 0 and balance["debit_yen"] == balance["credit_yen"] > 0
    assert sum(line["balance_yen"] for line in balance["lines"]) == 0
    assert "total" in day.kanjo("day", "trial-balance").out


def test_statement_is_paged(day: Day) -> None:
    """--limit and --after; `next_after` leads on until there is no more."""
    lines, after = [], 0
    while after is not None:
        page = day.kanjo.json("account", "statement", "001-1-1000016", "--limit", 2, "--after", after)
        lines += page["lines"]
        after = page["next_after"]

    assert list(range(1, page["sequence"] + 1)) == [line["sequence"] for line in lines]
    assert page["balance_yen"] == lines[-1]["balance_yen"]
    assert {line["run"] for line in lines} == {None, 2}
    assert "item-debit" in day.kanjo("account", "statement", "001-1-1000016").out


def test_c_5_a_statement_of_closed_dates(day: Day) -> None:
    """--until a date that is over: what was booked then, and the balance of its last entry."""
    page = day.kanjo.json("account", "statement", "001-1-1000016", "--until", "2026-08-24")

    assert {line["date"] for line in page["lines"]} == {"2026-08-24"}
    assert (page["sequence"], page["balance_yen"]) == (1, page["lines"][-1]["balance_yen"])
    day.kanjo.refused("wrong-usage", "account", "statement", "001-1-1000016", "--until", "yesterday", status=2)


def test_the_same_file_again_names_its_run(day: Day) -> None:
    """R-4: so a lost answer can be found again."""
    error = day.kanjo.refused(
        "duplicate-file", "cut", "load", ZENGIN / "debit.txt", "--date", "2026-08-25", "--phase", "in-business"
    )

    assert error["run"] == 2


def test_a_finished_run_is_not_started_again(day: Day) -> None:
    """Exit 1 at once, and nothing is started."""
    assert day.kanjo.refused("run-finished", "cut", "start", 1)["run"] == 1


def test_people_read_separators_and_iso_dates(day: Day) -> None:
    """The human view of the same things."""
    assert "9,171,300" in day.kanjo("cut", "status", 2).out or "127" in day.kanjo("cut", "status", 2).out
    assert "2026-08-25" in day.kanjo("account", "show", "001-2-7654321").out
    assert "999,971,688,971" in day.kanjo("account", "show", "001-2-7654321").out
