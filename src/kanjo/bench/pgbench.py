"""PostgreSQL's own benchmark, the program that comes with the server: TPC-B's four statements and a COMMIT."""

from __future__ import annotations

import os
import re
import subprocess

import psycopg
from psycopg.conninfo import conninfo_to_dict

from kanjo.db import Database, binaries
from kanjo.errors import SystemFailed

CLIENTS = (1, 16, 64)
ACCOUNTS_PER_SCALE = 100_000
_TPS = re.compile(r"^tps = ([0-9.]+) ", re.MULTILINE)


def fill(database: Database, accounts: int) -> None:
    """Make its tables, with at least so many accounts."""
    scale = max(1, -(-accounts // ACCOUNTS_PER_SCALE))
    _run(database, "--initialize", f"--scale={scale}", "--quiet")


def best_tps(database: Database, seconds: float) -> float:
    """Transactions a second with prepared statements: of 1, 16 and 64 clients the best. `seconds` for each."""
    return max(_tps(database, clients, max(1, round(seconds))) for clients in CLIENTS)


def lone_ms(database: Database, seconds: float) -> float:
    """How long one client waits for a transaction, on average."""
    return 1000 / _tps(database, 1, max(1, round(seconds)))


def _tps(database: Database, clients: int, seconds: int) -> float:
    threads = min(clients, os.cpu_count() or 1)
    said = _run(
        database,
        *("--protocol=prepared", f"--time={seconds}", f"--client={clients}", f"--jobs={threads}"),
    )
    found = _TPS.search(said)
    if found is None:
        raise SystemFailed("bench-process-died", f"pgbench said no figure: {said.strip()[-500:]}")
    return float(found[1])


def _run(database: Database, *arguments: str) -> str:
    program = binaries.installed() / "pginstall" / "bin" / "pgbench"
    run = subprocess.run(
        [str(program), *arguments],
        env=os.environ | _environment(database),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if run.returncode:
        raise SystemFailed("bench-process-died", f"pgbench failed: {run.stdout.strip()[-500:]}")
    return run.stdout


def _environment(database: Database) -> dict[str, str]:
    """The connection as libpq's variables: a password belongs into no argument."""
    given = conninfo_to_dict(database.url)
    names = {option.keyword.decode(): option.envvar for option in psycopg.pq.Conninfo.get_defaults()}
    return {
        variable.decode(): str(value)
        for name, value in given.items()
        if value and (variable := names.get(name)) is not None
    }
