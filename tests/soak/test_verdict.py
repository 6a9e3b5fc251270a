"""What "flat" means: series that grow, that are flat, that are noisy, and that say nothing."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from kanjo.soak import Limit, Series, judge_growth
from kanjo.soak.verdict import POINTS_MIN, SPAN_S_MIN, judge_bound

TIGHT = Limit(1.1, 0.0, "a test")


def series(value: Callable[[float], float], *, minutes: float = 30.0, every_s: float = 5.0) -> Series:
    """A value for each moment of a run; `value` is told the share of the run that is over."""
    count = int(minutes * 60 / every_s)
    return Series("it", "bytes", [(place * every_s, value(place / count)) for place in range(count + 1)], TIGHT)


def test_what_stays_is_flat() -> None:
    """The same value all the time."""
    assert judge_growth(series(lambda _: 100.0)).grew is False


def test_what_grows_steadily_is_found() -> None:
    """A leak that doubles it in half an hour; the figures tell from where to where."""
    trend = judge_growth(series(lambda share: 100 * (1 + share)))

    assert trend.grew is True
    assert (trend.second_quarter, trend.last_quarter) == (pytest.approx(137.5, 0.01), pytest.approx(187.5, 0.01))


def test_days_that_get_longer_can_be_judged() -> None:
    """Proofs take longer the longer a bank lives: of 19 days in half an hour, the last two fill its last quarter."""
    ends_s = [90.0 * day for day in range(1, 18)] + [2060.0, 2260.0]
    grows, stays = (
        judge_growth(Series("it", "bytes", [(at_s, of(at_s)) for at_s in ends_s], TIGHT))
        for of in (lambda at_s: 100.0 + at_s, lambda _: 100.0)
    )

    assert (grows.grew, stays.grew) == (True, False)


def test_what_shrinks_is_flat() -> None:
    """Nobody is warned of room given back."""
    assert judge_growth(series(lambda share: 100 * (2 - share))).grew is False


def test_warming_up_is_no_growth() -> None:
    """All that grows in the first quarter only is a cache."""
    assert judge_growth(series(lambda share: 10 + 90 * min(1.0, share * 4))).grew is False


def test_noise_around_a_level_is_flat() -> None:
    """A third of all looks meets a check or a vacuum, which takes four times as much."""
    draw = random.Random(1)

    assert judge_growth(series(lambda _: draw.choice((100, 100, 400)))).grew is False


def test_growth_is_found_through_noise() -> None:
    """The same noise on a level that rises by half."""
    draw = random.Random(2)

    assert judge_growth(series(lambda share: (100 + 50 * share) * draw.choice((0.95, 1.0, 1.05, 3.0)))).grew is True


def test_a_saw_that_falls_back_is_flat_and_one_that_climbs_is_not() -> None:
    """Vacuums bring a table back to where it was, or not quite, each time."""
    assert judge_growth(series(lambda share: 100 + 40 * (share * 20 % 1))).grew is False
    assert judge_growth(series(lambda share: 100 + 40 * (share * 20 % 1) + 60 * share)).grew is True


def test_what_was_hardly_looked_at_is_not_judged() -> None:
    """Too short a time, or too few points in a quarter: neither flat nor grown."""
    assert judge_growth(series(lambda share: share, minutes=SPAN_S_MIN / 60 - 0.2)).grew is None
    assert judge_growth(series(lambda share: share, every_s=30 * 60 / (2 * POINTS_MIN))).grew is None
    assert judge_growth(Series("it", "bytes", [], TIGHT)).grew is None


def test_what_is_allowed_is_a_share_and_an_amount() -> None:
    """A small thing may grow by the amount, a large one by the share."""
    points = series(lambda share: 10 + 10 * (share > 0.5)).points

    assert judge_growth(Series("it", "bytes", points, Limit(1.1, 9.5, "a test"))).grew is False
    assert judge_growth(Series("it", "bytes", points, Limit(1.1, 8.5, "a test"))).grew is True


def test_a_bound_holds_at_any_moment_and_for_any_length() -> None:
    """What goes up and down by itself is judged by its highest."""
    points = series(lambda share: 100 * (share * 3 % 1), minutes=1)

    assert judge_bound(points, 101).grew is False
    assert judge_bound(points, 70).grew is True
