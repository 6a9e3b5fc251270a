"""Flow control: how much a worker settles at a time, and how long it rests, so that customers stay quick."""

from __future__ import annotations

import msgspec

ITEMS_MIN = 100
"""However slow the doors are, a cut goes on at this many items a commit."""
PAUSE_MAX_S = 1.0
EASING = 1.25
BACKING_OFF = 0.5


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator asked for: a ceiling for this worker in items/s, and a latency the doors must keep.

    `items_max` is a commit's size while nobody is served, `beside_items_max` beside doors: accounts stay locked for as
    long as a commit takes.
    """

    ceiling_items_per_s: float | None = None
    target_p99_us: int | None = None
    items_max: int
    beside_items_max: int | None = None


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """The next commit: at most so many items, after a rest of so many seconds."""

    items_max: int
    pause_s: float = 0.0


def first_pace(flow: Flow) -> Pace:
    """Start as beside doors, or at a tenth of a second's worth under a ceiling, so that a pause or cancel is prompt."""
    return Pace(items_max=_bounded(flow, _full(flow, is_serving=True)))


def next_pace(flow: Flow, pace: Pace, *, settled: int, seconds: float, p99_us: int | None) -> Pace:
    """After a commit of `settled` items that took `seconds`, with the doors at `p99_us` (None: nobody is asking).

    Over the target: half the size, and a rest as long as the work was, growing while it stays slow. Under it: a
    quarter more until the full size is back; at once when nobody is asking. The ceiling is kept by resting for what the
    work was too quick.
    """
    full = _full(flow, is_serving=p99_us is not None)
    items_max, rest_s = min(pace.items_max, full), 0.0
    if p99_us is None:
        items_max = full
    elif flow.target_p99_us is not None and p99_us > flow.target_p99_us:
        items_max = max(ITEMS_MIN, int(items_max * BACKING_OFF))
        over = p99_us / flow.target_p99_us
        rest_s = min(PAUSE_MAX_S, seconds * over)
    elif items_max < full:
        items_max = min(full, int(items_max * EASING) + 1)
    if flow.ceiling_items_per_s is not None:
        rest_s = max(rest_s, settled / flow.ceiling_items_per_s - seconds)
    return Pace(items_max=_bounded(flow, items_max), pause_s=rest_s)


def _full(flow: Flow, *, is_serving: bool) -> int:
    if is_serving and flow.beside_items_max is not None:
        return min(flow.items_max, flow.beside_items_max)
    return flow.items_max


def _bounded(flow: Flow, items_max: int) -> int:
    if flow.ceiling_items_per_s is not None:
        items_max = min(items_max, max(1, int(flow.ceiling_items_per_s / 10)))
    return max(1, min(items_max, flow.items_max))
