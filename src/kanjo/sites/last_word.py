"""The gate's last word, kept beside the node's data for its launcher, whose Patroni tells it to the operators' desk.

A refused node is asked again each lease: a word older than that is of another hour and is not told.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kanjo.sites.decision import Decision, Promote, Refuse

TAG = "gate_refuses"
"""The tag under which the node's Patroni says it."""
FRESH_S = 60.0
TIME_IS_OVER = Refuse("time-is-over")
"""The end of a gate's asking; why it asked so long is the word that counts."""


def keep(data: str, decision: Decision) -> None:
    """Note why the node is not let through, or that it is; a disk that takes nothing decides nothing."""
    with suppress(OSError):
        match decision:
            case Promote():
                _file(data).unlink(missing_ok=True)
            case Refuse(reason) if decision != TIME_IS_OVER:
                _file(data).write_text(reason, "utf-8")


def last_word(data: str, clock: Callable[[], float] = time.time) -> str:
    """Why the node was not let through, within the last minute; "" when it was, or was not asked."""
    with suppress(OSError, UnicodeDecodeError):
        if clock() - _file(data).stat().st_mtime < FRESH_S:
            return _file(data).read_text("utf-8")
    return ""


def _file(data: str) -> Path:
    """Beside the data, not in it: what lies there is copied to other nodes."""
    return Path(f"{data}.gate")
