"""From samples to verdicts: what grows is named, whoever and whichever table it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kanjo.check import CheckProof, LawProof
from kanjo.soak import Soaked, SoakPlan, chart_of
from kanjo.soak.report import POINTS_MAX, thinned
from kanjo.soak.soaked import Broken, Day, Process, Sample, Size, Stock, Strike
from kanjo.soak.trends import trends_of

GIB = 1 << 30
MIB = 1 << 20
RUN_S = 1800.0
Memory = Callable[[str, float], int]
Table = Callable[[int], tuple[int, int]]


def samples(
    memory: Memory = lambda role, at_s: 50 * MIB, *, worker_lives_s: float = RUN_S, proving: bool = False
) -> list[Sample]:
    """A look every five seconds. Workers are replaced by another after `worker_lives_s`.

    `proving`: a check runs in the last fifth of the time.
    """
    found = []
    for place in range(1, int(RUN_S / 5) + 1):
        at_s = place * 5.0
        worker = 100 + int(at_s / worker_lives_s)
        roles = (("driver", 1), ("worker", worker), ("callers", 2), ("server", 3))
        found.append(
            Sample(
                at_s=at_s,
                day=1 + place // 12,
                step="check" if proving and at_s > RUN_S * 0.8 else "calm",
                processes=[Process(role, pid, memory(role, at_s), 10) for role, pid in roles],
                connections=5,
                wal_bytes=GIB,
                sizes=[Size("ledger.entry", 900, 100, 10, 1)],
                answered=1500,
                seconds=5.0,
                p50_ms=5.0,
                p99_ms=20.0,
            )
        )
    return found


def days(**tables: Table) -> list[Day]:
    """Thirty days; a table tells bytes and rows at the end of each."""
    return [
        Day(
            number=number,
            date=date(2012, 1, 4),
            began_s=60.0 * (number - 1),
            ended_s=60.0 * number,
            load_s=1.0,
            cut_s=8.0,
            items=160_000,
            by_before=100,
            refused_items=10,
            answered=18_000,
            refused=5,
            repeats=0,
            p50_ms=5.0,
            p99_ms=20.0,
            strikes=[Strike("worker", "cut", 60.0 * number - 30)] if number < 5 else [],
            calls=18_000,
            proof_s=2.0,
            whole_proof=number % 3 == 1,
            stock=[Stock(name.replace("__", "."), *table(number)) for name, table in tables.items()],
        )
        for number in range(1, 31)
    ]


def grown(looked: list[Sample], lived: list[Day], wal_bound_bytes: int = 2 * GIB) -> list[str]:
    """The names of what grew."""
    return [trend.name for trend in trends_of(looked, lived, wal_bound_bytes) if trend.grew]


def test_a_steady_bank_is_flat_though_its_history_grows() -> None:
    """Tables that gain rows are judged by the row."""
    lived = days(ledger__entry=lambda day: (day * 160_000 * 150, day * 160_000), ledger__account=lambda _: (GIB, 9))

    trends = trends_of(samples(), lived, 2 * GIB)

    assert [trend.name for trend in trends if trend.grew is not False] == []
    assert {"memory of the server", "table ledger.entry", "write-ahead log"} <= {trend.name for trend in trends}


def test_a_process_that_grows_with_its_age_is_named() -> None:
    """Here the callers keep what they should forget, 50 MiB in half an hour."""
    found = grown(samples(lambda role, at_s: 50 * MIB + (role == "callers") * int(at_s / RUN_S * 50 * MIB)), days())

    assert found == ["memory of the callers", "memory of the longest-lived callers"]


def test_young_processes_that_grow_with_the_bank_are_named() -> None:
    """No worker lives longer than five minutes, but each is bigger than the one before."""
    looked = samples(
        lambda role, at_s: 50 * MIB + (role == "worker") * int(at_s // 300 * 10 * MIB), worker_lives_s=300.0
    )

    assert grown(looked, days()) == ["memory of the worker"]


def test_what_a_check_takes_is_no_growth() -> None:
    """The last proof of a long run takes minutes, and memory of the server's."""
    found = samples(lambda role, at_s: (50 + 200 * (role == "server" and at_s > RUN_S * 0.8)) * MIB, proving=True)

    assert grown(found, days()) == []


def test_a_table_that_gains_no_rows_may_not_grow() -> None:
    """Each day leaves 2 MiB of old versions in the accounts."""
    assert grown(samples(), days(ledger__account=lambda day: (20 * MIB + day * 2 * MIB, 100_000))) == [
        "table ledger.account"
    ]


def test_a_history_whose_rows_take_more_and_more_is_named() -> None:
    """Twice as much a row at the end; also for a table that nobody has heard of."""
    lived = days(later__table=lambda day: (int(day * 160_000 * 150 * (1 + day / 30)), day * 160_000))

    assert grown(samples(), lived) == ["table later.table"]


def test_pages_of_small_tables_are_no_growth() -> None:
    """A page for three rows, then two pages for four."""
    lived = days(ledger__pulse=lambda day: (8192 * day, 1), ledger__run=lambda day: (8192 * 4 * day, 2 * day))

    assert grown(samples(), lived) == []


def test_a_log_beyond_its_bound_is_named() -> None:
    """Checkpoints that do not keep up."""
    assert grown(samples(), days(), wal_bound_bytes=GIB // 2) == ["write-ahead log"]


def soaked(lived: list[Day], looked: list[Sample]) -> Soaked:
    return Soaked(
        plan=SoakPlan(),
        seconds=RUN_S,
        days=lived,
        samples=looked,
        trends=trends_of(looked, lived, 2 * GIB),
        broken=[],
    )


def test_the_verdict_names_what_grew_and_what_broke() -> None:
    """One sentence, and the exit status follows it."""
    flat = soaked(days(), samples())
    grew = soaked(days(ledger__account=lambda day: (20 * MIB + day * 2 * MIB, 100_000)), samples())
    law = LawProof(
        law=4,
        name="answered means kept",
        ok=False,
        checked=1,
        checks=(CheckProof(name="kept", proves="", checked=1, broken=1),),
    )
    broke = msgspec.structs.replace(flat, broken=[Broken(day=3, what="law 4: 1 row", laws=[law])])

    assert flat.ok and flat.verdict() == "memory and tables stayed flat, and the laws hold"
    assert not grew.ok and grew.verdict().startswith("GREW: table ledger.account: ")
    assert not broke.ok and broke.verdict() == "BROKEN: day 3: law 4: 1 row"
    assert not soaked([], []).ok


@given(st.integers(0, 5 * POINTS_MAX))
def test_a_line_of_the_chart_has_its_number_of_points_at_most(count: int) -> None:
    """A run just short of twice as many samples must not be drawn with all of them."""
    points = [(float(place), 1.0) for place in range(count)]

    kept = thinned(points)

    assert min(count, POINTS_MAX // 2) <= len(kept) <= POINTS_MAX
    assert kept[:1] == points[:1]


def test_the_chart_is_one_small_picture() -> None:
    """It holds everything itself, and a document can keep it."""
    lived = days(ledger__entry=lambda day: (day * 160_000 * 150, day * 160_000), ledger__account=lambda _: (GIB, 9))

    picture = chart_of(soaked(lived, samples()))

    assert picture.startswith("<svg") and picture.rstrip().endswith("</svg>")
    assert "href" not in picture and "ledger.account" in picture and "worker" in picture
    assert len(picture) < 100_000
