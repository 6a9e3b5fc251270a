"""Two ends of a link in processes of their own, and what stands in for databases and Patroni behind them."""

from __future__ import annotations

import json
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from registering import Office, process
from waiting import wait_until

from kanjo.sites.lab.made import free_ports
from kanjo.sites.link.control import LinkControl


class Named(socketserver.ThreadingTCPServer):
    """A stand-in for a database: answers every line with its name and the line."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, name: str) -> None:
        self.name = name.encode()
        super().__init__(("127.0.0.1", 0), _Echo)
        self.address = f"127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


class _Echo(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Named)
        try:
            for line in self.rfile:
                self.wfile.write(self.server.name + b":" + line)
        except OSError:
            pass


class Patroni(ThreadingHTTPServer):
    """A stand-in for one node's Patroni: says yes to `leads`, or nothing at all when `silent`."""

    daemon_threads = True

    def __init__(self) -> None:
        self.leads: str | None = None
        self.timeline: int | None = 1
        self.asked_count = 0
        super().__init__(("127.0.0.1", 0), _Rest)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


class _Rest(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Patroni)
        leads = self.server.leads == self.path
        body = json.dumps({"role": "primary", "timeline": self.server.timeline}).encode()
        self.send_response(200 if leads else 503)
        self.end_headers()
        self.wfile.write(body)
        self.server.asked_count += 1

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class TwoSites:
    """Site a with two nodes behind its end, site b whose processes come in through its own."""

    def __init__(self, office: Office, folder: Path) -> None:
        self.office, self.folder = office, folder
        self.databases = [Named("a1"), Named("a2")]
        self.patronis = [Patroni(), Patroni()]
        self.ports = dict(zip("ab", free_ports(2), strict=True))
        self.ends: dict[str, subprocess.Popen[str]] = {}
        self.doors: dict[str, dict[str, str]] = {}
        self._stacks: dict[str, ExitStack] = {}

    def lead(self, number: int | None, timeline: int | None = 1) -> None:
        """This node leads from now on, no other."""
        for index, patroni in enumerate(self.patronis):
            patroni.timeline = timeline if index == number else patroni.timeline
            patroni.leads = "/primary" if index == number else None

    def config(self, site: str, **more: Any) -> Path:
        """An end's configuration in a file."""
        other = "b" if site == "a" else "a"
        nodes = [
            {"rest": patroni.url, "address": database.address}
            for patroni, database in zip(self.patronis, self.databases, strict=True)
        ]
        services = [
            {"type": "followed", "name": "leader", "ask": "/primary", "nodes": nodes},
            {"type": "followed", "name": "standby-leader", "ask": "/standby-leader", "nodes": nodes},
            {"type": "fixed", "name": "a2", "address": self.databases[1].address},
        ]
        content = {
            "site": site,
            "listen": f"127.0.0.1:{self.ports[site]}",
            "other": f"127.0.0.1:{self.ports[other]}",
            "peer": f"link-{other}",
            "tls": {
                "authority": str(self.office.tls / "authority.crt"),
                "certificate": str(self.office.tls / f"link-{site}.crt"),
                "key": str(self.office.tls / f"link-{site}.key"),
            },
            "control": str(self.folder / f"{site}.sock"),
            "state": str(self.folder / f"{site}.valve"),
            "entrances": [
                {"service": name, "listen": "127.0.0.1:0"} for name in ("leader", "standby-leader", "a2", "nothing")
            ]
            if site == "b"
            else [],
            "services": services if site == "a" else [],
            "ask_every_ms": 50,
        }
        path = self.folder / f"{site}.json"
        path.write_text(json.dumps(content | more))
        return path

    def start(self, site: str, **more: Any) -> dict[str, Any]:
        """Run an end; returns what it said of itself."""
        stack = self._stacks[site] = ExitStack()
        self.ends[site], told = stack.enter_context(
            process("-m", "kanjo.sites.link", "--config", str(self.config(site, **more)))
        )
        self.doors[site] = told["listening"]
        return told

    def stop(self, site: str) -> None:
        """Kill an end."""
        self._stacks.pop(site).close()

    def control(self, site: str) -> LinkControl:
        """The end's control channel."""
        return LinkControl(self.folder / f"{site}.sock")

    def call(self, service: str = "leader") -> Caller:
        """Connect to a service of site a from site b."""
        return Caller(self.doors["b"][service])

    def leader_seen(self, number: int) -> None:
        """Wait until the end of a follows this node."""
        wanted = self.databases[number].address

        def seen() -> bool:
            [leader] = [one for one in self.control("a").status().services if one.name == "leader"]
            return leader.present and leader.address == wanted

        wait_until(seen, f"following a{number + 1}")

    def close(self) -> None:
        """End everything."""
        for site in list(self._stacks):
            self.stop(site)
        for server in (*self.databases, *self.patronis):
            server.shutdown()
            server.server_close()


class Caller:
    """A connection of one of site b's processes."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        self._answers = self.socket.makefile("rb")

    def ask(self, word: str = "hello") -> str:
        """Say a line and read the answer; empty when the connection was closed."""
        try:
            self.socket.sendall(word.encode() + b"\n")
            return self._answers.readline().decode().rstrip("\n")
        except ConnectionError:
            return ""

    def silent(self, for_s: float = 0.2) -> bool:
        """Whether nothing comes, not even an end."""
        self.socket.settimeout(for_s)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        except ConnectionError:
            return False
        finally:
            self.socket.settimeout(10)
        return False

    def closed(self) -> bool:
        """Wait for the end of the connection."""
        try:
            return self._answers.read(1) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        """Hang up."""
        self._answers.close()
        self.socket.close()


@contextmanager
def two_sites(office: Office, folder: Path, **more: Any) -> Iterator[TwoSites]:
    """Both ends running, a1 leading."""
    sites = TwoSites(office, folder)
    try:
        sites.lead(0)
        sites.start("a", **more)
        sites.start("b")
        sites.leader_seen(0)
        yield sites
    finally:
        sites.close()
