"""The valve on disk: a cut link stays cut when its end is restarted (R5). In doubt it is cut."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

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
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(valve))
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
