"""An office with keys and certificates, made once a module."""

from __future__ import annotations

from pathlib import Path

import pytest
from registering import Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Persons, certificates and the folder of a register."""
    return Office(tmp_path)
