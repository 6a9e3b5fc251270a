"""Law 4 on real days: a recorded history of concurrent callers is accepted, and each way of bending it is rejected."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import busy_days
import psycopg
import pytest
from banking_days import MONDAY, WEDNESDAY
from test_check_command import checked

from kanjo import check, db
from kanjo.check import read_histories
from kanjo.check.prove import prove_in

pytestmark = pytest.mark.xdist_group("history")  # the days are lived once

Line: TypeAlias = dict[str, Any]


@pytest.fixture(scope="module")
def lived(module_database: db.Database, tmp_path_factory: pytest.TempPathFactory) -> tuple[db.Database, Path]:
    """The database after the busy days, which is to be left as it is, and their history."""
    return module_database, busy_days.live(module_database, tmp_path_factory.mktemp("busy"))


@pytest.fixture
def lines(lived: tuple[db.Database, Path]) -> list[Line]:
    """The history's lines, to be bent."""
    return [json.loads(line) for line in lived[1].read_text("utf-8").splitlines()]


def test_law_4_holds_of_days_that_were_lived(lived: tuple[db.Database, Path], lines: list[Line]) -> None:
    """All laws hold, every check of law 4 judged much, and the days had in them what could have gone wrong."""
    database, path = lived
    with database.connect(autocommit=True) as connection:
        proof = check.prove(connection, history=read_histories([path]))

    assert [violation for law in proof.laws for violation in law.violations] == []
    assert proof.ok and proof.laws[3].ok is True and proof.laws[3].not_checked is None
    assert [found.name for found in proof.laws[3].checks] == [one.name for one in check.HISTORY_CHECKS]
    assert all(found.checked > 500 for found in proof.laws[3].checks)
    reasons = {line.get("reason") for line in lines if line["line"] == "answered"}
    assert {None, "insufficient-funds", "key-reused"} <= reasons
    assert any(line.get("replayed") for line in lines)
    assert {line.get("business_date") for line in lines if line["line"] == "answered"} == {
        "2026-08-24",
        "2026-08-25",
        "2026-08-26",
    }
    with database.connect() as connection:
        assert connection.execute("SELECT count(*) > 50 FROM ledger.result WHERE before").fetchone() == (True,)


def test_law_4_alone_is_the_same_proof(lived: tuple[db.Database, Path]) -> None:
    """A day's history can be judged without proving the other laws over everything there is."""
    database, path = lived
    history = read_histories([path])
    with database.connect(autocommit=True) as connection:
        assert check.prove_answers(connection, history=history) == check.prove(connection, history=history).laws[3]


# bent in the ledger


LEDGER_BENDS: dict[str, tuple[str, set[str]]] = {
    "a lost answer": (
        "DELETE FROM ledger.request WHERE (client, key) IN (SELECT client, key FROM ledger.request"
        " WHERE client = 'busy' AND reason = 0 AND kind = 1 LIMIT 1)",
        {"kept"},
    ),
    "an answer that differs": (
        "UPDATE ledger.request SET reason = 3 WHERE (client, key) IN (SELECT client, key FROM ledger.request"
        " WHERE client = 'busy' AND reason = 7 LIMIT 1)",
        {"kept"},
    ),
    "an answer decided on something else": (
        "UPDATE ledger.request SET balances[1] = balances[1] + 1 WHERE (client, key) IN (SELECT client, key"
        " FROM ledger.request WHERE client = 'busy' AND reason = 7 LIMIT 1)",
        {"kept"},
    ),
    "a doubled entry": (
        "INSERT INTO ledger.entry SELECT entry.account, account.sequence + 1, amount, account.balance + amount, contra,"
        " date, value_date, entry.cell, kind, run, item, key, client FROM ledger.entry JOIN ledger.account"
        " USING (cell, account) WHERE client = 'busy' AND kind = 1 LIMIT 1",
        {"entries_as_told"},
    ),
    "a lost entry": (
        "DELETE FROM ledger.entry WHERE (account, sequence) IN (SELECT account, max(sequence) FROM ledger.entry"
        " WHERE client = 'busy' AND kind = 1 GROUP BY account LIMIT 1)",
        {"entries_as_told", "decided_on"},
    ),
    "a request that nobody asked": (
        "INSERT INTO ledger.request SELECT client, gen_random_uuid(), fingerprint, kind, reason, date, value_date, run,"
        " reference, debits, credits, amounts, accounts, sequences, balances FROM ledger.request"
        " WHERE client = 'busy' AND reason = 7 LIMIT 1",
        {"asked"},
    ),
    "online ahead of its pre-business item": (
        "UPDATE ledger.result SET sequence = sequence + 100000 WHERE (run, item) IN (SELECT run, item FROM ledger.item"
        " WHERE account = %(hot)s AND date = %(tuesday)s LIMIT 1)",
        {"behind_items"},
    ),
    "online ahead of an item not settled": (
        "DELETE FROM ledger.result WHERE (run, item) IN (SELECT run, item FROM ledger.item"
        " WHERE account = %(hot)s AND date = %(tuesday)s LIMIT 1)",
        {"behind_items"},
    ),
}


