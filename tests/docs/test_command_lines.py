"""Every command line that a how-to shows can be typed: the command exists, and so do its options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from kanjo.cli.app import NAME, app, hoist_json

DOCS = Path(__file__).parents[2] / "docs"
FENCED = re.compile(r"^( *)```[a-z]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
TREE = typer.main.get_command(app)
PAGES = sorted((DOCS / "how-to").glob("*.md"))


def lines_in(text: str) -> Iterator[str]:
    """The command lines of all blocks: what begins with `kanjo`, or with `$ kanjo`; continued lines are joined."""
    for _, block in FENCED.findall(text):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            typed = line.strip().removeprefix("$ ").partition(" && ")
            shown = typed[2] or typed[0]
            if shown.startswith(f"{NAME} "):
                yield shown


def words_of(line: str) -> list[str]:
    """The words of a command as a shell makes them, without comments, redirections and pipes."""
    words = shlex.split(line, comments=True)
    end = next((index for index, word in enumerate(words) if word in {">", "|", "<", "&"}), len(words))
    return words[1:end]


def parse(words: list[str]) -> None:
    """Raises when it is wrong usage."""
    _, rest = hoist_json(words)
    context, command = None, TREE
    while hasattr(command, "commands"):
        context = command.make_context(NAME, list(rest), parent=context)
        _, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
    command.make_context(NAME, list(rest), parent=context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_command_lines_can_be_typed(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown commands and options, missing arguments, words of the wrong form."""
    monkeypatch.setenv("KANJO_BACKUP_STORE", "/var/backups/kanjo")  # the page says so above its commands
    wrong = []
    for line in lines_in(page.read_text("utf-8")):
        try:
            parse(words_of(line))
        except typer.TyperException as error:
            wrong.append(f"{line}: {error.format_message()}")
    assert wrong == []


def test_a_line_that_cannot_be_typed_is_found() -> None:
    """A renamed option or command would be."""
    for line in ("kanjo sites promote b --why 'x'", "kanjo sites move b", "kanjo day open tomorrow"):
        with pytest.raises(typer.TyperException):
            parse(words_of(line))
    assert len([line for page in PAGES for line in lines_in(page.read_text("utf-8"))]) > 50
