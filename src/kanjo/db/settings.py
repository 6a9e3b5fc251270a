"""The embedded server's settings, sized to the machine's memory and disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

MIB = 1 << 20
GIB = 1 << 30

# PostgreSQL's superuser and the only one who can log in
SUPERUSER = "kanjo"


def memory_bytes() -> int:
    """The memory that this machine or container may use."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        try:
            total = min(total, int(limit.read_text()))
        except (OSError, ValueError):  # no such control group, or "max"
            continue
    return total


def _within(value: int, lowest: int, highest: int) -> int:
    return max(lowest, min(value, highest))


def _mib(value: int) -> str:
    return f"{value // MIB}MB"


def sized(memory: int, disk_free: int) -> Mapping[str, str]:
    """Settings for `memory` and `disk_free` bytes. Safety (fsync, synchronous_commit, full pages) is never traded."""
    return {
        "max_connections": "200",
        "shared_buffers": _mib(_within(memory // 4, 64 * MIB, 4 * GIB)),
        "effective_cache_size": _mib(max(memory // 2, 128 * MIB)),
        "maintenance_work_mem": _mib(_within(memory // 32, 32 * MIB, 512 * MIB)),
        "work_mem": _mib(_within(memory // 512, 4 * MIB, 32 * MIB)),
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        # half of a ledger is keys and sums that do not shrink: trying cost a posting a third of its time
        "wal_compression": "off",
        "wal_buffers": "64MB" if memory >= 2 * GIB else "16MB",
        "max_wal_size": _mib(_within(disk_free // 10, GIB, 16 * GIB)),
        "min_wal_size": _mib(_within(disk_free // 40, 256 * MIB, 2 * GIB)),
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": "0.9",
        "jit": "off",
        "random_page_cost": "1.1",
        "effective_io_concurrency": "64",
        # big tables that only grow: vacuum by what was inserted, often enough to keep index-only scans
        "autovacuum_vacuum_insert_scale_factor": "0.05",
        "autovacuum_vacuum_scale_factor": "0.05",
        "autovacuum_analyze_scale_factor": "0.02",
        "autovacuum_vacuum_cost_limit": "2000",
        "autovacuum_naptime": "15s",
        "log_startup_progress_interval": "1s",
        "client_connection_check_interval": "5s",  # who gave up on a silent server leaves no session behind that waits
        "log_checkpoints": "off",
        # statements and rows hold names and amounts: they never reach a log
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_line_prefix": "%m [%p] %a ",
        "log_timezone": "UTC",
        "timezone": "UTC",
        "lc_messages": "C",
        "default_text_search_config": "pg_catalog.simple",
        "unix_socket_permissions": "0700",
        "listen_addresses": "",
    }


def configuration(data: Path, local: Path) -> str:
    """The text of postgresql.conf; what is in `local`, or set by ALTER SYSTEM, stands over it."""
    lines = [f"{name} = '{value}'" for name, value in sized(memory_bytes(), shutil.disk_usage(data).free).items()]
    if local.exists():
        lines.append(f"include '{local.name}'")
    return "\n".join([f"# Written by Kanjo at every start: put your own settings into {local.name}.", *lines, ""])


HBA = f"""\
# Written by Kanjo at every start. No passwords: the kernel says who is at the other end of the socket.
local all         {SUPERUSER} peer map=kanjo
local replication {SUPERUSER} peer map=kanjo
"""


def ident(names: set[str]) -> str:
    """The text of pg_ident.conf: which users of the operating system may come in."""
    quoted = sorted('"' + name.replace('"', '""') + '"' for name in names)
    return "".join(f"kanjo {name} {SUPERUSER}\n" for name in quoted)
