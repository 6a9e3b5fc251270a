"""What holds for every command: --json in both places, exit statuses, errors as objects, help with an example."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
from command import COMMAND, Kanjo, kanjo_on

from kanjo import db, ledger
from kanjo.cli import main
from kanjo.cli.app import NAME, app, hoist_json
from kanjo.cli.arguments import PhaseWord, ProductWord, StatusWord
from kanjo.cli.failure import failure_of


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands of the tree with the words that lead to them."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, sub in inner.items():
        yield from commands(sub, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.fixture(scope="module")
def shared(module_database: db.Database) -> Kanjo:
    """The command on one database for tests that do not write."""
    return kanjo_on(module_database)


def test_the_commands_of_the_contract_are_there() -> None:
    """Design 9, without what later issues add."""
    expected = {
        *("up", "down", "status", "worker", "check"),
        *(f"account {word}" for word in ("import", "export", "show", "statement", "open", "set-status", "close")),
        *(f"day {word}" for word in ("show", "open", "trial-balance")),
        *(f"cut {word}" for word in ("load", "start", "status", "pause", "resume", "cancel", "withdraw")),
        *(f"cut {word}" for word in ("result", "outgoing", "retry", "fail")),
        "mandate import",
        *(f"post {word}" for word in ("deposit", "withdraw", "transfer", "reverse")),
        *(f"hold {word}" for word in ("place", "capture", "release", "show")),
    }

    assert expected <= {" ".join(path) for path in COMMANDS}


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_flags_take_no_value(path: tuple[str, ...]) -> None:
    """Nor does the help say so (typer would write `<bool>` behind them)."""
    flags = [param for param in COMMANDS[path].params if getattr(param, "is_bool_flag", False) and param.name != "help"]

    assert [flag.metavar for flag in flags] == [""] * len(flags)


def test_target_p99_says_whom_it_heeds() -> None:
    """Doors that do not publish are not seen: nobody shall think that they are spared."""
    for path in (("cut", "start"), ("worker",)):
        [option] = [param for param in COMMANDS[path].params if param.name == "target_p99_ms"]
        assert "publish their pulse" in option.help


def test_no_command_holds_sql() -> None:
    """Statements live beside the tables that they read, in the rooms that own these (design 3)."""
    files = (Path(main.__code__.co_filename).parent).glob("*.py")

    assert [file.name for file in files if ".execute(" in file.read_text("utf-8")] == []


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_help_has_an_example_and_says_what_the_command_does(path: tuple[str, ...]) -> None:
    """The example is a line that starts with the command itself."""
    command = COMMANDS[path]

    assert command.help
    assert command.epilog and f"\n\nkanjo {' '.join(path)}" in command.epilog
    for line in command.epilog.split("\n\n")[1:]:
        words = shlex.split(line.partition(" | ")[0].replace(" --json", ""))
        assert (NAME, *path) == tuple(words[: len(path) + 1])
        command.make_context(NAME, words[len(path) + 1 :])  # raises when the example is wrong usage


def test_words_that_can_be_typed_are_the_ledgers() -> None:
    """The choices are written out so that help is quick; they must not fall behind."""
    assert ledger.Phase.words() == typing.get_args(PhaseWord)
    assert ledger.Product.words() == typing.get_args(ProductWord)
    assert set(ledger.Status.words()) == {*typing.get_args(StatusWord), "closed"}


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["day", "show"], (False, ["day", "show"])),
        (["--json", "day", "show"], (True, ["--json", "day", "show"])),
        (["day", "--json", "show"], (True, ["--json", "day", "show"])),
        (["day", "show", "--json"], (True, ["--json", "day", "show"])),
        (["--json", "day", "show", "--json"], (True, ["--json", "day", "show"])),
        (["account", "import", "--", "--json"], (False, ["account", "import", "--", "--json"])),
        (["--json"], (True, ["--json"])),
        ([], (False, ["--help"])),
    ],
)
def test_json_is_taken_from_anywhere(typed: list[str], expected: tuple[bool, list[str]]) -> None:
    """Before or after the sub-command; behind a bare `--` it is an argument."""
    assert hoist_json(typed) == expected


def test_json_in_both_places_prints_the_same(shared: Kanjo) -> None:
    """One object, and nothing else on standard output."""
    assert shared("--json", "day", "show").object == shared("day", "show", "--json").object == {"business_date": None}


@pytest.mark.parametrize(
    "typed",
    [
        ("frob",),
        ("post",),
        ("post", "frob"),
        ("day", "open", "25.8.2026"),
        ("day", "open", "2026-W35-3"),
        ("day", "show", "--frob"),
        ("post", "deposit", "123", "5"),
        ("post", "deposit", "001-1-1000016", "0"),
        ("post", "deposit", "001-1-1000016", "1.5"),
        ("post", "deposit", "001-1-1000016", "5", "--key", "five"),
        ("post", "reverse", "five"),
        ("account", "open", "001-1-1000016", "--name", "two\nlines"),
        ("account", "open", "001-1-1000016", "--name", "x" * 101),
        ("cut", "start"),
        ("cut", "start", "0"),
        ("cut", "status", "99999999999"),
        ("cut", "result", "1"),
        ("account", "set-status", "001-1-1000016", "closed"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_an_error_object(typed: tuple[str, ...], capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Exit 2, `wrong-usage`, and the usage for people on standard error."""
    assert main([*typed, "--json"]) == 2
    error = json.loads(capfdbinary.readouterr().out)["error"]
    assert error["code"] == "wrong-usage" and error["message"] and error["command"].startswith("kanjo")

    assert main(typed) == 2
    shown = capfdbinary.readouterr()
    assert shown.out == b"" and b"Usage: kanjo" in shown.err and b"wrong-usage" in shown.err