@pytest.mark.parametrize("name", LEDGER_BENDS)
def test_a_ledger_that_was_bent_is_rejected(lived: tuple[db.Database, Path], name: str) -> None:
    """The check that must see it cries."""
    database, path = lived
    statement, expected = LEDGER_BENDS[name]
    with contextlib.closing(database.connect(role="owner")) as owner:  # never committed
        owner.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        owner.execute("SET LOCAL session_replication_role = replica")
        values = {"hot": busy_days.HOT[0], "tuesday": busy_days.TUESDAY}
        assert psycopg.ClientCursor(owner).execute(statement, values).rowcount == 1  # type: ignore[arg-type]
        proof = prove_in(owner, history=read_histories([path]))

    law = proof.laws[3]
    assert not proof.ok and law.ok is False
    assert expected <= {found.name for found in law.checks if not found.ok}
    assert expected <= {violation["check"] for violation in law.violations}


# bent in the history


class Bent:
    """The lines of a history, by call."""

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines
        self.asked = {line["number"]: line for line in lines if line["line"] == "asked"}
        self.answers = [line for line in lines if line["line"] == "answered"]
        self.number = 1 + max(self.asked)

    def kind(self, answer: Line) -> str:
        return str(self.asked[answer["number"]]["kind"])

    def first(self, wanted: Callable[[Line], Any]) -> Line:
        return next(answer for answer in self.answers if wanted(answer))

    def add(self, asked: Line, answer: Line, asked_us: int, ended_us: int) -> None:
        """Another call at that time."""
        self.lines.append(asked | {"number": self.number, "at_us": asked_us})
        self.lines.append(answer | {"number": self.number, "at_us": ended_us})
        self.number += 1

    def enquire(self, touched: list[int], on: str, asked_us: int) -> None:
        """An enquiry that shows that, and takes a microsecond."""
        asked = {"line": "asked", "caller": "bent", "kind": "enquiry", "account": touched[0]}
        answer = {"line": "answered", "outcome": "accepted", "business_date": on, "touched": [touched]}
        self.add(asked, answer, asked_us, asked_us + 1)

    def transfer(self) -> tuple[Line, Line]:
        """An accepted transfer between two accounts that took its time, ahead of whoever asked of either after it."""
        found = self.first(
            lambda answer: (
                answer["outcome"] == "accepted"
                and self.kind(answer) == "transfer"
                and not answer.get("replayed")
                and len(answer["entries"]) == 2
                and answer["at_us"] - self.asked[answer["number"]]["at_us"] > 100
                and self.leads(answer)
            )
        )
        return self.asked[found["number"]], found

    def leads(self, answer: Line) -> bool:
        """Whether all who asked of its accounts later than it found what it had made of them."""
        stood_on = {account: sequence for account, sequence, _ in answer["touched"]}
        asked_us = self.asked[answer["number"]]["at_us"]
        return not any(
            sequence <= stood_on.get(account, -1) and self.asked[other["number"]]["at_us"] > asked_us
            for other in self.answers
            if other is not answer
            for account, sequence, _ in other.get("touched", ())
        )


