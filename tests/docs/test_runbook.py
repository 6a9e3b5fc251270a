"""The runbook of two sites names every order, every refusal of one and every warning, and nothing that is not there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_command_lines import lines_in, words_of

from kanjo.cli import sites_operate
from kanjo.sites import decision, gate
from kanjo.sites.operate import commit_level, desk, perform, plan, standing, waiting
from kanjo.sites.register import client, state

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "how-to" / "two-sites-runbook.md").read_text("utf-8")
CODES = set(re.findall(r"^\| `([a-z-]+)` \|", (DOCS / "reference" / "codes.md").read_text("utf-8"), re.MULTILINE))
ERRORS = {"Refused", "SystemFailed", "WrongUsage"}
OF_SIGNING = {"second-person-missing", "same-person-twice", "person-unknown", "signature-wrong", "key-unusable"}


def tree(module: object) -> ast.Module:
    return ast.parse(Path(str(module.__file__)).read_text("utf-8"))  # type: ignore[attr-defined]


def raised(module: object) -> set[str]:
    """The codes of all errors that a module makes."""
    calls = [node for node in ast.walk(tree(module)) if isinstance(node, ast.Call)]
    names = [(call.func.id, call.args) for call in calls if isinstance(call.func, ast.Name)]
    return {args[0].value for name, args in names if name in ERRORS and args and isinstance(args[0], ast.Constant)}


def pattern(text: ast.expr) -> str:
    """What is said there, with anything where a name or a figure stands."""
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    return "".join(re.escape(part.value) if isinstance(part, ast.Constant) else "[^`]+" for part in parts)


def warnings() -> Iterator[str]:
    """Each warning as a pattern."""
    telling = ("_warnings", "_renewals", "complaints")
    nodes = (node for module in (standing, commit_level) for node in ast.walk(tree(module)))
    told = [one for one in nodes if isinstance(one, ast.FunctionDef) and one.name in telling]
    assert len(told) == len(telling)
    for node in (node for one in told for node in ast.walk(one)):
        if isinstance(node, ast.Yield):
            yield f"`{pattern(node.value)}`"


def reasons() -> Iterator[str]:
    """Each reason for which a gate refuses, as a pattern; `time-is-over` is never its last word."""
    for node in (node for module in (decision, gate) for node in ast.walk(tree(module))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refuse":
            yield pattern(node.args[0])


def test_every_order_is_on_the_page() -> None:
    """As a command that can be typed."""
    orders = {command.callback.__name__ for command in sites_operate.app.registered_commands if command.callback}
    typed = {words_of(line)[1] for line in lines_in(PAGE)}

    assert len(orders) == 7
    assert orders - typed == set()


@pytest.mark.parametrize("module", [plan, perform, desk, waiting, state, client], ids=lambda one: one.__name__)
def test_every_refusal_of_an_order_is_on_the_page(module: object) -> None:
    """With what to do about it."""
    found = raised(module)

    assert found
    assert {code for code in found | OF_SIGNING if f"`{code}`" not in PAGE} == set()


def test_every_code_of_a_table_exists() -> None:
    """A renamed code would be found."""
    firsts = re.findall(r"^\| ((?:`[a-z]+(?:-[a-z]+)+`(?:, )?)+)(?: at `[a-z-]+`)? \|", PAGE, re.MULTILINE)
    named = {code for first in firsts for code in re.findall(r"`([a-z-]+)`", first)}

    assert len(named) > 20
    assert {name for name in named - CODES if not any(re.fullmatch(one, name) for one in reasons())} == set()


def test_every_reason_of_a_gate_is_on_the_page() -> None:
    """With what mends it."""
    found = list(reasons())

    assert len(found) > 10
    assert [one for one in found if not re.search(f"`{one}", PAGE)] == []


def test_every_warning_is_on_the_page() -> None:
    """As it is printed."""
    found = list(warnings())

    assert len(found) > 10
    assert [pattern for pattern in found if not re.search(pattern, PAGE)] == []
