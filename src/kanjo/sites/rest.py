"""One short question by HTTP to a Patroni or a member of etcd; only the standard library, for the gate asks too."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any

OK = http.client.OK
SILENT = 0


def asked(
    host: str,
    port: int,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    timeout_s: float,
) -> tuple[int, bytes]:
    """Status and body; SILENT for no answer in time."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return SILENT, b""
    finally:
        connection.close()


def object_in(body: bytes) -> dict[str, Any] | None:
    """The JSON object that it is; None for anything else."""
    try:
        found = json.loads(body or b"null")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