def a_stale_enquiry(bent: Bent) -> set[str]:
    """It shows the state before a deposit that was answered already."""
    deposit = bent.first(lambda one: bent.kind(one) == "deposit" and one.get("entries") and not one.get("replayed"))
    [(account, sequence, balance)] = deposit["touched"]
    bent.enquire([account, sequence, balance], deposit["business_date"], deposit["at_us"] + 1)
    return {"never_older", "one_order"}


def a_wrong_balance(bent: Bent) -> set[str]:
    """A yen too many in an enquiry."""
    bent.first(lambda one: bent.kind(one) == "enquiry")["touched"][0][2] += 1
    return {"decided_on"}


def an_enquiry_ahead_of_its_item(bent: Bent) -> set[str]:
    """On Wednesday it shows the account as it stood when Monday began."""
    bent.enquire([busy_days.HOT[0], 1, 2_000], str(WEDNESDAY), 1)
    return {"behind_items"}


def another_outcome_than_stored(bent: Bent) -> set[str]:
    """A refusal is told as another refusal."""
    bent.first(lambda one: one.get("reason") == "insufficient-funds")["reason"] = "account-frozen"
    return {"kept"}


def two_outcomes_for_a_key(bent: Bent) -> set[str]:
    """The second caller of a key is told other figures."""
    bent.first(lambda one: one.get("replayed") and one["touched"])["touched"][0][2] += 1
    return {"one_outcome", "kept"}


def a_key_decided_twice(bent: Bent) -> set[str]:
    """Both callers are told that theirs was the first."""
    numbers: dict[str, int] = {}
    for answer in bent.answers:
        if answer.get("touched") and bent.kind(answer) != "enquiry" and not answer.get("replayed"):
            numbers[bent.asked[answer["number"]]["key"]] = answer["number"]
    again = bent.first(lambda one: one.get("replayed") and bent.asked[one["number"]]["key"] in numbers)
    again["replayed"] = False
    return {"one_outcome"}


def an_answer_told_with_an_entry_twice(bent: Bent) -> set[str]:
    """The caller sees his deposit twice."""
    deposit = bent.first(lambda one: bent.kind(one) == "deposit" and one.get("entries"))
    [(account, sequence, amount, balance)] = deposit["entries"]
    deposit["entries"].append([account, sequence + 1, amount, balance + amount])
    return {"entries_as_told"}


def a_request_cut_out(bent: Bent) -> set[str]:
    """A stored request that nobody asked, in a history that says it is complete."""
    number = bent.first(lambda one: bent.kind(one) == "transfer" and one.get("entries"))["number"]
    bent.lines[:] = [line for line in bent.lines if line.get("number") != number]
    return {"asked"}


def a_date_that_goes_back(bent: Bent) -> set[str]:
    """At the end of the last day somebody is told the first one's date."""
    last = max(bent.answers, key=lambda answer: answer["at_us"])
    bent.enquire([busy_days.number(9_999), 0, 0], str(MONDAY), last["at_us"] + 10)
    bent.lines[-1]["outcome"], bent.lines[-1]["reason"] = "refused", "account-unknown"
    return {"dates_forward", "one_order"}


def time_reversed_across_two_accounts(bent: Bent) -> set[str]:
    """While a transfer is under way its money is seen to have come, and then not yet to have gone."""
    _see_a_transfer(bent, came_us=1, gone_us=10)
    return {"one_order"}


