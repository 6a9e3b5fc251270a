"""The valve on disk: a cut link stays cut when its end is restarted (R5). In doubt it is cut."""

from __future__ import annotations

from pathlib import Path

import msgspec

from kanjo.folders import write_whole
from kanjo.sites.link.valve import LinkMode, Valve


def read_valve(path: Path, first: Valve) -> Valve:
    """How the end stood last; `first` when it never did. A file that cannot be read leaves the link cut."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Valve)
    except FileNotFoundError:
        return first
    except (OSError, msgspec.DecodeError) as error:
        return Valve(
            mode=LinkMode.CUT, reason=f"{path.name} cannot be read ({error}); heal the link if it should be open"
        )


def write_valve(path: Path, valve: Valve) -> None:
    """Put it in the place of the one before, whole and on the disk."""
    write_whole(path, msgspec.json.encode(valve))
