"""Until the outcome is known: whoever has keys may ask again, so a lost line or a lost server is no answer yet.

The key is looked up, and what the first try committed is answered, once (law 2). A database whose place another takes
is away for seconds; its callers wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from kanjo.db.explain import PASSING
from kanjo.errors import KanjoError
from kanjo.ledger.outcome import Answer, Outcome
from kanjo.ledger.store import OutcomeUnknown, StoreAway

PATIENCE_S = 60.0
"""Longer than it takes until another server is the primary; nobody in front of a machine waits for more."""
FIRST_PAUSE_S, LAST_PAUSE_S = 0.05, 0.5


def _pause(seconds: float) -> bool:
    time.sleep(seconds)
    return True


def _resolved(answers: Sequence[Answer | None]) -> list[Answer | None]:
    """The same, of a call that may have decided them before it was in doubt."""
    return [
        msgspec.structs.replace(answer, resolved=True) if isinstance(answer, Outcome) and answer.replayed else answer
        for answer in answers
    ]


def until_known(
    attempt: Callable[[], Sequence[Answer | None]],
    *,
    patience_s: float = PATIENCE_S,
    pause: Callable[[float], bool] = _pause,
) -> Sequence[Answer | None]:
    """What `attempt` returns, however often it must be made: on a connection of its own after each that failed. What
    was replayed is `resolved` once one of them may have been committed.

    `pause(seconds)` waits and says whether to go on. Raises OutcomeUnknown when one of the tries may have been
    committed and none answered within `patience_s`, else StoreAway; whatever else `attempt` raises, at once.
    """
    doubt: OutcomeUnknown | None = None
    until_s = time.monotonic() + patience_s
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            answers = attempt()
            return answers if doubt is None else _resolved(answers)
        except (OutcomeUnknown, StoreAway) as error:
            failure: Exception = error
            if isinstance(error, OutcomeUnknown) and error.committing:
                doubt = error
        except KanjoError as error:  # it could not connect: nothing else than that only once there is a doubt
            if doubt is None or error.code not in PASSING:
                raise
            failure = error
        if time.monotonic() + pause_s > until_s or not pause(pause_s):
            raise doubt or failure
        pause_s = min(2 * pause_s, LAST_PAUSE_S)