def _see_a_transfer(bent: Bent, *, came_us: int, gone_us: int) -> None:
    """Two enquiries, so long after the transfer was asked: behind it on one account, before it on the other."""
    asked, answer = bent.transfer()
    (debit, *_), (_credit, *_) = answer["entries"]
    before = next(touched for touched in answer["touched"] if touched[0] == debit)
    account, sequence, _, balance = next(entry for entry in answer["entries"] if entry[0] != debit)
    bent.enquire([account, sequence, balance], answer["business_date"], asked["at_us"] + came_us)
    bent.enquire(before, answer["business_date"], asked["at_us"] + gone_us)


HISTORY_BENDS = (
    a_stale_enquiry,
    a_wrong_balance,
    an_enquiry_ahead_of_its_item,
    another_outcome_than_stored,
    two_outcomes_for_a_key,
    a_key_decided_twice,
    an_answer_told_with_an_entry_twice,
    a_request_cut_out,
    a_date_that_goes_back,
    time_reversed_across_two_accounts,
)


def proved(database: db.Database, lines: list[Line], path: Path) -> check.LawProof:
    """Law 4 from these lines."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with database.connect(autocommit=True) as connection:
        return check.prove(connection, history=read_histories([path])).laws[3]


@pytest.mark.parametrize("bend", HISTORY_BENDS, ids=lambda bend: bend.__name__)
def test_a_history_that_was_bent_is_rejected(
    lived: tuple[db.Database, Path], lines: list[Line], tmp_path: Path, bend: Callable[[Bent], set[str]]
) -> None:
    """The checks that must see it cry."""
    expected = bend(Bent(lines))

    law = proved(lived[0], lines, tmp_path / "bent")

    assert law.ok is False
    assert expected <= {found.name for found in law.checks if not found.ok}


def test_what_could_have_been_is_accepted(lived: tuple[db.Database, Path], lines: list[Line], tmp_path: Path) -> None:
    """Money seen to have gone first and come later is explained; and who was slow to ask could have asked sooner."""
    bent = Bent(lines)
    _see_a_transfer(bent, came_us=10, gone_us=1)
    enquiry = bent.first(lambda one: bent.kind(one) == "enquiry")
    bent.asked[enquiry["number"]]["at_us"] -= 10_000

    law = proved(lived[0], lines, tmp_path / "bent")

    assert law.violations == ()
    assert law.ok is True


# the command


@pytest.fixture
def bent_file(lines: list[Line], tmp_path: Path) -> Path:
    """A history in which an answer differs from the stored one."""
    another_outcome_than_stored(Bent(lines))
    path = tmp_path / "bent.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_the_command_proves_law_4(lived: tuple[db.Database, Path], bent_file: Path) -> None:
    """Exit status 0 with law 4 checked; 1 with the offending rows, for programs and for people."""
    database, path = lived
    status, out = checked(database, "--history", str(path), "--json")
    found = json.loads(out)
    assert status == 0 and found["ok"]
    assert found["laws"][3]["ok"] is True and found["laws"][3]["checked"] > 5_000

    status, out = checked(database, "--json", "--history", str(bent_file))

    [row] = json.loads(out)["laws"][3]["violations"]
    assert status == 1
    assert (row["check"], row["broken"], row["history"]) == ("kept", "stored with another outcome", str(bent_file))
    status, out = checked(database, "--history", str(bent_file))
    assert status == 1 and "stored with another outcome" in out.replace("\n", " ")


def test_the_command_names_the_line_of_a_malformed_file(database: db.Database, tmp_path: Path) -> None:
    """`bad-history` with file and line; a file that is not there is wrong usage."""
    path = tmp_path / "broken.jsonl"
    path.write_text('{"line":"history","version":1,"clock":"c"}\nnonsense\n')

    status, out = checked(database, "--history", str(path), "--json")

    error = json.loads(out)["error"]
    assert (status, error["code"], error["line"], error["file"]) == (1, "bad-history", 2, str(path))
    status, out = checked(database, "--history", str(tmp_path / "none"), "--json")
    assert (status, json.loads(out)["error"]["code"]) == (2, "file-unreadable")
