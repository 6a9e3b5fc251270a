"""What a figure was measured on, and the promise that durability was not lowered for it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import msgspec

from kanjo.db import Database
from kanjo.db.settings import memory_bytes
from kanjo.errors import Refused

DURABLE: Mapping[str, tuple[str, ...]] = {
    "fsync": ("on",),
    "full_page_writes": ("on",),
    "synchronous_commit": ("on", "remote_apply"),
    "data_checksums": ("on",),
}
"""What each setting must be: an answer is a promise, also in a benchmark."""
TOLD = (*DURABLE, "shared_buffers", "max_wal_size", "wal_compression", "checkpoint_timeout")

SETTINGS = "SELECT name, setting || coalesce(' ' || unit, '') FROM pg_settings WHERE name = ANY (%s) ORDER BY name"


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The machine, as far as it makes a figure; nothing that names it."""

    cores: int
    processor: str
    memory_gb: float
    python: str
    postgresql: str
    kanjo: str
    settings: dict[str, str]


def machine(server: Database) -> Machine:
    """Look at this machine and at the server. Errors: `durability-off`."""
    with server.connect(role="owner", autocommit=True) as connection:
        settings = dict(connection.execute(SETTINGS, (list(TOLD),)).fetchall())
        row = connection.execute("SHOW server_version").fetchone()
    require_durable(settings)
    assert row is not None
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        processor=_processor(),
        memory_gb=round(memory_bytes() / 1e9, 1),
        python=platform.python_version(),
        postgresql=str(row[0]),
        kanjo=version("kanjo"),
        settings=settings,
    )


def require_durable(settings: Mapping[str, str]) -> None:
    """Refused `durability-off` when the server would lose what it answered."""
    lowered = {name: settings.get(name, "unknown") for name, good in DURABLE.items() if settings.get(name) not in good}
    if lowered:
        shown = ", ".join(f"{name} is {value}" for name, value in lowered.items())
        raise Refused(
            "durability-off",
            f"the server may lose what it answered ({shown}), and figures of such a server say nothing: turn it on",
            settings=lowered,
        )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
