"""`python -m kanjo.sites.register --config FILE`: serve the register until SIGTERM.

Prints one line of JSON with the address once it answers; logs go to standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from pathlib import Path

from kanjo.errors import KanjoError
from kanjo.sites.process import log_to_stderr, until_told_to_end
from kanjo.sites.register.server import Register, read_config


def main() -> int:
    """Serve; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kanjo.sites.register", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="JSON file, see docs/reference/register.md")
    arguments = parser.parse_args()
    log_to_stderr()
    try:
        with contextlib.closing(Register(read_config(arguments.config))) as register:
            asyncio.run(until_told_to_end(register.serve(_tell)))
    except KanjoError as error:
        sys.stderr.write(f"{error.code}: {error.message}\n")
        return error.exit_status
    except OSError as error:
        sys.stderr.write(f"system-error: {error}\n")
        return 3
    return 0


def _tell(address: str) -> None:
    sys.stdout.write(json.dumps({"listening": address}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
