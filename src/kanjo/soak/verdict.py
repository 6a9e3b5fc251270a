"""What "flat" means: the median of a run's second quarter against that of its last. Pure.

The first quarter is left out, because caches fill and files are made in it. Medians, because a check or a vacuum that
happens to run while a sample is taken is no growth.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import msgspec

POINTS_MIN = 3
"""So many points must lie in a quarter, else there is nothing to compare."""
SPAN_S_MIN = 240.0
"""What was watched for less is still warming up; nothing is said of it."""
MIB = 1 << 20


class Limit(msgspec.Struct, frozen=True):
    """How much the last quarter's median may be above the second's: so many times, and so much. `why` for readers."""

    times: float
    plus: float
    why: str


class Series(msgspec.Struct, frozen=True):
    """Something that was looked at again and again: (s, value), in the order of time."""

    name: str
    unit: str
    points: Sequence[tuple[float, float]]
    limit: Limit


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a series. `grew` is None when it was too short to tell."""

    name: str
    unit: str
    second_quarter: float | None = None
    last_quarter: float | None = None
    highest: float
    allowed: float | None = None
    grew: bool | None = None
    why: str = ""


PROCESS = Limit(
    1.10, 8 * MIB, "an interpreter's allocator keeps what a busy minute took; half an hour's leak is more than that"
)
"""Anonymous memory of one of our processes: shared pages (buffers, libraries) are not counted at all."""
SERVER = Limit(
    1.15,
    32 * MIB,
    "sessions cache the plans and the partitions that they meet, up to a bound; vacuums and checks come and go",
)
"""Anonymous memory of all processes of the server together; shared buffers are not in it."""
HANDLES = Limit(1.0, 4, "a loader or a check that is there just now has a connection of its own")
"""Open files of a process, connections of the server."""
TABLE = Limit(
    1.25,
    0.0,
    "pages of an index that is written everywhere are split in halves and fill again: between 50% and 90% full",
)
"""Bytes per live row, indexes included, beside `TABLE_SLACK_BYTES`."""
FIXED_TABLE = Limit(1.10, 0.0, "a table without new rows uses the room of its old versions again")
"""Bytes of a table whose rows are only updated, beside `TABLE_SLACK_BYTES`."""
TABLE_SLACK_BYTES = 1 * MIB
"""A small table grows by whole pages, and is vacuumed only after some fifty dead rows."""


def judge_growth(series: Series) -> Trend:
    """Compare the second quarter with the last one."""
    points = series.points
    highest = max((value for _, value in points), default=0.0)
    unknown = Trend(name=series.name, unit=series.unit, highest=highest, why=series.limit.why)
    if not points or points[-1][0] - points[0][0] < SPAN_S_MIN:
        return unknown
    second, last = _quarter(points, 2), _quarter(points, 4)
    if min(len(second), len(last)) < POINTS_MIN:
        return unknown
    allowed = median(second) * series.limit.times + series.limit.plus
    return Trend(
        name=series.name,
        unit=series.unit,
        second_quarter=median(second),
        last_quarter=median(last),
        highest=highest,
        allowed=allowed,
        grew=median(last) > allowed,
        why=series.limit.why,
    )


def judge_bound(series: Series, bound: float) -> Trend:
    """What may go up and down below a bound of its own, however short it was looked at."""
    trend = judge_growth(series)
    return msgspec.structs.replace(trend, allowed=bound, grew=trend.highest > bound)


def _quarter(points: Sequence[tuple[float, float]], number: int) -> list[float]:
    """The values of a quarter of the points, the first being 1: days get longer as there is more to prove."""
    first, last = (len(points) * place // 4 for place in (number - 1, number))
    return [value for _, value in points[first:last]]
