"""Waiting for a condition with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

ANSWER_S_MAX = 90.0

NO_OUTAGE_S = 5.0
"""Where no lease has to run out nobody waits so long, on a busy machine either."""


def wait_until(condition: Callable[[], object], what: str, within_s: float = ANSWER_S_MAX) -> None:
    """Wait until it holds; AssertionError says what did not come."""
    until_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until_s, f"not within {within_s:g} s: {what}"
        time.sleep(0.05)
