"""A bench: something of Kanjo's, and a yardstick that the same server must bear in the same minutes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from kanjo.bench.figure import Aim, Figure, Round, figure_of
from kanjo.bench.ground import Ground


class Bench(ABC):
    """`subject` and `yardstick` each measure once, in `unit`; what they need is made by `prepare`, unmeasured."""

    name: ClassVar[str]
    unit: ClassVar[str]
    aim: ClassVar[Aim]

    def __init__(self, ground: Ground) -> None:
        self.ground = ground

    @abstractmethod
    def prepare(self) -> None: ...

    @abstractmethod
    def subject(self) -> float: ...

    @abstractmethod
    def yardstick(self) -> float: ...

    def course(self) -> tuple[int, ...]:
        """How the subject measured last went, in counts of equal times; nothing where a figure says it all."""
        return ()


def measure(bench: Bench, rounds: int, watch: Callable[[str], None]) -> Figure:
    """Measure subject and yardstick in alternation; who comes first changes with every round, so that a machine which
    gets slower (or a table which gets bigger) meanwhile favours neither.
    """
    assert rounds > 0
    watch(f"{bench.name}: preparing")
    bench.prepare()
    found: list[Round] = []
    for number in range(1, rounds + 1):
        if number % 2:
            value, yardstick = bench.subject(), bench.yardstick()
        else:
            yardstick, value = bench.yardstick(), bench.subject()
        found.append(Round(value, yardstick, bench.course()))
        watch(
            f"{bench.name}: round {number} of {rounds}: {value:,.1f} {bench.unit}, yardstick {yardstick:,.1f}, "
            f"ratio {value / yardstick:.2f}"
        )
    return figure_of(bench.name, bench.unit, bench.aim, found)
