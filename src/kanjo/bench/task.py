"""What a bench's processes are asked to do, and what they answer: a line of JSON each way."""

from __future__ import annotations

from datetime import date
from typing import TypeAlias

import msgspec


class Settle(msgspec.Struct, frozen=True, tag=True):
    """Work on the run, as a worker of `kanjo cut start` does, until it is closed."""

    run: int


class MoveBare(msgspec.Struct, frozen=True, tag=True):
    """Credit ranges of accounts (first, last), one bare statement each."""

    on: date
    ranges: list[tuple[int, int]]


class Crowd(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Callers who post on the first `accounts` accounts at random.

    With `per_s` transactions come at that rate, however slowly the ledger answers, and their wait counts from when they
    came; without, each of `callers` asks again once it has its answer. Half of all transactions move money to another
    account when `transfers`, to `merchant` if there is one; the others bring and draw it.
    """

    accounts: int
    callers: int = 64
    per_s: float | None = None
    transfers: bool = False
    merchant: int | None = None


class Rest(msgspec.Struct, frozen=True, tag=True):
    """Let the crowd go home."""


class Withdraw(msgspec.Struct, frozen=True, tag=True):
    """Draw money from one account, through the door that the crowd uses."""

    account: int


class ReadZengin(msgspec.Struct, frozen=True, tag=True):
    """Read and check a file; say how much memory that took."""

    file: str


Task: TypeAlias = Settle | MoveBare | Crowd | Rest | Withdraw | ReadZengin


class Done(msgspec.Struct, frozen=True, tag=True):
    """It is done, or, for a crowd, begun. `settling_s`: from the task to the last item, without closing the run."""

    items: int = 0
    settling_s: float = 0.0


class Served(msgspec.Struct, frozen=True, tag=True):
    """When transactions came (s, the machine's monotonic clock), how long each waited, how many were not accepted."""

    came_s: list[float]
    waits_us: list[int]
    failed: int


class Waited(msgspec.Struct, frozen=True, tag=True):
    """From when to when one transaction took (s, the machine's monotonic clock)."""

    began_s: float
    ended_s: float


class Memory(msgspec.Struct, frozen=True, tag=True):
    """Resident memory before the work, and at its peak since the process began."""

    idle_bytes: int
    peak_bytes: int


Answer: TypeAlias = Done | Served | Waited | Memory
