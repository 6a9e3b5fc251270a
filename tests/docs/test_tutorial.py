"""The tutorial of the README, typed as it stands."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from console_blocks import commands_in, missing_line

ROOT = Path(__file__).parents[2]
FILES = ROOT / "docs" / "tutorial" / "files"
DEADLINE_S = 120.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A fresh folder with the tutorial's files, which root's unprivileged user can reach too."""
    made = Path(tempfile.mkdtemp(prefix="kanjo-tutorial-"))
    try:
        shutil.copytree(FILES, made, dirs_exist_ok=True)
        made.chmod(0o711)
        yield made
        subprocess.run(["kanjo", "down"], cwd=made, env=_environment(), capture_output=True, timeout=DEADLINE_S)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("KANJO_")}
    return own | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}", "LC_ALL": "C.UTF-8"}


@pytest.mark.parametrize("document", ["README.md", "README.ja.md"])
def test_the_tutorial_does_what_it_says(document: str, folder: Path) -> None:
    """Every command ends with the status it shows and prints the lines it shows, in an embedded home of its own."""
    commands = list(commands_in(ROOT.joinpath(document).read_text("utf-8")))
    assert len(commands) > 15
    for shown in commands:
        ran = subprocess.run(
            ["sh", "-c", shown.command],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEADLINE_S,
        )
        out = ran.stdout.decode("utf-8", "replace")
        # what is waited for goes to standard error, and is shown only when it is the answer
        printed = out + ran.stderr.decode() if shown.exit_status else out
        assert shown.exit_status == ran.returncode, (shown, printed, ran.stderr)
        assert missing_line(shown, printed) is None, (shown, printed)


def test_both_languages_type_the_same() -> None:
    """The Japanese tutorial is the English one: the same commands, the same output."""
    english, japanese = (
        list(commands_in(ROOT.joinpath(name).read_text("utf-8"))) for name in ("README.md", "README.ja.md")
    )
    assert english == japanese


def test_the_files_are_what_their_script_writes(tmp_path: Path) -> None:
    """The tutorial's files can be made anew, and pass our own Writer's checks."""
    script = runpy.run_path(str(ROOT / "docs" / "tutorial" / "make_files.py"))
    script["write_files"](tmp_path)
    for name in ("accounts.csv", "payroll.txt", "debit.txt"):
        assert (FILES / name).read_bytes() == (tmp_path / name).read_bytes()


def test_a_line_that_is_not_printed_is_found() -> None:
    """The comparison of this test finds other figures, missing lines, surplus lines and another order."""
    [shown] = commands_in("```console\n$ kanjo x\nbalance  1,000\n...\nend  2\n```\n")
    assert missing_line(shown, "balance   1,000 \nother\nend 2\n") is None
    assert missing_line(shown, "balance   1,001 \nend 2\n") == "balance 1,000"
    assert missing_line(shown, "balance 1,000\n") == "end 2"
    assert missing_line(shown, "end 2\nbalance 1,000\n") == "balance 1,000"
    assert missing_line(shown, "balance 1,000\nend 2\nmore\n") == "a line more: more"
