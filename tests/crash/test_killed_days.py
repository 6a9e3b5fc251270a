"""Days on which processes are killed at random moments come to what an undisturbed day comes to (issue 3, Survival)."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

import pytest
from assassin import Strike, plan
from crash_day import Morning, Undisturbed, crash_day

SEED = int(os.environ.get("KANJO_CRASH_SEED", "8"))
ROUNDS = int(os.environ.get("KANJO_CRASH_ROUNDS", "5"))

KINDS = {
    "loader": {"loader"},
    "worker": {"worker", "workers"},
    "online": {"online"},
    "PostgreSQL": {"postgres stopped", "postgres killed"},
}
"""Who was to be killed, and by which blows; `everything` comes on top."""
HITS_MIN = 5

pytestmark = [pytest.mark.crash, pytest.mark.xdist_group("crash")]


@pytest.fixture(scope="module")
def strikes_of() -> dict[int, list[Strike]]:
    """The blows that hit, by round."""
    return {}


@pytest.mark.parametrize("place", range(ROUNDS))
def test_a_day_under_blows_ends_as_any_other(
    place: int, morning: Morning, undisturbed: Undisturbed, places: Path, strikes_of: dict[int, list[Strike]]
) -> None:
    """Loader, command, workers, callers, PostgreSQL, or all at once: whoever is killed, the repeated commands and keys
    bring the same results and balances, the laws hold, and every answer that a caller saw stands in the books once.
    """
    blows = plan(SEED, place)
    said = ", ".join(f"{blow.victim} in {blow.step or 'its step'} at {blow.share:.2f}" for blow in blows)
    told = f"KANJO_CRASH_SEED={SEED}, round {place}: {said}"
    sys.stdout.write(f"\n{told}\n")  # shown by a failure, wherever it happens
    with crash_day(morning, places / f"round-{place}", seed=SEED) as day:
        strikes_of[place] = strikes = day.live(blows, undisturbed.spans_s)
        sys.stdout.write(f"struck: {strikes}; failed: {day.failures}; keys repeated: {day.repeats()}\n")
        evening = day.prove()

    assert evening.runs == undisturbed.evening.runs, told
    assert evening.reasons == undisturbed.evening.reasons, told
    assert evening.accounts == undisturbed.evening.accounts, told


@pytest.mark.skipif(ROUNDS < 50, reason="a sample has not enough days for each kind")
def test_the_days_were_disturbed(strikes_of: dict[int, list[Strike]]) -> None:
    """A blow that finds nobody proves nothing: nearly each day was hit, and each kind of victim often enough."""
    hits = Counter(strike.victim for strikes in strikes_of.values() for strike in strikes)
    of_kind = {kind: sum(hits[victim] for victim in victims) for kind, victims in KINDS.items()}
    undisturbed_days = [place for place, strikes in strikes_of.items() if not strikes]
    sys.stdout.write(f"\n{len(strikes_of)} days, blows that hit: {dict(hits)}; nobody was hit in {undisturbed_days}\n")
    assert min(of_kind.values()) >= HITS_MIN, of_kind
    assert len(strikes_of) - len(undisturbed_days) >= 50
