"""A proxy before the database's socket that loses a COMMIT or its answer, as a network does at the worst moment."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from kanjo.db import Database

NAME = ".s.PGSQL.5432"
DEADLINE_S = 30.0


class Fault(NamedTuple):
    """Whether the COMMIT still arrives, and how the line ends: closed at once, or deaf until `hang_up`."""

    arrives: bool
    end: Literal["closes", "goes deaf"]


class _Line:
    """One client's connection and ours to the server."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.deaf = threading.Event()

    def close(self) -> None:
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class DeafProxy:
    """Passes everything on; `fail_next_commit` arms one fault. `cut` is set when it has happened."""

    def __init__(self, server: Path, folder: Path) -> None:
        self.folder = folder
        self.cut = threading.Event()
        self._server = server
        self._fault: Fault | None = None
        self._lock = threading.Lock()
        self._lines: list[_Line] = []
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(folder / NAME))
        self._door.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def fail_next_commit(self, fault: Fault) -> None:
        """The next COMMIT on any line meets this fault."""
        self.cut.clear()
        self._fault = fault

    def hang_up(self) -> None:
        """Close the lines that are deaf."""
        for line in self._lines:
            if line.deaf.is_set():
                line.close()

    def close(self) -> None:
        """Close all."""
        self._door.close()
        for line in self._lines:
            line.close()

    def __enter__(self) -> DeafProxy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._door.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._server / NAME))
                line = _Line(client, server)
                self._lines.append(line)
                threading.Thread(target=self._pass_up, args=(line,), daemon=True).start()
                threading.Thread(target=self._pass_down, args=(line,), daemon=True).start()

    def _pass_up(self, line: _Line) -> None:
        """From client to server."""
        with contextlib.suppress(OSError):
            while part := line.client.recv(1 << 16):
                if line.deaf.is_set():
                    continue
                if b"COMMIT" in part and (fault := self._take_fault()) is not None:
                    self._meet(fault, line, part)
                else:
                    line.server.sendall(part)
        if not line.deaf.is_set():
            line.close()

    def _pass_down(self, line: _Line) -> None:
        """From server to client; what comes while the line is deaf is lost."""
        with contextlib.suppress(OSError):
            while part := line.server.recv(1 << 16):
                if line.deaf.is_set():
                    self.cut.set()  # the answer to the COMMIT: it is done
                    if self._closes:
                        line.close()
                else:
                    line.client.sendall(part)
        if not line.deaf.is_set():
            line.close()

    def _meet(self, fault: Fault, line: _Line, part: bytes) -> None:
        self._closes = fault.end == "closes"
        line.deaf.set()
        if fault.arrives:
            line.server.sendall(part)
            return
        self.cut.set()
        if self._closes:
            line.close()

    def _take_fault(self) -> Fault | None:
        with self._lock:
            fault, self._fault = self._fault, None
            return fault


@contextlib.contextmanager
def through_proxy(database: Database) -> Iterator[tuple[DeafProxy, Database]]:
    """A proxy, and the database as one reaches it through it."""
    folder = Path(tempfile.mkdtemp(prefix="kanjo-proxy-"))
    try:
        server = Path(str(conninfo_to_dict(database.url)["host"]))
        with DeafProxy(server, folder) as proxy:
            # the proxy is no server: who listens there is not who the server would be
            url = make_conninfo(database.url, host=str(folder), requirepeer="")
            yield proxy, Database(url, database.embedded, database.server_version)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
