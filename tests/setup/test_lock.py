"""The lock: hashes for everything, and no word of where it was made."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()

PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)", re.MULTILINE)


def _requirements() -> list[str]:
    """Each requirement with the lines that continue it."""
    return [block for block in re.split(r"\n(?=[A-Za-z0-9])", LOCK) if not block.startswith(("#", " "))]


def test_every_requirement_is_pinned_and_has_a_hash():
    """pip's --require-hashes would refuse anything else."""

    assert len(_requirements()) > 20
    for block in _requirements():
        assert PINNED.match(block), block.splitlines()[0]
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_no_host_and_no_index_is_named():
    """Everybody installs from the index that one's own pip knows."""

    assert "://" not in LOCK
    assert not re.search(r"--?(index-url|extra-index-url|find-links|trusted-host|i\b)", LOCK)
    assert not re.search(r"^\s*-e |file:|@ ", LOCK, re.MULTILINE)


def test_every_dependency_of_the_project_is_in_the_lock():
    """What pyproject.toml asks for, extras and development included, is pinned."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(one for many in project["optional-dependencies"].values() for one in many)]
    names = {re.match(r"[A-Za-z0-9._-]+", one)[0].lower().replace("_", "-") for one in asked}

    assert names <= {found[0].lower().replace("_", "-") for found in PINNED.findall(LOCK)}


def test_the_build_needs_nothing_that_the_lock_does_not_pin():
    """The editable install runs without build isolation: what it builds with has hashes too."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]

    for one in build:
        assert re.search(rf"^{re.escape(one)} ", LOCK, re.MULTILINE), one
