"""What a long run does: how big the bank is, how long its days are, and who is killed when. All of it from a seed."""

from __future__ import annotations

import random
from typing import Literal, TypeAlias, get_args

import msgspec

Victim: TypeAlias = Literal["worker", "callers", "loader", "server"]
Step: TypeAlias = Literal["load", "open", "before", "cut", "calm", "close", "check"]
VICTIMS: tuple[Victim, ...] = get_args(Victim)
CYCLE_DAYS = 10
"""Each victim once on the first days of so many, then calm days: what nobody kills must live long enough to be seen
growing."""
STEPS_OF: dict[Victim, tuple[Step, ...]] = {
    "worker": ("cut",),
    "loader": ("load",),
    "callers": ("load", "before", "cut", "calm"),
    "server": ("load", "before", "cut", "calm"),
}


class SoakPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How long the run is, how big the bank, how fast its days."""

    minutes: float = 30.0
    seed: int = 1
    accounts: int = 100_000
    day_s: float = 60.0
    workers: int = 2
    callers: int = 24
    per_s: float = 300.0

    @property
    def sample_s(self) -> float:
        """Often enough that each step of a short day is seen."""
        return min(5.0, self.day_s / 6)

    @property
    def online_accounts(self) -> int:
        """So many accounts are used online: few enough that the histories of a long run can be judged."""
        return max(50, self.accounts // 20)


class Blow(msgspec.Struct, frozen=True):
    """Kill the victim in this step of the day, after this share of the step's usual length."""

    victim: Victim
    step: Step
    share: float


def blow_of(seed: int, day: int) -> Blow | None:
    """Who is killed on the day (the first is 1), if anybody."""
    cycle, place = divmod(day - 1, CYCLE_DAYS)
    if place >= len(VICTIMS):
        return None
    victims = list(VICTIMS)
    random.Random(f"{seed}/{cycle}").shuffle(victims)  # noqa: S311 - chance, not keys
    draw = random.Random(f"{seed}/{cycle}/{place}")  # noqa: S311
    victim = victims[place]
    return Blow(victim, draw.choice(STEPS_OF[victim]), draw.random())
