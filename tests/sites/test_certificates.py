"""Certificates of the sites' own authority, and what a handshake between two parties accepts."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kanjo.errors import Refused, SystemFailed, WrongUsage
from kanjo.sites import certificates
from kanjo.sites.mutual_tls import Credentials, answering, calling, credentials_in, names_of

NOW = datetime.now(UTC)


@pytest.fixture
def tls(tmp_path: Path) -> Path:
    """A folder with certificates for link-a and link-b."""
    certificates.make_authority(tmp_path / "authority", now=NOW)
    for name in ("link-a", "link-b"):
        certificates.issue(tmp_path / "authority", name, ["a.bank.example"], into=tmp_path / "tls", now=NOW)
    return tmp_path / "tls"


def shake(called: Credentials, caller: Credentials, name: str) -> frozenset[str]:
    """Let the caller call by TLS; returns the names that the called party sees."""
    near, far = socket.socketpair()
    near.settimeout(5)
    far.settimeout(5)
    seen: list[frozenset[str] | Exception] = []

    def answer() -> None:
        try:
            with answering(called).wrap_socket(far, server_side=True) as secured:
                assert secured.version() == "TLSv1.3"
                seen.append(names_of(secured.getpeercert()))
                secured.sendall(b"!")
        except (OSError, ssl.SSLError) as error:
            seen.append(error)
            far.close()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with calling(caller).wrap_socket(near, server_hostname=name) as secured:
            assert secured.recv(1) == b"!"
    finally:
        near.close()
        thread.join()
    [found] = seen
    assert isinstance(found, frozenset)
    return found


@pytest.mark.parametrize("name", ["link-b", "127.0.0.1", "localhost", "a.bank.example"])
def test_parties_of_one_authority_know_each_other_by_name(tls: Path, name: str) -> None:
    """A caller is seen by its name; the called party answers to its name and to its hosts."""
    found = shake(credentials_in(tls, "link-b"), credentials_in(tls, "link-a"), name)

    assert {"link-a", "a.bank.example"} <= found


def test_a_party_is_not_taken_for_another(tls: Path) -> None:
    """Who meant to reach link-a does not talk to link-b, although the authority knows both."""
    with pytest.raises(ssl.SSLError, match="mismatch"):
        shake(credentials_in(tls, "link-b"), credentials_in(tls, "link-a"), "link-a")


def test_a_stranger_is_refused_on_either_side(tls: Path, tmp_path: Path) -> None:
    """Another authority's certificates open nothing, whoever calls."""
    certificates.make_authority(tmp_path / "other", now=NOW)
    certificates.issue(tmp_path / "other", "link-a", into=tmp_path / "other-tls", now=NOW)
    stranger = credentials_in(tmp_path / "other-tls", "link-a")
    known = credentials_in(tls, "link-b")
    mixed = Credentials(authority=known.authority, certificate=stranger.certificate, key=stranger.key)

    for called, caller in ((stranger, known), (known, stranger), (known, mixed)):
        with pytest.raises((ssl.SSLError, OSError)):
            shake(called, caller, "link-a" if called is stranger else "link-b")


def test_an_expired_certificate_is_refused(tls: Path, tmp_path: Path) -> None:
    """Validity begins and ends as the maker was told."""
    certificates.issue(tmp_path / "authority", "late", into=tls, now=NOW - timedelta(days=3), valid_days=2)

    with pytest.raises(ssl.SSLError, match="expired"):
        shake(credentials_in(tls, "late"), credentials_in(tls, "link-a"), "late")


def test_keys_are_for_their_owner_and_nothing_is_written_over(tls: Path, tmp_path: Path) -> None:
    """Mode 0600 whatever the umask, and a second making is refused and changes nothing."""
    key = tls / "link-a.key"
    before = key.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600

    for again in (
        lambda: certificates.issue(tmp_path / "authority", "link-a", into=tls, now=NOW),
        lambda: certificates.make_authority(tmp_path / "authority", now=NOW),
    ):
        with pytest.raises(Refused) as refused:
            again()
        assert refused.value.code == "file-exists"
    assert key.read_bytes() == before


def test_what_cannot_be_used_is_said(tmp_path: Path) -> None:
    """No authority, a bad name, files that are not there."""
    with pytest.raises(SystemFailed, match="no usable authority"):
        certificates.issue(tmp_path, "link-a", into=tmp_path, now=NOW)
    with pytest.raises(WrongUsage):
        certificates.issue(tmp_path, "../link", into=tmp_path, now=NOW)
    with pytest.raises(SystemFailed) as failed:
        calling(credentials_in(tmp_path, "nobody"))
    assert failed.value.code == "certificate-unusable"
