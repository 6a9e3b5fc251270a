"""Ask the register, from any process: blocking, bounded in time, and light enough for the gate that Patroni starts.

Nothing beyond the standard library and msgspec is imported here, no cryptography; a test sees to that.
"""

from __future__ import annotations

import contextlib
import http.client
import ssl
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from kanjo.errors import KanjoError, Refused, SystemFailed, WrongUsage
from kanjo.sites.mutual_tls import Credentials, Validity, calling, validity_of
from kanjo.sites.register.state import AnyChange, RegisterState

if TYPE_CHECKING:
    from kanjo.sites.person import Signature

TIMEOUT_S = 3.0
ANSWER_BYTES_MAX = 16 * 1024 * 1024
_KINDS: dict[int, type[KanjoError]] = {400: WrongUsage, 409: Refused}


class RegisterClient:
    """A way to the register at `address` (HOST:PORT), whose certificate must bear `name`."""

    def __init__(
        self, address: str, credentials: Credentials, *, name: str = "register", timeout_s: float = TIMEOUT_S
    ) -> None:
        host, _, port = address.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._context = calling(credentials)
        self._name = name
        self._timeout_s = timeout_s

    def read(self) -> RegisterState:
        """How things stand. Error: `register-unreachable`."""
        return msgspec.json.decode(self._ask("GET", "/state"), type=RegisterState)

    def change(self, change: AnyChange, by: Sequence[Signature]) -> RegisterState:
        """Bring a change that two persons signed; returns the state it led to, which is on the register's disk.

        Raises what the register refuses, with its code. After `register-unreachable` it may have been entered: bring
        the same change again, it is entered once.
        """
        return msgspec.json.decode(
            self._ask("POST", "/change", msgspec.json.encode({"change": change, "by": list(by)})), type=RegisterState
        )

    def history(self, after: int = 0) -> Iterator[dict[str, Any]]:
        """All entries behind an epoch, oldest first, as JSON objects; `entry.read_history` makes values of them."""
        while True:
            page = msgspec.json.decode(self._ask("GET", f"/history?after={after}"))
            yield from page["entries"]
            if not page["entries"]:
                return
            after += len(page["entries"])

    def public_key(self) -> str:
        """The key that the register says is its own (base64); compare it with the one that was noted at its birth."""
        return str(msgspec.json.decode(self._ask("GET", "/history?after=999999999"))["public_key"])

    def certificate(self) -> Validity:
        """The register's own, as it shows it. Error: `register-unreachable`."""
        with self._connected() as connection:
            connection.connect()
            assert isinstance(connection.sock, ssl.SSLSocket)
            return validity_of(connection.sock.getpeercert() or {})

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        doubt = " Whether the change was entered is unknown: repeat it, it is entered once." if body else ""
        with self._connected(doubt) as connection:
            connection.request(method, path, body)
            answer = connection.getresponse()
            content = answer.read(ANSWER_BYTES_MAX)
        if answer.status == http.client.OK:
            return content
        found = msgspec.json.decode(content)["error"]
        raise _KINDS.get(answer.status, SystemFailed)(found.pop("code"), found.pop("message"), **found)

    @contextlib.contextmanager
    def _connected(self, doubt: str = "") -> Iterator[_Connection]:
        try:
            opened = _Connection(self._host, self._port, self._timeout_s, self._context, self._name)
            with contextlib.closing(opened) as connection:
                yield connection
        except (OSError, http.client.HTTPException) as error:
            raise SystemFailed(
                "register-unreachable",
                f"The register at {self._host}:{self._port} does not answer: {error or type(error).__name__}.{doubt}",
            ) from error


class _Connection(http.client.HTTPConnection):
    """One request's connection: TCP, then TLS with the register's name."""

    def __init__(self, host: str, port: int, timeout_s: float, context: ssl.SSLContext, name: str) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self._context = context
        self._name = name

    def connect(self) -> None:
        super().connect()
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self._name)
