"""Who is killed when follows from the seed, and leaves nobody out."""

from __future__ import annotations

from kanjo.soak import blow_of
from kanjo.soak.plan import CYCLE_DAYS, STEPS_OF, VICTIMS


def test_every_kind_is_killed_on_the_first_days_of_a_cycle() -> None:
    """Then come calm days, so that processes grow old enough to be seen growing."""
    for seed in range(20):
        for first in (1, 1 + CYCLE_DAYS):
            blows = [blow_of(seed, first + place) for place in range(CYCLE_DAYS)]
            rough, calm = blows[: len(VICTIMS)], blows[len(VICTIMS) :]

            assert {blow.victim for blow in rough if blow is not None} == set(VICTIMS)
            assert calm == [None] * len(calm) and len(calm) > len(rough)
            assert all(blow is not None and blow.step in STEPS_OF[blow.victim] for blow in rough)


def test_a_seed_draws_the_same_again() -> None:
    """A run can be repeated; another seed is another run."""
    days = range(1, 40)

    assert [blow_of(3, day) for day in days] == [blow_of(3, day) for day in days]
    assert [blow_of(3, day) for day in days] != [blow_of(4, day) for day in days]
