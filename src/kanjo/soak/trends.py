"""From samples and days to series: what is judged, and by which limit. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from kanjo.soak.soaked import Day, Sample
from kanjo.soak.verdict import (
    FIXED_TABLE,
    HANDLES,
    PROCESS,
    SERVER,
    TABLE,
    TABLE_SLACK_BYTES,
    Limit,
    Series,
    Trend,
    judge_bound,
    judge_growth,
)

DRIVER, WORKER, CALLERS, SERVER_ROLE = "driver", "worker", "callers", "server"
FIXED = frozenset(
    {
        "pg_catalog",
        "kanjo.revision",
        "ledger.account",
        "ledger.holder",
        "ledger.day",
        "ledger.pulse",
        "ledger.mandate",
        "ledger.mandate_list",
        "ledger.stuck_item",
    }
)
"""Tables that gain no rows in a long run, so they may not grow at all. All others are judged by their rows."""
WAL_TIMES = 1.1
"""The bound is a soft one: a checkpoint that is due needs time to end."""


def trends_of(samples: Sequence[Sample], days: Sequence[Day], wal_bound_bytes: int) -> list[Trend]:
    """All that is judged.

    Of processes and connections not while a check ran: it sorts all there is in memory, and the longer the bank lives
    the more of the time there is one.
    """
    living = [sample for sample in samples if sample.step != "check"]
    grown = [judge_growth(series) for series in (*_memory(living), *_handles(living), *_tables(days))]
    log = [(sample.at_s, float(sample.wal_bytes)) for sample in samples if sample.wal_bytes is not None]
    bound = Limit(1.0, 0.0, "checkpoints keep the folder below max_wal_size; it goes up and down with them")
    return [*grown, judge_bound(Series("write-ahead log", "bytes", log, bound), wal_bound_bytes * WAL_TIMES)]


def _memory(samples: Sequence[Sample]) -> Iterator[Series]:
    """Of each role the memory of one that lived longest, and of what there was at any time.

    The first shows a process that grows with its age, the second one that grows with the bank's.
    """
    for role in (DRIVER, WORKER, CALLERS, SERVER_ROLE):
        limit = SERVER if role == SERVER_ROLE else PROCESS
        yield Series(f"memory of the {role}", "bytes", memory_of(samples, role), limit)
        if role != DRIVER:
            life = longest_life(samples, role)
            yield Series(f"memory of the longest-lived {role}", "bytes", memory_of(samples, role, life), limit)


def _handles(samples: Sequence[Sample]) -> Iterator[Series]:
    for role in (DRIVER, WORKER, CALLERS):
        life = longest_life(samples, role)
        points = [
            (sample.at_s, float(process.files))
            for sample in samples
            for process in sample.processes
            if process.role == role and process.life == life and process.files is not None
        ]
        yield Series(f"open files of the longest-lived {role}", "files", points, HANDLES)
    found = [(sample.at_s, float(sample.connections)) for sample in samples if sample.connections is not None]
    yield Series("connections", "connections", found, HANDLES)


def _tables(days: Sequence[Day]) -> Iterator[Series]:
    for name in sorted({stock.table for day in days for stock in day.stock}):
        found = [(day.ended_s, stock) for day in days for stock in day.stock if stock.table == name]
        if name in FIXED:
            limit = msgspec.structs.replace(FIXED_TABLE, plus=float(TABLE_SLACK_BYTES))
            yield Series(f"table {name}", "bytes", [(at_s, stock.size_bytes) for at_s, stock in found], limit)
        else:
            rows = max(1, found[-1][1].rows)
            limit = msgspec.structs.replace(TABLE, plus=TABLE_SLACK_BYTES / rows)
            per_row = [(at_s, stock.size_bytes / max(1, stock.rows)) for at_s, stock in found]
            yield Series(f"table {name}", "bytes/row", per_row, limit)


def memory_of(samples: Sequence[Sample], role: str, life: int | None = None) -> list[tuple[float, float]]:
    """Anonymous memory over time: of one life, or of all processes that have the role then; for workers, the mean."""
    points = []
    for sample in samples:
        found = [process for process in sample.processes if process.role == role and life in (None, process.life)]
        if found:
            lives = len({process.life for process in found})
            points.append((sample.at_s, sum(process.memory_bytes for process in found) / lives))
    return points


def longest_life(samples: Sequence[Sample], role: str) -> int | None:
    """Whoever of a role was seen most often."""
    seen: dict[int, int] = {}
    for sample in samples:
        for life in {process.life for process in sample.processes if process.role == role}:
            seen[life] = seen.get(life, 0) + 1
    return max(seen, key=lambda life: seen[life], default=None)
