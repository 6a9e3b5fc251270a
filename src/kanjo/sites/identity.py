"""What a server says of itself to IDENTIFY_SYSTEM, and whether a standby across the link counts for a primary. Pure.

PostgreSQL compares positions and not timelines: a standby that is ahead on an old timeline satisfies new commits that
it never saw (pitfall 1). So the other site counts only once it was seen on the primary's own timeline, not ahead of it.
"""

from __future__ import annotations

import msgspec


class Identity(msgspec.Struct, frozen=True):
    """A server's database system, timeline, position in bytes of log, and whether it is in recovery."""

    system: str
    timeline: int
    position: int
    is_standby: bool


def position_of(lsn: str) -> int:
    """`16/B374D848` as a number of bytes; ValueError for anything else."""
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def lsn_of(position: int) -> str:
    """A position as PostgreSQL writes it."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def forks_in(history: str) -> tuple[tuple[int, int], ...]:
    """Timelines and where they ended, from the lines of a history file: timeline, position, reason; or ValueError."""
    lines = [line.split() for line in history.splitlines() if line.strip() and not line.startswith("#")]
    return tuple((int(fields[0]), position_of(fields[1])) for fields in lines)


def why_not_counted(primary: Identity, remote: Identity) -> str | None:
    """Why the remote does not count for the primary's commits yet; None: it does.

    The remote must have been asked before the primary: what it received by then, the primary had flushed.
    """
    if remote.system != primary.system:
        return "other-database"
    if not remote.is_standby:
        return "remote-is-primary"
    if remote.timeline != primary.timeline:
        return f"remote-on-timeline-{remote.timeline}-not-{primary.timeline}"
    if remote.position > primary.position:
        return "remote-ahead"
    return None
