"""Processes as the kernel shows them in /proc: what they have for themselves, what they hold open, who started them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def memory_bytes(pid: int) -> int | None:
    """Resident anonymous memory (RssAnon), which everybody may read; shared buffers and files are not in it.

    None when there is no such process any more.
    """
    with suppress(OSError, IndexError, ValueError):
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return None


def open_files(pid: int) -> int | None:
    """How many descriptors are open; None where we may not look."""
    with suppress(OSError):
        return sum(1 for _ in (PROC / str(pid) / "fd").iterdir())
    return None


def children(parent: int) -> list[int]:
    """Living processes that it started."""
    found = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                    found.append(int(entry.name))
    return found


def has_ended(pid: int) -> bool:
    """Whether it is gone, or dead and not yet taken leave of."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return True
