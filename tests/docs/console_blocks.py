"""What a document shows of a terminal: commands behind `$ `, and the lines they print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KEY = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
CHECKED = re.compile(r"^(\d .+ holds) [\d,]+ 0$")
LEFT_OUT = "..."


@dataclass(frozen=True)
class Shown:
    """A command and what the document says it prints. `...` stands for lines left out."""

    command: str
    lines: tuple[str, ...]

    @property
    def exit_status(self) -> int:
        """A reader sees by an error or a refusal that the status is 1."""
        return int(any(line.startswith("Error: ") or line == "outcome refused" for line in self.lines))


def commands_in(text: str) -> Iterator[Shown]:
    """The commands of all `console` blocks, in order."""
    for block in BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *lines = part.splitlines()
            yield Shown(command, tuple(plain(line) for line in lines if plain(line)))


def plain(line: str) -> str:
    """A line as far as it is the same in every run.

    Widths and rules do not matter, keys are drawn afresh, and how many rows `kanjo check` judged grows with its checks.
    """
    return CHECKED.sub(r"\1 ROWS 0", " ".join(KEY.sub("KEY", line.replace("─", "")).split()))


def missing_line(shown: Shown, printed: str) -> str | None:
    """The first line of the document that the command did not print in that place, or None."""
    actual = [plain(line) for line in printed.splitlines() if plain(line)]
    at, exact = 0, True
    for line in shown.lines:
        if line == LEFT_OUT:
            exact = False
            continue
        found = next((index for index in range(at, len(actual)) if actual[index] == line), None)
        if found is None or (exact and found != at):
            return line
        at, exact = found + 1, True
    return f"a line more: {actual[at]}" if exact and at < len(actual) else None
