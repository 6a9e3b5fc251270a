"""Whom an end follows: from what the nodes claim to what is connected where. Pure.

Two pitfalls meet here. A connection to a deposed leader whose database still lives must be closed when a different
leader appears (9); one to a leader that is merely gone for a moment must not, since the last records of a clean
shutdown still pass through it (10).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec


class Claim(NamedTuple):
    """A node says that it leads: its PostgreSQL address, and its timeline if it told one."""

    address: str
    timeline: int | None


class Standing(msgspec.Struct, frozen=True):
    """The leader known last, its highest timeline, and whether it was there when we asked last."""

    leader: str | None = None
    timeline: int | None = None
    present: bool = False


def following(standing: Standing, claims: Iterable[Claim]) -> Standing:
    """How it stands after asking all nodes once.

    A claim on an older timeline than one already seen is a deposed leader's and is passed over. When several claim, the
    newest timeline leads; when that is undecided nobody does, until they agree.
    """
    credible = [claim for claim in claims if not _older(claim.timeline, standing.timeline)]
    newest = max((claim.timeline or 0 for claim in credible), default=0)
    leading = [claim for claim in credible if (claim.timeline or 0) == newest]
    if len(leading) != 1:
        return msgspec.structs.replace(standing, present=False)
    [leader] = leading
    return Standing(leader.address, leader.timeline if leader.timeline is not None else standing.timeline, True)


def is_stale(standing: Standing, target: str) -> bool:
    """Whether a connection to `target` must be closed: a different leader is there."""
    return standing.present and target != standing.leader


def destination(standing: Standing) -> str | None:
    """Where a new connection goes; nowhere while the leader is away, for what comes next may be another."""
    return standing.leader if standing.present else None


def _older(timeline: int | None, seen: int | None) -> bool:
    return timeline is not None and seen is not None and timeline < seen
