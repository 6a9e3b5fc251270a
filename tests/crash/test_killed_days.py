"""Days on which processes are killed at random moments come to what an undisturbed day comes to (issue 3, Survival)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from assassin import plan
from crash_day import Morning, Undisturbed, crash_day

SEED = int(os.environ.get("KANJO_CRASH_SEED", "8"))
ROUNDS = int(os.environ.get("KANJO_CRASH_ROUNDS", "5"))

pytestmark = [pytest.mark.crash, pytest.mark.xdist_group("crash")]


@pytest.mark.parametrize("place", range(ROUNDS))
def test_a_day_under_blows_ends_as_any_other(
    place: int, morning: Morning, undisturbed: Undisturbed, places: Path
) -> None:
    """Loader, command, workers, callers, PostgreSQL, or all at once: whoever is killed, the repeated commands and keys
    bring the same results and balances, the laws hold, and every answer that a caller saw stands in the books once.
    """
    blows = plan(SEED, place)
    said = ", ".join(f"{blow.victim} in {blow.step or 'its step'} at {blow.share:.2f}" for blow in blows)
    told = f"KANJO_CRASH_SEED={SEED}, round {place}: {said}"
    sys.stdout.write(f"\n{told}\n")  # shown by a failure, wherever it happens
    with crash_day(morning, places / f"round-{place}", seed=SEED) as day:
        strikes = day.live(blows, undisturbed.spans_s)
        sys.stdout.write(f"struck: {strikes}; failed: {day.failures}; keys repeated: {day.repeats()}\n")
        evening = day.prove()

    assert evening.runs == undisturbed.evening.runs, told
    assert evening.reasons == undisturbed.evening.reasons, told
    assert evening.accounts == undisturbed.evening.accounts, told
