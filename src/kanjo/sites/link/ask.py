"""Ask every node of a site whether it leads: Patroni's REST, one short request each, all at once."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

import msgspec

from kanjo.sites.link.config import Followed, Node, host_port
from kanjo.sites.link.leader import Claim

ANSWER_BYTES_MAX = 64 * 1024


class _Told(msgspec.Struct):
    """What we read of Patroni's answer."""

    timeline: int | None = None


async def ask_all(service: Followed, timeout_s: float, context: ssl.SSLContext) -> list[Claim]:
    """The claims of the nodes that say yes in time; silence is no claim."""
    answers: Sequence[Claim | None] = await asyncio.gather(
        *(_ask(node, service.ask, timeout_s, context) for node in service.nodes)
    )
    return [claim for claim in answers if claim is not None]


async def _ask(node: Node, path: str, timeout_s: float, context: ssl.SSLContext) -> Claim | None:
    try:
        async with asyncio.timeout(timeout_s):
            return _claim(node, await _get(node.rest, path, context))
    except (OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError):
        return None


async def _get(rest: str, path: str, context: ssl.SSLContext) -> bytes:
    scheme, _, address = rest.rstrip("/").partition("://")
    host, port = host_port(address)
    reader, writer = await asyncio.open_connection(
        host, port, limit=ANSWER_BYTES_MAX, ssl=context if scheme == "https" else None
    )
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while len(answer) < ANSWER_BYTES_MAX and (more := await reader.read(ANSWER_BYTES_MAX)):
            answer += more
        return answer
    finally:
        writer.transport.abort()


def _claim(node: Node, answer: bytes) -> Claim | None:
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or words[1] != b"200":
        return None
    try:
        timeline = msgspec.json.decode(body, type=_Told).timeline
    except msgspec.DecodeError:
        timeline = None
    return Claim(node.address, timeline or None)
