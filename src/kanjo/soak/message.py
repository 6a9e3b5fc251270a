"""What the long run and its processes tell each other: a line of JSON each way."""

from __future__ import annotations

from datetime import date
from typing import TypeAlias

import msgspec

from kanjo.check import LawProof
from kanjo.demo import Town


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """The callers: how many, how many transactions they try in a second together, on the town's first `accounts`."""

    town: Town
    accounts: int
    callers: int
    per_s: float
    seed: int


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """Where a day's calls are written down. `client` asks in this day only, so that its history can be complete.

    `earlier` are histories of the same day whose process was killed: their unanswered keys are asked again first.
    """

    client: str
    history: str
    earlier: list[str] = []


class Seen(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """What the callers saw since the line before. `repeats`: a key was asked again because its outcome was unknown."""

    waits_us: list[int]
    refused: int
    undecided: int
    repeats: int


class Closed(msgspec.Struct, frozen=True, tag=True):
    """Every call of this history has its answer, and is written down."""

    history: str


Told: TypeAlias = Seen | Closed


class Load(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Write the town's files for a date and load them, or find the runs of those that an earlier try loaded."""

    town: Town
    due: date
    folder: str


class Prove(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Prove law 4 from the histories; all laws when `whole`."""

    histories: list[str]
    whole: bool


Errand: TypeAlias = Load | Prove


class Loaded(msgspec.Struct, frozen=True, tag=True):
    """The runs of the files."""

    runs: list[int]


class Proved(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """What was proved, from so many calls. Looked at only by a whole proof: `stuck` items, `pending` ones."""

    laws: tuple[LawProof, ...]
    calls: int
    stuck: int = 0
    pending: int = 0


Done: TypeAlias = Loaded | Proved
