"""The register's process: mutual TLS, three questions, one writer.

GET /state, GET /history?after=EPOCH, POST /change. Whoever has a certificate of the authority may read; what changes
something needs the signatures of two persons, whoever brings it. A change is answered when it is on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog

from kanjo.errors import KanjoError, Refused, WrongUsage
from kanjo.sites.json_file import bad_config, read_json_file
from kanjo.sites.mutual_tls import Credentials, answering, names_of
from kanjo.sites.person import make_person, read_key, read_persons
from kanjo.sites.register.entry import Submission
from kanjo.sites.register.http import HEAD_BYTES_MAX, Asked, Malformed, read_request, response
from kanjo.sites.register.log import Log

CONNECTIONS_MAX = 64
HANDSHAKE_S_MAX = 5.0
ENTRIES_MAX = 200
KEY = "register"
_LOG = structlog.get_logger()


class RegisterConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to serve a register. `listen` is HOST:PORT; `persons` the folder of public keys; `folder` holds the history.

    `callers`: the names of certificates that may ask at all; empty means all that the authority knows.
    """

    listen: str
    sites: list[str]
    folder: str
    persons: str
    tls: Credentials
    callers: list[str] = []


class Register:
    """Answers questions from the log."""

    def __init__(self, config: RegisterConfig, *, clock: Callable[[], str] | None = None) -> None:
        self._config = config
        self._clock = clock or (lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
        folder = Path(config.folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        secret = folder / f"{KEY}.key"
        if not secret.exists():
            make_person(folder, KEY)  # it signs as a person does, with a key of its own
        self._log = Log(folder, read_key(secret))
        self._public_key = read_persons(folder)[KEY]
        self._connections_count = 0

    def close(self) -> None:
        """Let go of the history."""
        self._log.close()

    async def serve(self, told: Callable[[str], None]) -> None:
        """Answer until cancelled; tells the address once it listens."""
        host, _, port = self._config.listen.rpartition(":")
        server = await asyncio.start_server(
            self._connected,
            host.strip("[]"),
            int(port),
            ssl=answering(self._config.tls),
            ssl_handshake_timeout=HANDSHAKE_S_MAX,
            limit=HEAD_BYTES_MAX,
        )
        found = server.sockets[0].getsockname()
        told(f"{found[0]}:{found[1]}")
        async with server:
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections_count += 1
        try:
            if self._connections_count <= CONNECTIONS_MAX:
                names = names_of(writer.get_extra_info("peercert"))
                writer.write(await self._answered(reader, names))
                await writer.drain()
        except (OSError, EOFError, TimeoutError, ssl.SSLError):
            pass  # a caller who goes away, or never comes to the point, is owed nothing
        finally:
            self._connections_count -= 1
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
                await writer.wait_closed()

    async def _answered(self, reader: asyncio.StreamReader, names: frozenset[str]) -> bytes:
        try:
            asked = await read_request(reader)
            if self._config.callers and names.isdisjoint(self._config.callers):
                raise Refused("caller-unknown", f"{', '.join(sorted(names))} may not ask this register.")
            return response(200, self._answer(asked, names))
        except Malformed as error:
            return _refusal(WrongUsage("wrong-usage", f"Not a request that the register takes: {error}."))
        except KanjoError as error:
            _LOG.info("refused", code=error.code, message=error.message, caller=sorted(names))
            return _refusal(error)

    def _answer(self, asked: Asked, names: frozenset[str]) -> bytes:
        self._log.require_sound()
        match asked.method, asked.path:
            case "GET", "/state":
                return msgspec.json.encode(self._log.state)
            case "GET", "/history":
                return self._history(asked.query.get("after", "0"))
            case "POST", "/change":
                return self._change(asked.body, names)
        raise WrongUsage("wrong-usage", "There are GET /state, GET /history and POST /change.")

    def _history(self, after: str) -> bytes:
        if not after.isascii() or not after.isdigit():
            raise WrongUsage("wrong-usage", f"`after` is an epoch, not {after!r}.")
        entries = self._log.entries[int(after) : int(after) + ENTRIES_MAX]
        return msgspec.json.encode({"entries": entries, "epoch": self._log.state.epoch, "public_key": self._public_key})

    def _change(self, body: bytes, names: frozenset[str]) -> bytes:
        try:
            submission = msgspec.json.decode(body, type=Submission)
        except msgspec.DecodeError as error:
            raise WrongUsage("wrong-usage", f"Not a change: {error}.") from error
        persons = read_persons(Path(self._config.persons))
        state = self._log.change(submission, sites=self._config.sites, persons=persons, clock=self._clock)
        _LOG.info("changed", state=msgspec.to_builtins(state), caller=sorted(names))
        return msgspec.json.encode(state)


def _refusal(error: KanjoError) -> bytes:
    status = 409 if isinstance(error, Refused) else 400 if isinstance(error, WrongUsage) else 503
    return response(
        status, msgspec.json.encode({"error": {"code": error.code, "message": error.message, **error.details}})
    )


def read_config(path: Path) -> RegisterConfig:
    """The configuration from its JSON file. Error: `bad-config`."""
    config = read_json_file(path, RegisterConfig)
    if not config.listen.rpartition(":")[2].isdigit():
        raise bad_config(path, f"`listen` is HOST:PORT, not {config.listen!r}")
    return config
