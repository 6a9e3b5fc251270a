"""What the small processes of the sites have in common: how they are begun, what they say, and how they end."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import structlog

from kanjo.errors import KanjoError


def run(module: str, what: str, work: Callable[[Path], Coroutine[Any, Any, None]]) -> int:
    """`python -m MODULE --config FILE`: work until SIGTERM or SIGINT; returns the exit status.

    Errors are one line on standard error; so is each decision, as JSON.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=what)
    parser.add_argument("--config", type=Path, required=True, help="JSON file, see docs/reference")
    arguments = parser.parse_args()
    _log_to_stderr()
    try:
        asyncio.run(_until_told_to_end(work(arguments.config)))
    except KanjoError as error:
        sys.stderr.write(f"{error.code}: {error.message}\n")
        return error.exit_status
    except OSError as error:
        sys.stderr.write(f"system-error: {error}\n")
        return 3
    return 0


def say(line: bytes) -> None:
    """The one line of JSON on standard output, once the process is there."""
    sys.stdout.write(line.decode() + "\n")
    sys.stdout.flush()


def _log_to_stderr() -> None:
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.add_log_level,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )


async def _until_told_to_end(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        if not task.cancelled():
            raise
