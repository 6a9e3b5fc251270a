"""The one place where the command prints: replies and errors, for people or for programs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from kanjo.cli.failure import Failure
from kanjo.cli.reply import Facts, Part, Reply, Table

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 10_000
"""Columns when nobody looks at a terminal: a line is never folded under another program's eyes."""

SHORT = 18
"""Columns of words and numbers up to this length stay whole on a narrow terminal; longer text folds."""


def print_reply(reply: Reply, out: TextIO, *, as_json: bool) -> None:
    """Print what a command answered on standard output."""
    if as_json:
        _print_object(reply.content, out)
        return
    _print_parts(reply.parts, out)


def print_failure(failure: Failure, out: TextIO, *, as_json: bool) -> None:
    """Print an error: as an object on standard output for programs, on standard error for people."""
    if as_json:
        error = {"code": failure.code, "message": failure.message, **failure.details}
        _print_object({"error": error}, out)
        return
    console = _console(sys.stderr)
    if failure.usage:
        console.print(failure.usage, markup=False, highlight=False)
    console.print("Error:", style="bold red", end=" ")
    console.print(f"{failure.message} ({failure.code})", markup=False, highlight=False)
    errors = failure.details.get("errors")
    if isinstance(errors, Sequence) and errors and isinstance(errors[0], Mapping):
        console.print(_rich_table(_error_table(errors)))
        if failure.details.get("truncated"):
            console.print("There are more errors than are listed here.")


def say(text: str) -> None:
    """Tell people on standard error what is being waited for or was noticed; never part of the answer."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is the place where the command prints


def _print_object(content: Mapping[str, Any], out: TextIO) -> None:
    out.flush()
    out.buffer.write(msgspec.json.encode(content, enc_hook=str) + b"\n")
    out.buffer.flush()


def _print_parts(parts: Sequence[Part], out: TextIO) -> None:
    console = _console(out)
    for part in parts:
        match part:
            case Table():
                console.print(_rich_table(part))
            case Facts():
                console.print(_rich_facts(part))
            case str():
                console.print(part, markup=False, highlight=False)
    out.flush()


def _console(out: TextIO) -> Console:
    from rich.console import Console

    return Console(file=out, width=None if out.isatty() else WIDE)


def _rich_table(table: Table) -> Any:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(
        title=table.title or None, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, collapse_padding=True
    )
    for index, heading in enumerate(table.columns):
        values = [row[index] for row in table.rows]
        right = any(isinstance(value, int | float) for value in values)
        whole = max(len(heading), *(len(shown(value)) for value in values), 0) <= SHORT
        drawn.add_column(heading, justify="right" if right else "left", overflow="fold", no_wrap=whole)
    for row in table.rows:
        drawn.add_row(*(Text(shown(value)) for value in row))
    return drawn


def _rich_facts(facts: Facts) -> Any:
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable.grid(padding=(0, 2))
    for name, value in facts.values.items():
        drawn.add_row(Text(name, style="dim"), Text(shown(value)))
    return drawn


def _error_table(errors: Sequence[Mapping[str, object]]) -> Table:
    """All faults of a file, with the columns that its kind of file has."""
    columns = [name for name in errors[0] if name != "file"]
    return Table(columns, [[_place(error.get(name)) for name in columns] for error in errors])


def _place(value: object) -> object:
    """A record or byte number names a place: no separators."""
    return str(value) if isinstance(value, int) else value


def shown(value: object) -> str:
    """A value as people read it: separators in whole numbers, ISO dates, words for yes, no and nothing."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.1f}"
        case datetime():
            return value.isoformat(sep=" ", timespec="seconds")
        case date():
            return value.isoformat()
        case _:
            return str(value)
