"""Certificates of the sites' own authority, and what a handshake between two parties accepts."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from kanjo.errors import Refused, SystemFailed, WrongUsage
from kanjo.sites import Topology, certificates
from kanjo.sites.mutual_tls import (
    Credentials,
    Validity,
    answering,
    calling,
    credentials_in,
    names_of,
    renew,
    validity_of,
)
from kanjo.sites.validity import validities

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


def test_two_authorities_in_one_file_know_the_parties_of_both(tls: Path, tmp_path: Path) -> None:
    """So that an authority is replaced one party at a time; until when each is valid is read from the file."""
    certificates.make_authority(tmp_path / "next", now=NOW, valid_days=certificates.AUTHORITY_DAYS + 1)
    certificates.issue(tmp_path / "next", "link-a", into=tmp_path / "next-tls", now=NOW)
    both = tmp_path / "both.crt"
    both.write_bytes(b"".join((tmp_path / name / "authority.crt").read_bytes() for name in ("authority", "next")))
    old, new = credentials_in(tls, "link-b"), credentials_in(tmp_path / "next-tls", "link-a")
    old, new = (msgspec.structs.replace(one, authority=str(both)) for one in (old, new))

    assert "link-a" in shake(old, new, "link-b")
    own, one, other = validities(new)
    assert own == Validity("link-a", (NOW + timedelta(days=certificates.PARTY_DAYS)).replace(microsecond=0))
    assert other.until - one.until == timedelta(days=1)


def test_a_context_renews_itself_whole_or_not_at_all(tls: Path, tmp_path: Path) -> None:
    """What is shown from now on is the new certificate; a key that does not belong to it changes nothing."""
    certificates.issue(tmp_path / "authority", "link-b", into=tmp_path / "new", now=NOW, valid_days=99)
    old, new = credentials_in(tls, "link-b"), credentials_in(tmp_path / "new", "link-b")
    context, caller = answering(old), credentials_in(tls, "link-a")

    with pytest.raises(SystemFailed) as failed:
        renew(context, msgspec.structs.replace(new, key=old.key))
    assert failed.value.code == "certificate-unusable"
    assert _shown(context, caller).until - NOW > timedelta(days=800)

    renew(context, new)
    assert _shown(context, caller).until - NOW < timedelta(days=100)


def _shown(called: ssl.SSLContext, caller: Credentials) -> Validity:
    """The certificate that a caller is shown."""
    to_called, to_caller = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = called.wrap_bio(to_called, to_caller, server_side=True)
    client = calling(caller).wrap_bio(to_caller, to_called, server_hostname="link-b")
    for side in (client, server, client):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return validity_of(client.getpeercert())


def test_a_lost_authority_is_not_replaced_by_another(example: Topology, tmp_path: Path) -> None:
    """Whoever looks at certificates, or renews one, away from the authority's folder makes no second authority."""
    out = tmp_path / "out"
    first = certificates.issue_all(example, tmp_path / "authority", out, now=NOW)

    again = certificates.issue_all(example, tmp_path / "elsewhere", out, now=NOW)
    assert [one.until for one in again] == [one.until for one in first] and not any(one.is_new for one in again)
    for file in (first[0].certificate, first[0].certificate.with_suffix(".key")):
        file.unlink()
    with pytest.raises(SystemFailed) as failed:
        certificates.issue_all(example, tmp_path / "elsewhere", out, now=NOW)
    assert failed.value.code == "authority-missing"


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


def test_the_authority_is_replaced_as_the_runbook_says(example: Topology, tmp_path: Path) -> None:
    """Both are trusted first, then one party after another is renewed, then the old one is taken out: all the time
    everybody talks with everybody, and in the end nobody with who has a certificate of the old one.
    """
    installed, other = tmp_path / "installed", tmp_path / "next-installed"
    issued = certificates.issue_all(example, tmp_path / "authority", installed, now=NOW)
    assert not any(one.is_new for one in certificates.issue_all(example, tmp_path / "next", installed, now=NOW))
    assert not (tmp_path / "next").exists()
    certificates.issue_all(example, tmp_path / "next", other, now=NOW)
    folders = {one.party: one.certificate.parent for one in issued}
    parties = {name: credentials_in(folder, name) for name, folder in folders.items()}
    first, second = ((tmp_path / name / "authority.crt").read_bytes() for name in ("authority", "next"))
    pairs = [("link-a", "link-b"), ("link-b", "link-a"), ("register", "a1"), ("register", "operator")]

    def everybody_talks() -> bool:
        return all(caller in shake(parties[called], parties[caller], called) for called, caller in pairs)

    stale = shutil.copytree(folders["link-b"], tmp_path / "stale")
    for folder in set(folders.values()):
        (folder / "authority.crt").write_bytes(second + first)
    assert everybody_talks()
    for name, folder in folders.items():
        for ending in ("crt", "key"):
            shutil.copyfile(other / folder.relative_to(installed) / f"{name}.{ending}", folder / f"{name}.{ending}")
        assert everybody_talks()
    for folder in set(folders.values()):
        (folder / "authority.crt").write_bytes(second)
    assert everybody_talks()
    (stale / "authority.crt").write_bytes(second + first)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shake(parties["link-a"], credentials_in(stale, "link-b"), "link-a")
