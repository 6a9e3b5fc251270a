"""`make`: the one way in."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Stands in for Python: writes down how it was called, and makes a virtual environment that does the same.
RECORDER = """\
#!/bin/sh
echo "$0 $*" >> "{record}"
if [ "$1 $2" = "-m venv" ]; then
  mkdir -p "$3/bin"
  for name in python kanjo ruff mypy lint-imports pytest; do cp "$0" "$3/bin/$name"; done
fi
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def _make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def project(tmp_path) -> Path:
    """The files that set-up reads, and a Python that only records."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    python = tmp_path / "recorder"
    python.write_text(RECORDER.format(record=tmp_path / "record"))
    python.chmod(0o755)
    return tmp_path


def _calls(project: Path) -> list[str]:
    return (project / "record").read_text().replace(f"{project}/", "").splitlines()


def test_help_lists_every_target_a_newcomer_needs():
    """Plain `make` explains itself, with one line for each."""
    shown = _make(ROOT).stdout

    assert shown == _make(ROOT, "help").stdout
    for target in ("setup", "demo", "test", "lint"):
        assert f"make {target} " in shown


def test_set_up_makes_the_virtual_environment_first_and_installs_into_it(project):
    """A system Python refuses installs: it is only asked for the environment. Hashes are required."""
    assert _make(project, "setup", "PYTHON=./recorder").returncode == 0

    first, *others = _calls(project)
    assert first == "./recorder -m venv .venv"
    assert others
    assert all(call.startswith(".venv/bin/python -m pip install") for call in others)
    assert "--require-hashes -r requirements.lock" in others[0]


def test_set_up_is_done_once_and_again_when_the_lock_changes(project):
    """Nothing is installed a second time unless what is asked for has changed."""
    _make(project, "setup", "PYTHON=./recorder")
    once = len(_calls(project))
    _make(project, "setup", "PYTHON=./recorder")
    assert once == len(_calls(project))

    later = (project / ".venv/.ready").stat().st_mtime + 10
    os.utime(project / "requirements.lock", (later, later))
    _make(project, "setup", "PYTHON=./recorder")
    assert len(_calls(project)) > once


def test_an_interrupted_set_up_is_taken_up_again(project):
    """The environment counts as ready only when everything is in it."""
    python = project / "recorder"
    python.write_text(python.read_text() + 'case "$*" in *require-hashes*) exit 1;; esac\n')

    assert _make(project, "setup", "PYTHON=./recorder").returncode != 0
    assert not (project / ".venv/.ready").exists()


@pytest.mark.parametrize(("target", "last"), [("demo", ".venv/bin/kanjo demo"), ("test", ".venv/bin/pytest")])
def test_demo_and_test_do_all_the_set_up_themselves(project, target, last):
    """On a fresh machine one command is enough."""
    done = _make(project, target, "PYTHON=./recorder")

    assert done.returncode == 0, done.stderr
    calls = [call.strip() for call in _calls(project)]
    assert calls[0] == "./recorder -m venv .venv"
    assert calls[-1] == last


def test_make_test_checks_format_lint_types_and_floors_before_the_tests(project):
    """A change that does not keep the house's rules never reaches its tests."""
    _make(project, "test", "PYTHON=./recorder")

    tools = [call.split()[0].removeprefix(".venv/bin/") for call in _calls(project)]
    assert tools[-5:] == ["ruff", "ruff", "mypy", "lint-imports", "pytest"]


def test_the_machine_that_checks_changes_runs_make_test():
    """.ci/run is executable and calls nothing else."""
    script = ROOT / ".ci" / "run"

    assert script.stat().st_mode & stat.S_IXUSR
    assert script.read_text().rstrip().endswith("make test")
