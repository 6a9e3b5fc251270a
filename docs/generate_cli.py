"""Write docs/reference/cli.md from the commands themselves: `python docs/generate_cli.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from kanjo.cli.app import NAME, app

PAGE = Path(__file__).parent / "reference" / "cli.md"

HEAD = """# The command line

Written by `python docs/generate_cli.py` from the commands themselves; `kanjo COMMAND --help` shows the same.

Every command takes `--json`, before or after it: one JSON object on standard output and nothing else there; progress
and warnings go to standard error. An error is `{"error": {"code", "message", ...}}`; the codes stand in
[codes.md](codes.md). A posting that the ledger refuses is no error but an answer: `"outcome": "refused"` with its
`reason`, and exit status 1.

| Exit status | Meaning |
|---|---|
| 0 | done |
| 1 | refused by a rule; the reason is printed |
| 2 | wrong usage |
| 3 | the system failed |
| 130, 143 | ended by Ctrl-C or SIGTERM |

| Variable | Meaning |
|---|---|
| `KANJO_DATABASE_URL` | the database, PostgreSQL 18 or later; unset, an embedded one is used |
| `KANJO_HOME` | where the embedded database lives; `.kanjo/` in the working folder when unset |
| `KANJO_BANK_CODE` | this bank's code of four digits; 9999 when unset |
| `KANJO_ZENGIN_PROFILE` | `strict` or `lenient`: which characters Zengin files may hold; strict when unset |
| `KANJO_DEBUG` | set to anything: errors show where they came from |

`kanjo --install-completion` lets the shell complete commands and options.
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(_section(path, command) for path, command in _commands(typer.main.get_command(app)))


def _commands(command: Any, path: tuple[str, ...] = (NAME,)) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, inner in command.commands.items():
        yield from _commands(inner, (*path, name))


def _section(path: tuple[str, ...], command: Any) -> str:
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [param for param in command.params if param.param_type_name == "option" and param.name != "help"]
    words = [*path, *(_shape(argument) for argument in arguments), *(["[OPTIONS]"] if options else [])]
    lines = [f"\n## {' '.join(path)}\n", f"    {' '.join(words)}\n", f"{command.help}\n"]
    if arguments or options:
        lines.append("| | |\n|---|---|")
        lines += [f"| `{_shape(argument)}` | {_text(argument)} |" for argument in arguments]
        lines += [f"| `{_option(option)}` | {_text(option)} |" for option in options]
        lines.append("")
    examples = command.epilog.split("\n\n")[1:]
    lines.append("\n".join(["```sh", *examples, "```"]))
    return "\n".join(lines) + "\n"


def _shape(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _option(option: Any) -> str:
    if getattr(option, "is_bool_flag", False):
        return str(option.opts[0])
    return f"{option.opts[0]} {option.metavar or option.name.upper()}"


def _text(param: Any) -> str:
    text = param.help or ""
    if param.type_descriptor.choices:
        text += f" One of {', '.join(map(str, param.type_descriptor.choices))}."
    if param.param_type_name == "option" and param.default not in (None, False, "") and not param.required:
        text += f" Default: {param.default}."
    return text.strip()


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
