"""Waiting for a condition with a deadline, and saying what did not come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

from kanjo.errors import SystemFailed

Found = TypeVar("Found")
POLL_S, PATIENCE_S = 0.1, 3.0


def until(
    what: str,
    find: Callable[[], Found | None],
    *,
    within_s: float,
    see: str = "",
    meanwhile: Callable[[], None] | None = None,
) -> Found:
    """What `find` gives once it is true; a database that does not answer yet is no answer. Error: `not-in-time`.

    `meanwhile` is called each time that it takes long enough for somebody to ask himself what is going on.
    """
    begun_s = time.monotonic()
    until_s, ask_s = begun_s + within_s, begun_s + PATIENCE_S
    last = ""
    while True:
        try:
            if found := find():
                return found
        except psycopg.Error as error:
            last = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if meanwhile is not None and time.monotonic() > ask_s:
            meanwhile()
            ask_s = time.monotonic() + PATIENCE_S
        if time.monotonic() > until_s:
            told = f" (last: {last})" if last else ""
            raise SystemFailed(
                "not-in-time",
                f"Expected within {within_s:g} s: {what}. It did not come{told}.{f' See {see}.' if see else ''}",
                expected=what,
            )
        time.sleep(POLL_S)
