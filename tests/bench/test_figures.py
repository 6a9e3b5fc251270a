"""The statistics of a bench: medians, ratio, what is missed, percentiles."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanjo.bench.bench import Bench, measure
from kanjo.bench.figure import Aim, Figure, Round, figure_of, percentile_99
from kanjo.bench.outage import course, longest_s

HIGHER = Aim(better="higher", must=0.5, aim=1.0)
LOWER = Aim(better="lower", must=3.0, aim=1.5)


def figure(aim: Aim, *pairs: tuple[float, float]) -> Figure:
    """The figure of these rounds."""
    return figure_of("a-bench", "items/s", aim, [Round(*pair) for pair in pairs])


def test_ratio_is_that_of_the_medians() -> None:
    """One round that went wrong changes nothing; the rounds themselves are kept."""
    found = figure(HIGHER, (60, 100), (1, 100), (70, 1000))

    assert (found.value, found.yardstick, found.ratio, found.rounds) == (60, 100, 0.6, 3)
    assert found.measured == [Round(60, 100), Round(1, 100), Round(70, 1000)]


@pytest.mark.parametrize(
    ("aim", "value", "missed", "aimed"),
    [
        (HIGHER, 49.9, True, False),
        (HIGHER, 50, False, False),
        (HIGHER, 100, False, True),
        (LOWER, 300.1, True, False),
        (LOWER, 300, False, False),
        (LOWER, 150, False, True),
    ],
)
def test_what_must_be_is_reached_exactly_at_it(aim: Aim, value: float, missed: bool, aimed: bool) -> None:
    """Better may be higher or lower; the limit itself is good enough."""
    found = figure(aim, (value, 100))

    assert (found.is_missed, found.is_aimed) == (missed, aimed)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=500))
def test_percentile_is_a_value_that_99_of_100_do_not_exceed(values: list[int]) -> None:
    """And none smaller is one."""
    found = percentile_99(values)

    assert found in values
    assert sum(value <= found for value in values) >= 0.99 * len(values)
    assert sum(value < found for value in values) < 0.99 * len(values)


def test_percentile_of_nothing_is_an_error() -> None:
    """A bench in which nobody came has no figure."""
    with pytest.raises(ValueError, match="no value"):
        percentile_99([])


def test_a_course_is_kept_with_its_round_and_only_where_there_is_one() -> None:
    """What a chart is drawn of; figures of other benches look as they did."""
    assert msgspec.to_builtins(Round(1.0, 2.0, (3, 4))) == {"value": 1.0, "yardstick": 2.0, "course": (3, 4)}
    assert msgspec.to_builtins(Round(1.0, 2.0)) == {"value": 1.0, "yardstick": 2.0}


def test_silence_is_the_longest_time_between_two_answers() -> None:
    """Wherever it lies; and the course counts what each tenth of a second brought."""
    heard_s = [9.95, 10.0, 10.05, 10.12, 11.25]

    assert longest_s(heard_s) == pytest.approx(1.13)
    assert course(heard_s, 10.0) == (2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)


class _Told(Bench):
    """Notes who is measured when."""

    name, unit, aim = "told", "items/s", HIGHER

    def prepare(self) -> None:
        self.order = "p"

    def subject(self) -> float:
        self.order += "s"
        return 2.0

    def yardstick(self) -> float:
        self.order += "y"
        return 4.0


def test_subject_and_yardstick_take_turns() -> None:
    """Who is first changes with every round; the preparation is not measured; whoever watches hears of each round."""
    bench = _Told(ground=None)  # type: ignore[arg-type]
    lines: list[str] = []

    found = measure(bench, 3, lines.append)

    assert bench.order == "psyyssy"
    assert found.ratio == 0.5
    assert next(line for line in lines if "round" in line) == (
        "told: round 1 of 3: 2.0 items/s, yardstick 4.0, ratio 0.50"
    )
