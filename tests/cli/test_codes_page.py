"""docs/reference/codes.md is the one table of all codes: none is missing and none is invented."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from kanjo.db import explain
from kanjo.ledger import Reason

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "codes.md"
CODE = re.compile(r"[a-z]+(-[a-z0-9]+)+|internal|interrupted|wrong-usage")
STATUSES = {"Refused": "1", "WrongUsage": "2", "SystemFailed": "3"}
RAISERS = STATUSES.keys() | {"KanjoError", "Failure"}


def rows() -> list[list[str]]:
    """The table's rows without its head."""
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def errors_in_source() -> set[tuple[str, str]]:
    """First argument of every error made in src/kanjo, with the error's name; also what a subclass passes on."""
    return {found for file in (ROOT / "src" / "kanjo").rglob("*.py") for found in errors_of(file)}


def errors_of(file: Path) -> Iterator[tuple[str, str]]:
    tree = ast.parse(file.read_text("utf-8"))
    raisers = RAISERS | {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id in RAISERS for base in node.bases)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        first = node.args[0]
        is_super = isinstance(node.func, ast.Attribute) and node.func.attr == "__init__"
        if name in raisers or is_super:
            yield from (
                (found.value, name)
                for found in ast.walk(first)
                if isinstance(found, ast.Constant) and isinstance(found.value, str) and CODE.fullmatch(found.value)
            )


def codes_given_indirectly() -> set[str]:
    """Codes that reach an error through a name: the database's, and those of functions that are told a code."""
    database = {code for code, _ in explain.__globals__["_BY_STATE"].values()} | {"database-error"}
    return database | {"run-paused", "run-not-paused", "no-result-file", "no-outgoing-file"}


def test_every_code_is_in_the_table() -> None:
    """Reasons of the ledger and codes of errors alike."""
    reasons = {word for word in Reason.words() if word != "accepted"}
    expected = {code for code, _ in errors_in_source()} | codes_given_indirectly() | reasons

    listed = {row[0].strip("`") for row in rows()}

    assert sorted(expected - listed) == []
    assert sorted(listed - expected) == []


def test_the_table_is_sorted_and_complete() -> None:
    """Each code once, in order, with its exit status and what it means."""
    codes = [row[0] for row in rows()]

    assert codes == sorted(set(codes))
    for row in rows():
        assert len(row) == 3 and row[1] in {"1", "2", "3", "1, 3", "130, 143"} and row[2].endswith("."), row


def test_exit_statuses_are_those_of_the_errors() -> None:
    """Refused 1, wrong usage 2, failed 3."""
    listed = {row[0].strip("`"): row[1] for row in rows()}

    for code, name in sorted(errors_in_source()):
        if name in STATUSES:
            assert listed[code] == STATUSES[name], code
