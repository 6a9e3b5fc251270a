"""What a long run came to: its days, its samples, what grew, what was broken."""

from __future__ import annotations

import datetime

import msgspec

from kanjo.check import LawProof
from kanjo.soak.plan import SoakPlan, Step, Victim
from kanjo.soak.verdict import Trend


class Process(msgspec.Struct, frozen=True, array_like=True):
    """A process at one moment. `life` is its pid, or that of the server it belongs to.

    `memory_bytes` is resident anonymous memory: what it has for itself. `files` is None where we may not look.
    """

    role: str
    life: int
    memory_bytes: int
    files: int | None


class Size(msgspec.Struct, frozen=True, array_like=True):
    """A table with its partitions and indexes; rows as PostgreSQL estimates them, forgotten when it is killed."""

    table: str
    heap_bytes: int
    index_bytes: int
    live_rows: int
    dead_rows: int


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One look. None: the server did not answer then. Waits are of the time since the sample before."""

    at_s: float
    day: int
    step: Step
    processes: list[Process]
    connections: int | None = None
    wal_bytes: int | None = None
    sizes: list[Size] = []
    answered: int = 0
    seconds: float = 0.0
    p50_ms: float | None = None
    p99_ms: float | None = None


class Stock(msgspec.Struct, frozen=True, array_like=True):
    """A table at the end of a day: its bytes, indexes included, and its rows, counted."""

    table: str
    size_bytes: int
    rows: int


class Strike(msgspec.Struct, frozen=True, array_like=True):
    """Who was killed, in which step of the day, and when."""

    victim: Victim
    step: Step
    at_s: float


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """One business day."""

    number: int
    date: datetime.date
    began_s: float
    ended_s: float
    load_s: float
    cut_s: float
    items: int
    by_before: int
    refused_items: int
    answered: int
    refused: int
    repeats: int
    p50_ms: float | None
    p99_ms: float | None
    strikes: list[Strike]
    calls: int
    proof_s: float
    whole_proof: bool
    stock: list[Stock]


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """A promise that was not kept on a day; `laws` are the proofs that show it."""

    day: int
    what: str
    laws: list[LawProof] = []


class Soaked(msgspec.Struct, frozen=True, kw_only=True):
    """The whole run. `seconds` is its length without the making of the bank."""

    plan: SoakPlan
    seconds: float
    days: list[Day]
    samples: list[Sample]
    trends: list[Trend]
    broken: list[Broken]

    @property
    def grown(self) -> list[Trend]:
        return [trend for trend in self.trends if trend.grew]

    @property
    def unjudged(self) -> list[Trend]:
        return [trend for trend in self.trends if trend.grew is None]

    @property
    def strikes(self) -> list[Strike]:
        return [strike for day in self.days for strike in day.strikes]

    @property
    def ok(self) -> bool:
        return not self.grown and not self.broken and bool(self.days)

    def verdict(self) -> str:
        """One sentence for the one who waited."""
        if self.broken:
            return "BROKEN: " + "; ".join(f"day {one.day}: {one.what}" for one in self.broken)
        if self.grown:
            return "GREW: " + "; ".join(_told(trend) for trend in self.grown)
        if not self.days:
            return "NOTHING SHOWN: the time was over before the first day was"
        if len(self.unjudged) * 2 > len(self.trends):
            return "the laws hold; too short to tell whether anything grows"
        return "memory and tables stayed flat, and the laws hold"


def _told(trend: Trend) -> str:
    from_value = trend.second_quarter if trend.second_quarter is not None else trend.highest
    to_value = trend.last_quarter if trend.last_quarter is not None else trend.highest
    return f"{trend.name}: {from_value:,.0f} -> {to_value:,.0f} {trend.unit}, allowed {trend.allowed or 0:,.0f}"
