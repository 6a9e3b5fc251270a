"""What tests of the sites make again and again: persons, certificates, a register's process, signed changes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kanjo.sites import certificates
from kanjo.sites.mutual_tls import credentials_in
from kanjo.sites.person import Signature, make_person, read_key, sign
from kanjo.sites.register.client import RegisterClient
from kanjo.sites.register.entry import digest_of_change
from kanjo.sites.register.state import AnyChange, Appoint

NOW = datetime.now(UTC)
SITES = ["a", "b"]
PEOPLE = ["hanako", "taro"]


class Office:
    """A folder with everybody's keys, everybody's certificates and a register."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tls = folder / "tls"
        certificates.make_authority(folder / "authority", now=NOW)
        for name in ("register", "operator", "gate-a", "link-a", "link-b"):
            certificates.issue(folder / "authority", name, into=self.tls, now=NOW)
        for name in PEOPLE:
            make_person(folder / "persons", name)

    def renew(self, name: str, now: datetime = NOW, valid_days: int = certificates.PARTY_DAYS) -> None:
        """Give a party another certificate in the place of its old one."""
        for ending in ("crt", "key"):
            (self.tls / f"{name}.{ending}").unlink()
        certificates.issue(self.folder / "authority", name, into=self.tls, now=now, valid_days=valid_days)

    def key(self, person: str) -> Ed25519PrivateKey:
        """A person's private key."""
        return read_key(self.folder / "persons" / f"{person}.key")

    def signed(self, change: AnyChange, *people: str) -> list[Signature]:
        """The signatures of both, or of these."""
        digest = digest_of_change(change)
        return [sign(person, self.key(person), digest) for person in people or PEOPLE]

    def config(self, **more: Any) -> Path:
        """A register's configuration in a file."""
        path = self.folder / "register.json"
        content = {
            "listen": "127.0.0.1:0",
            "sites": SITES,
            "folder": str(self.folder / "register"),
            "persons": str(self.folder / "persons"),
            "tls": {
                "authority": str(self.tls / "authority.crt"),
                "certificate": str(self.tls / "register.crt"),
                "key": str(self.tls / "register.key"),
            },
        }
        path.write_text(json.dumps(content | more))
        return path

    def client(self, address: str, name: str = "operator") -> RegisterClient:
        """A way to the register, with this party's certificate."""
        return RegisterClient(address, credentials_in(self.tls, name))


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A Python process that says on its first line of JSON that it is ready; killed at the end, whatever happens."""
    started = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert started.stdout is not None and started.stderr is not None
        line = started.stdout.readline()
        assert line, started.stderr.read()
        yield started, json.loads(line)
    finally:
        started.kill()
        started.communicate()


@contextmanager
def serving(office: Office, **more: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A register in a process of its own, and its address."""
    with process("-m", "kanjo.sites.register", "--config", str(office.config(**more))) as (started, told):
        yield started, told["listening"]


def appoint(site: str = "a", epoch: int = 0, **more: Any) -> Appoint:
    """A change that appoints a site."""
    return Appoint(site=site, expected_epoch=epoch, reason="bring-up", **more)
