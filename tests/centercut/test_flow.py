"""Flow control, pure: ceilings are kept over what was measured, slow doors are yielded to, and speed returns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from banks import TUESDAY, number
from cuts import BUSINESSES, NOW, Cut
from kanjo import centercut
from kanjo.centercut import Flow, first_pace, next_pace
from kanjo.centercut.flow import ITEMS_MIN, PAUSE_MAX_S

ceilings = st.floats(1, 1_000_000)
sizes = st.integers(1, 10_000)
seconds = st.floats(0, 5)
latencies = st.none() | st.integers(1, 2_000_000)


@given(ceilings, sizes, st.lists(seconds, min_size=1, max_size=50))
def test_a_ceiling_is_kept_over_every_stretch(ceiling: float, size: int, works: list[float]) -> None:
    """From the start of any commit to the end of its rest no more items than the ceiling allows for that time."""
    flow = Flow(ceiling_items_per_s=ceiling, items_max=size)
    pace = first_pace(flow)
    for work_s in works:
        settled = pace.items_max
        after = next_pace(flow, pace, settled=settled, seconds=work_s, p99_us=None)
        assert settled <= ceiling * (work_s + after.pause_s) * (1 + 1e-9)
        pace = after


@given(ceilings, sizes, st.lists(st.tuples(seconds, latencies), max_size=50), st.none() | st.integers(1, 1_000_000))
def test_a_pace_stays_within_its_bounds(
    ceiling: float, size: int, works: list[tuple[float, int | None]], target: int | None
) -> None:
    """At least one item, never more than the full size or a tenth of a second's worth; rests are not negative."""
    flow = Flow(ceiling_items_per_s=ceiling, target_p99_us=target, items_max=size)
    pace = first_pace(flow)
    for work_s, p99_us in works:
        assert 1 <= pace.items_max <= min(size, max(1, ceiling / 10))
        assert pace.pause_s >= 0
        pace = next_pace(flow, pace, settled=pace.items_max, seconds=work_s, p99_us=p99_us)


@given(st.integers(ITEMS_MIN, 10_000), st.integers(1, 100_000), st.integers(1, 40))
def test_slow_doors_halve_the_size_down_to_a_minimum_and_get_a_rest(size: int, target: int, times: int) -> None:
    """Over the target: half the commit, and a rest of at least the work's length, but no longer than a second."""
    flow = Flow(target_p99_us=target, items_max=size)
    pace = first_pace(flow)
    for _ in range(times):
        after = next_pace(flow, pace, settled=1, seconds=0.25, p99_us=target * 2)
        assert after.items_max == max(min(ITEMS_MIN, size), pace.items_max // 2)
        assert 0.25 < after.pause_s <= PAUSE_MAX_S
        pace = after


@given(st.integers(ITEMS_MIN, 10_000), st.integers(1, 1_000), st.booleans())
def test_speed_returns_when_doors_are_quick_or_silent(size: int, target: int, silent: bool) -> None:
    """From the minimum back to the full size in some twenty commits, without a rest."""
    flow = Flow(target_p99_us=target, items_max=size)
    pace = first_pace(flow)
    for _ in range(20):
        pace = next_pace(flow, pace, settled=1, seconds=0.1, p99_us=target + 1)
    for _ in range(25):
        pace = next_pace(flow, pace, settled=1, seconds=0.1, p99_us=None if silent else target)
        assert pace.pause_s == 0
    assert pace.items_max == size


@given(sizes, seconds, latencies)
def test_without_orders_there_is_no_brake(size: int, work_s: float, p99_us: int | None) -> None:
    """No ceiling and no target: full size, no rest, whatever the doors say."""
    flow = Flow(items_max=size)

    pace = next_pace(flow, first_pace(flow), settled=size, seconds=work_s, p99_us=p99_us)

    assert (pace.items_max, pace.pause_s) == (size, 0)


@given(sizes, sizes, st.lists(latencies, min_size=1, max_size=30))
def test_commits_are_small_beside_doors_and_full_without(size: int, beside: int, told: list[int | None]) -> None:
    """The first commit, and each after a door was heard, keep to the small size; silence gives the full one at once."""
    flow = Flow(items_max=size, beside_items_max=beside)
    pace = first_pace(flow)
    assert pace.items_max == min(size, beside)
    for p99_us in told:
        pace = next_pace(flow, pace, settled=1, seconds=0.1, p99_us=p99_us)
        assert pace.items_max == (size if p99_us is None else min(size, beside))


class _Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def clock(self) -> centercut.Clock:
        return centercut.Clock(now=lambda: NOW, monotonic_s=lambda: self.now_s, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now_s += seconds


def test_a_worker_keeps_its_ceiling(cut: Cut) -> None:
    """400 items at 100 a second take four seconds of the worker's clock, however quick the work is."""
    cut.bank.account(number(1))
    run = cut.bills(TUESDAY, *((number(1), 1) for _ in range(400)))
    cut.open(TUESDAY)
    cut.start(run)
    time = _Time()
    settled: list[tuple[float, int]] = []

    centercut.work(
        cut.store,
        runs=[run],
        flow=Flow(ceiling_items_per_s=100, items_max=5_000),
        clock=time.clock(),
        should_stop=lambda: False,
        on_step=lambda done: settled.append((time.now_s, done.settled)),
        find=BUSINESSES.__getitem__,
    )

    assert sum(count for _, count in settled) == 400
    assert all(count <= 10 for _, count in settled)
    assert 3.8 <= time.now_s <= 4.2


def test_a_worker_yields_to_slow_doors_and_comes_back(cut: Cut) -> None:
    """While the doors are over the target its commits shrink and it rests; then they grow again."""
    account = cut.bank.account(number(1))
    run = cut.bills(TUESDAY, *((account, 1) for _ in range(6_000)))
    cut.open(TUESDAY)
    cut.start(run)
    time = _Time()
    sizes: list[int] = []

    centercut.work(
        cut.store,
        runs=[run],
        flow=Flow(target_p99_us=20_000, items_max=1_000),
        clock=time.clock(),
        should_stop=lambda: False,
        slowest_p99_us=lambda: 50_000 if len(sizes) < 4 else 5_000,
        on_step=lambda done: sizes.append(done.settled),
        find=BUSINESSES.__getitem__,
    )

    assert sizes[:4] == [1_000, 500, 250, 125]
    assert sizes[4:8] == [157, 197, 247, 309]
    assert sum(sizes) == 6_000


def test_a_resting_worker_hears_that_it_shall_stop(cut: Cut) -> None:
    """A low ceiling makes long rests; being told to stop does not wait for their end."""
    cut.bank.account(number(1))
    run = cut.bills(TUESDAY, *((number(1), 1) for _ in range(50)))
    cut.open(TUESDAY)
    cut.start(run)
    time = _Time()

    centercut.work(
        cut.store,
        runs=[run],
        flow=Flow(ceiling_items_per_s=0.01, items_max=5_000),
        clock=time.clock(),
        should_stop=lambda: time.now_s >= 0.5,
        find=BUSINESSES.__getitem__,
    )

    assert 0.5 <= time.now_s < 0.7
    assert cut.status(run).totals.settled == 1
