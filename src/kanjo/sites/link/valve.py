"""The valve of a link's end: open, cut, or swallowing what comes; and how orders turn it. Pure.

A cut is a fence (R5): only `heal` lifts it, nothing else loosens it, and it outlives the process (`valve_file.py`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias, assert_never

import msgspec

from kanjo.errors import Refused, WrongUsage

DELAY_MS_MAX = 10_000


class LinkMode(StrEnum):
    """`cut`: all is dropped and nothing taken. `blackhole`: bytes vanish, nothing is closed (for tests)."""

    OPEN = "open"
    CUT = "cut"
    BLACKHOLE = "blackhole"


class Valve(msgspec.Struct, frozen=True, kw_only=True):
    """How an end stands. `delay_ms` holds up what leaves this site; `by` and `reason` are the last order's."""

    mode: LinkMode = LinkMode.OPEN
    delay_ms: int = 0
    by: str = ""
    reason: str = ""


class _Order(msgspec.Struct, frozen=True, kw_only=True):
    by: str = ""
    reason: str = ""


class Cut(_Order, frozen=True, kw_only=True, tag="cut", tag_field="do"):
    """Drop everything and take nothing more."""


class Heal(_Order, frozen=True, kw_only=True, tag="heal", tag_field="do"):
    """Open again; the delay, being the distance, stays."""


class Blackhole(_Order, frozen=True, kw_only=True, tag="blackhole", tag_field="do"):
    """Swallow every byte from now on."""


class Delay(_Order, frozen=True, kw_only=True, tag="delay", tag_field="do"):
    """Hold up what leaves this site by so many milliseconds; 0 takes the delay away."""

    delay_ms: int


Order: TypeAlias = Cut | Heal | Blackhole | Delay


class Effect(StrEnum):
    """What turning the valve does to the connections that are there."""

    NOTHING = "nothing"
    DROP_ALL = "drop-all"
    DROP_HOLED = "drop-holed"
    """Those that lost bytes: what came behind the hole would be taken for something else."""


def turned(valve: Valve, order: Order) -> tuple[Valve, Effect]:
    """The valve after the order, and what to do about connections. Refused: `link-cut`."""
    after = msgspec.structs.replace(valve, by=order.by, reason=order.reason)
    match order:
        case Cut():
            return msgspec.structs.replace(after, mode=LinkMode.CUT), Effect.DROP_ALL
        case Heal():
            effect = Effect.DROP_HOLED if valve.mode is LinkMode.BLACKHOLE else Effect.NOTHING
            return msgspec.structs.replace(after, mode=LinkMode.OPEN), effect
        case Blackhole():
            if valve.mode is LinkMode.CUT:
                raise Refused("link-cut", "The link is cut; a cut is lifted by `heal` and by nothing else.")
            return msgspec.structs.replace(after, mode=LinkMode.BLACKHOLE), Effect.NOTHING
        case Delay():
            if not 0 <= order.delay_ms <= DELAY_MS_MAX:
                raise WrongUsage("wrong-usage", f"A delay is 0 to {DELAY_MS_MAX} ms, not {order.delay_ms}.")
            # the fence keeps the name of who set it
            return msgspec.structs.replace(valve, delay_ms=order.delay_ms), Effect.NOTHING
        case _:
            assert_never(order)
