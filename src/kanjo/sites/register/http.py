"""The little of HTTP/1.1 that the register speaks: one request a connection, bounded in size and in time."""

from __future__ import annotations

import asyncio
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

HEAD_BYTES_MAX = 8 * 1024
BODY_BYTES_MAX = 64 * 1024
REQUEST_S_MAX = 5.0
_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 409: "Conflict", 503: "Unavailable"}


class Asked(NamedTuple):
    """A request; `query` has the first value of each name."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes


class Malformed(Exception):
    """What came is no request that we take."""


async def read_request(reader: asyncio.StreamReader) -> Asked:
    """Read one request whole. Raises `Malformed`, `TimeoutError`, `EOFError`, `ConnectionError`."""
    async with asyncio.timeout(REQUEST_S_MAX):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise Malformed(f"the head of a request has at most {HEAD_BYTES_MAX} bytes") from None
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise Malformed("the first line is not METHOD PATH HTTP/1.1")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if "transfer-encoding" in headers:
            raise Malformed("a body is sent whole, with its Content-Length")
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > BODY_BYTES_MAX:
            raise Malformed(f"a body has at most {BODY_BYTES_MAX} bytes")
        body = await reader.readexactly(int(length))
    target = urlsplit(words[1])
    query = {name: values[0] for name, values in parse_qs(target.query).items()}
    return Asked(words[0], target.path, query, body)


def response(status: int, body: bytes) -> bytes:
    """An answer in JSON, after which the connection is closed."""
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
