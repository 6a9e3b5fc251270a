"""Waiting for a condition with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

ANSWER_S_MAX = 90.0

NO_OUTAGE_S = 5.0
"""Where no lease has to run out nobody waits so long, on a busy machine either."""


def wait_until(condition: Callable[[], Found], what: str | Callable[[], str], within_s: float = ANSWER_S_MAX) -> Found:
    """Wait until it holds, and return what it found; AssertionError says what did not come."""
    until_s = time.monotonic() + within_s
    while not (found := condition()):
        if time.monotonic() >= until_s:
            raise AssertionError(f"not within {within_s:g} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.02)
    return found
