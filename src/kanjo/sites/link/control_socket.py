"""The control channel of an end: a Unix socket of its owner alone, a line of JSON for each order and each answer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path
from typing import TypeAlias

import msgspec

from kanjo.errors import KanjoError, SystemFailed, WrongUsage
from kanjo.sites.link.end import End
from kanjo.sites.link.valve import Blackhole, Cut, Delay, Heal

LINE_BYTES_MAX = 4096
SOCKET_PATH_BYTES_MAX = 107


class Status(msgspec.Struct, frozen=True, tag="status", tag_field="do"):
    """Say how you stand."""


Wish: TypeAlias = Status | Cut | Heal | Blackhole | Delay


async def serve_control(end: End) -> asyncio.Server:
    """Listen on the configured path; a socket that a killed end left there is replaced.

    Errors: `link-in-use` (another end answers there), `bad-config` (the path is too long for a socket).
    """
    path = Path(end.config.control)
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
        raise WrongUsage("bad-config", f"{path} is longer than the {SOCKET_PATH_BYTES_MAX} bytes of a socket's path.")
    if _somebody_answers(path):
        raise SystemFailed("link-in-use", f"Another end of the link answers on {path}.", path=str(path))
    path.unlink(missing_ok=True)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(await _answered(end, line) + b"\n")
                await writer.drain()
        except (OSError, ValueError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    before = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(connected, path, limit=LINE_BYTES_MAX)
    finally:
        os.umask(before)


async def _answered(end: End, line: bytes) -> bytes:
    try:
        wish = msgspec.json.decode(line, type=Wish)
        return msgspec.json.encode(end.status() if isinstance(wish, Status) else await end.turn(wish))
    except msgspec.DecodeError as error:
        return _refusal("wrong-usage", f"Not an order: {error}.", 2)
    except KanjoError as error:
        return _refusal(error.code, error.message, error.exit_status)


def _refusal(code: str, message: str, exit_status: int) -> bytes:
    return msgspec.json.encode({"error": {"code": code, "message": message, "exit_status": exit_status}})


def _somebody_answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.fsencode(path))
        except OSError:
            return False
    return True
