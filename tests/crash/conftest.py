"""The morning of all crash days of a session, and what the day comes to when nobody disturbs it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_day import Morning, Scale, Undisturbed, crash_day, prepare

ROUNDS = "KANJO_CRASH_ROUNDS"
SEED = "KANJO_CRASH_SEED"
SAMPLE = Scale(accounts=2_000, requests=80, rate_per_s=4_000)
"""For `make test`, where many other tests run beside it."""
FULL = Scale(accounts=10_000, requests=200, rate_per_s=10_000)


@pytest.fixture(scope="session")
def places() -> Iterator[Path]:
    """A folder that the server's user can reach as well."""
    made = Path(tempfile.mkdtemp(prefix="kanjo-crash-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="session")
def morning(places: Path) -> Morning:
    return prepare(places, FULL if ROUNDS in os.environ else SAMPLE)


@pytest.fixture(scope="session")
def undisturbed(morning: Morning, places: Path) -> Undisturbed:
    """The same day without a blow."""
    with crash_day(morning, places / "undisturbed") as day:
        assert day.live() == []
        return Undisturbed(day.prove(), day.spans_s)
