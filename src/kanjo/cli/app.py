"""The tree of commands, and the way of one command: arguments in, reply or failure out, exit status."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from types import FrameType
from typing import Annotated, Any

import typer

from kanjo.cli import account, backup, bench, check, cut, database, day, demo, hold, mandate, post, sites, soak, worker
from kanjo.cli.failure import Failure, failure_of, interrupted
from kanjo.cli.printing import print_failure, print_reply
from kanjo.cli.reply import Reply

NAME = "kanjo"
JSON = "--json"

app = typer.Typer(
    name=NAME,
    help="Kanjo (勘定): a bank's transaction centre that never closes.\n\n"
    "Every command takes --json, before or after it: one JSON object on standard output and nothing else there. "
    "Exit status: 0 done, 1 refused by a rule, 2 wrong usage, 3 the system failed.",
    epilog="KANJO_DATABASE_URL names the database; unset, one is kept under KANJO_HOME (.kanjo/ here).",
    rich_markup_mode="rich",
)
for group in (database, account, day, cut, mandate, post, hold, worker, check, backup, sites, demo, bench, soak):
    app.add_typer(group.app)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"{NAME} {version(NAME)}")
        raise typer.Exit


@app.callback()
def _everywhere(
    as_json: Annotated[
        bool,
        typer.Option(JSON, metavar="", help="Print one JSON object; also taken behind the command and its arguments."),
    ] = False,
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", metavar="", is_eager=True, callback=_show_version, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """The options of every command; `main` has acted on --json already."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status (design 9)."""
    as_json, rest = hoist_json(sys.argv[1:] if arguments is None else arguments)
    _bear_any_terminal()
    out = sys.stdout
    with _stoppable() as stops:
        result = _run(rest, as_json, stops)
    try:
        if isinstance(result, Reply):
            print_reply(result, out, as_json=as_json)
        else:
            print_failure(result, out, as_json=as_json)
    except BrokenPipeError:
        _forget_output()
    return result.exit_status


def _bear_any_terminal() -> None:
    """A terminal that lacks some of our characters shows others in their place; it is no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def hoist_json(arguments: Sequence[str]) -> tuple[bool, list[str]]:
    """Bring --json to the front from wherever it stands before a bare `--`; without any word people get the help."""
    end = list(arguments).index("--") if "--" in arguments else len(arguments)
    rest = [word for word in arguments[:end] if word != JSON] + list(arguments[end:])
    if JSON in arguments[:end]:
        return True, [JSON, *rest]
    return False, rest or ["--help"]


def _run(arguments: list[str], as_json: bool, stops: list[int]) -> Reply | Failure:
    """Call the command. In JSON mode whatever else is printed meanwhile is kept from standard output."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed) if as_json else contextlib.nullcontext():
            result: Any = typer.main.get_command(app).main(arguments, prog_name=NAME, standalone_mode=False)
    except KeyboardInterrupt:
        return interrupted(stops[0] if stops else signal.SIGINT)
    except Exception as error:
        return failure_of(error)
    if isinstance(result, Reply):
        return result
    if stops and result == 128 + signal.SIGINT:  # typer has swallowed the interrupt
        return interrupted(stops[0])
    return Reply({"text": printed.getvalue()}, exit_status=result or 0)  # --help and --version


@contextlib.contextmanager
def _stoppable() -> Iterator[list[int]]:
    """SIGTERM ends a command like Ctrl-C does: it cleans up behind itself. Yields the signals that came."""
    stops: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        stops.append(number)
        raise KeyboardInterrupt

    wanted = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in wanted}
    try:
        yield stops
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _forget_output() -> None:
    """Whoever read our output has gone: let the interpreter's last flush meet nobody."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
