"""What a bench comes to: medians over its rounds, their ratio, and whether that is what it must be. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Literal, TypeAlias

import msgspec

Better: TypeAlias = Literal["higher", "lower"]


class Aim(msgspec.Struct, frozen=True, kw_only=True):
    """What the ratio of subject to yardstick must reach, and what it should one day; `lower` turns both around."""

    better: Better
    must: float
    aim: float


class Round(msgspec.Struct, frozen=True, omit_defaults=True):
    """One subject and one yardstick, measured one after the other; `course` is how the subject went, if kept."""

    value: float
    yardstick: float
    course: tuple[int, ...] = ()


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A bench's result: `value` and `yardstick` are medians in `unit`, `ratio` is the one divided by the other."""

    bench: str
    value: float
    unit: str
    yardstick: float
    ratio: float
    better: Better
    must: float
    aim: float
    rounds: int
    measured: list[Round]

    @property
    def is_missed(self) -> bool:
        """Whether the ratio is worse than it must be; exactly what it must be is reached."""
        return self.ratio < self.must if self.better == "higher" else self.ratio > self.must

    @property
    def is_aimed(self) -> bool:
        """Whether the ratio is as good as it should one day be."""
        return self.ratio >= self.aim if self.better == "higher" else self.ratio <= self.aim


def figure_of(bench: str, unit: str, aim: Aim, rounds: Sequence[Round]) -> Figure:
    """The figure of a bench from its rounds, of which there is at least one."""
    value = median(found.value for found in rounds)
    yardstick = median(found.yardstick for found in rounds)
    return Figure(
        bench=bench,
        value=value,
        unit=unit,
        yardstick=yardstick,
        ratio=value / yardstick,
        better=aim.better,
        must=aim.must,
        aim=aim.aim,
        rounds=len(rounds),
        measured=list(rounds),
    )


def percentile_99(values: Sequence[float]) -> float:
    """The value that 99 of 100 do not exceed, one of those measured; ValueError when there is none."""
    if not values:
        raise ValueError("no value was measured")
    ordered = sorted(values)
    return ordered[-(-99 * len(ordered) // 100) - 1]