def test_json_without_a_command_is_wrong_usage(shared: Kanjo) -> None:
    """For people the help is printed instead."""
    assert shared("--json", status=2).error["code"] == "wrong-usage"
    assert "Usage: kanjo" in shared().out


def test_help_and_version_are_objects_too(shared: Kanjo) -> None:
    """Nothing but one object is ever printed with --json."""
    assert "Usage: kanjo" in shared("--json", "--help").object["text"]
    assert shared("--version", "--json").object["text"].startswith("kanjo ")
    assert "--json" in shared("--help").out


def test_a_database_that_does_not_answer(shared: Kanjo) -> None:
    """Exit 3 with what to check."""
    ran = shared("day", "show", "--json", status=3, KANJO_DATABASE_URL="postgresql://127.0.0.1:1/none")

    assert ran.error["code"] == "database-unreachable"


def test_an_unexpected_error_has_no_stack_trace(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Exit 3 `internal`; KANJO_DEBUG shows where."""

    def broken() -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(db, "status", broken)
    monkeypatch.delenv("KANJO_DEBUG", raising=False)

    assert main(["status", "--json"]) == 3
    quiet = capfdbinary.readouterr()
    error = json.loads(quiet.out)["error"]
    assert (error["code"], error["exception"]) == ("internal", "RuntimeError") and "boom" in error["message"]
    assert b"Traceback" not in quiet.err

    monkeypatch.setenv("KANJO_DEBUG", "1")
    assert main(["status", "--json"]) == 3
    loud = capfdbinary.readouterr()
    assert json.loads(loud.out)["error"]["code"] == "internal" and b"Traceback" in loud.err


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (ledger.OutcomeUnknown("lost"), "outcome-unknown", 3),
        (caused(ledger.StoreFailed("full"), psycopg.errors.DiskFull("full")), "disk-full", 3),
        (ledger.StoreFailed("somehow"), "database-error", 3),
        (ledger.Conflict("met"), "database-busy", 3),
        (psycopg.errors.AdminShutdown("bye"), "database-stopped", 3),
        (OSError(28, "No space left on device"), "disk-full", 3),
        (OSError(5, "Input/output error"), "system-error", 3),
        (ValueError("what"), "internal", 3),
    ],
)
def test_errors_of_the_rooms_below(error: Exception, code: str, status: int) -> None:
    """Each has a code and a sentence; the database's are explained."""
    failure = failure_of(error)

    assert (failure.code, failure.exit_status) == (code, status) and failure.message


def test_a_lost_answer_names_the_key_to_repeat(
    monkeypatch: pytest.MonkeyPatch, module_database: db.Database, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Law 2: repeated with the same key, it is done once and answered with the one outcome."""

    def lost(*_: object) -> None:
        raise ledger.OutcomeUnknown("lost")

    monkeypatch.setattr(ledger, "post", lost)
    monkeypatch.setenv("KANJO_DATABASE_URL", module_database.url)
    key = "6f9619ff-8b86-4011-b42d-00c04fc964ff"

    assert main(["post", "deposit", "001-1-1000016", "5", "--key", key, "--json"]) == 3

    error = json.loads(capfdbinary.readouterr().out)["error"]
    assert (error["code"], error["key"]) == ("outcome-unknown", key) and f"--key {key}" in error["message"]


def test_a_terminal_without_our_characters_is_no_error(shared: Kanjo) -> None:
    """Help shows others in their place."""
    assert "Example" in shared("day", "open", "--help", PYTHONIOENCODING="ascii").out
    assert "?" in shared("day", "--help", PYTHONIOENCODING="ascii").out


def test_a_report_that_cannot_be_written_is_said_before_the_day(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Nobody waits a minute for figures that have no place to go."""
    (tmp_path / "file").touch()

    assert main(["demo", "--report", str(tmp_path / "file" / "report.html"), "--json"]) == 3
    assert json.loads(capfdbinary.readouterr().out)["error"]["code"] == "cannot-write"


def test_a_reader_that_goes_away_is_no_error(shared: Kanjo) -> None:
    """`kanjo ... | head -1`: no stack trace."""
    process = shared.begin("check", "--json")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()

    err = process.stderr.read()

    process.wait()
    process.stderr.close()
    assert "Traceback" not in err and "Exception" not in err, err


def test_commands_complete_in_the_shell(shared: Kanjo) -> None:
    """Tab completes commands and options."""
    environment = {"_KANJO_COMPLETE": "complete_bash", "COMP_WORDS": "kanjo cut st", "COMP_CWORD": "2"}
    assert shared(**environment).out.split() == ["start", "status"]
    environment |= {"COMP_WORDS": "kanjo cut load --ph", "COMP_CWORD": "3"}
    assert shared(**environment).out.split() == ["--phase"]


def test_help_does_not_wait_for_heavy_rooms() -> None:
    """`kanjo --help` is quick because it imports neither numpy nor the database driver."""
    script = (
        "import sys, kanjo.cli.app; print([name for name in ('numpy', 'psycopg', 'alembic') if name in sys.modules])"
    )
    assert COMMAND.exists()
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


def test_a_demo_here_needs_a_named_database(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The embedded ledger is the user's own: `--here` alone would fill it with a town for good."""
    monkeypatch.delenv("KANJO_DATABASE_URL", raising=False)
    monkeypatch.setenv("KANJO_HOME", str(tmp_path / "home"))

    assert main(["demo", "--here", "--report", str(tmp_path / "report.html"), "--json"]) == 2
    assert json.loads(capfdbinary.readouterr().out)["error"]["code"] == "wrong-usage"
    assert not (tmp_path / "home").exists()
