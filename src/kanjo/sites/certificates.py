"""The sites' own authority (認証局) and the certificates it gives: link ends, the register, those who ask it.

Nothing that exists is ever written over: a lost key is replaced by deleting it knowingly. Private keys are files that
only their owner reads. The time is told by the caller, so that the making can be tested.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kanjo.errors import SystemFailed, WrongUsage
from kanjo.sites.mutual_tls import Credentials, credentials_in
from kanjo.sites.new_file import write_new
from kanjo.sites.render import Installed
from kanjo.sites.render.desk import DESK
from kanjo.sites.render.hosts import Party, parties
from kanjo.sites.topology import Topology
from kanjo.sites.validity import validities_in

AUTHORITY = "authority"
AUTHORITY_DAYS = 3650
PARTY_DAYS = 825
CLOCKS_APART = timedelta(minutes=10)
"""How far a host's clock may lag behind ours before it takes a fresh certificate for one of the future."""
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def make_authority(folder: Path, *, now: datetime, valid_days: int = AUTHORITY_DAYS) -> None:
    """Make `authority.crt` and `authority.key` in `folder`. Error: `file-exists`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject("Kanjo sites authority")
    certificate = (
        _begun(subject, subject, key.public_key(), key.public_key(), now, valid_days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_pair(folder, AUTHORITY, certificate, key)


def issue(
    authority: Path, name: str, hosts: Iterable[str] = (), *, into: Path, now: datetime, valid_days: int = PARTY_DAYS
) -> Credentials:
    """Give party `name` a key and a certificate in `into`, for calling and for being called.

    The certificate names the party, `hosts` (names or addresses) and the loopback. `authority` is the folder of
    `make_authority`; a copy of its certificate is laid beside. Errors: `file-exists`, `authority-missing`.
    """
    if not _NAME.fullmatch(name) or name == AUTHORITY:
        raise WrongUsage("wrong-usage", f"A party's name is lower-case letters, digits and hyphens, not {name!r}.")
    signer, signing = _read_authority(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    certificate = (
        _begun(_subject(name), signer.subject, key.public_key(), signing.public_key(), now, valid_days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(uses, critical=False)
        .add_extension(x509.SubjectAlternativeName(_alternatives([name, *hosts])), critical=False)
        .sign(signing, hashes.SHA256())
    )
    _write_pair(into, name, certificate, key)
    found = credentials_in(into, name)
    if not Path(found.authority).exists():
        write_new(Path(found.authority), signer.public_bytes(serialization.Encoding.PEM), 0o644)
    return found


class Issued(msgspec.Struct, frozen=True):
    """A party's certificate; its key lies beside it. `is_new`: it was made now; `until`: it is valid."""

    party: str
    certificate: Path
    is_new: bool
    until: datetime


def issue_all(topology: Topology, authority: Path, out: Path, *, now: datetime) -> tuple[Issued, ...]:
    """Give every party of a topology its certificate, in the folders of `kanjo sites render`; what is there is kept.

    The authority is made with the first certificates, and never beside some of another one: `authority-missing`.
    """
    places = [(party, out / party.folder / f"{party.name}.crt") for party in parties(topology, Installed())]
    if not (authority / f"{AUTHORITY}.crt").exists() and not any(file.exists() for _, file in places):
        make_authority(authority, now=now)
    found = []
    for party, certificate in places:
        is_new = not certificate.exists()
        if is_new:
            issue(authority, party.name, _named(party), into=certificate.parent, now=now)
        [validity] = validities_in(certificate)
        found.append(Issued(party.name, certificate, is_new, validity.until))
    return tuple(found)


def _named(party: Party) -> tuple[str, ...]:
    """The host that others call; nobody calls the desk."""
    return () if party.host == DESK else (party.host,)


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePublicKey,
    now: datetime,
    valid_days: int,
) -> x509.CertificateBuilder:
    assert now.tzinfo is not None and valid_days > 0
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_APART)
        .not_valid_after(now + timedelta(days=valid_days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternatives(hosts: Iterable[str]) -> list[x509.GeneralName]:
    found: dict[str, x509.GeneralName] = {}
    for host in [*hosts, "localhost", "127.0.0.1", "::1"]:
        try:
            found[host] = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            found[host] = x509.DNSName(host)
    return list(found.values())


def _read_authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate((folder / f"{AUTHORITY}.crt").read_bytes())
        key = serialization.load_pem_private_key((folder / f"{AUTHORITY}.key").read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise SystemFailed(
            "authority-missing",
            f"There is no usable authority in {folder} ({error}). Make one first, or name its folder.",
            folder=str(folder),
        ) from error
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return certificate, key


def _write_pair(folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pair = (
        (folder / f"{name}.key", secret, 0o600),
        (
            folder / f"{name}.crt",
            certificate.public_bytes(serialization.Encoding.PEM),
            0o644,
        ),
    )
    folder.mkdir(parents=True, exist_ok=True)
    for path, content, mode in pair:
        write_new(path, content, mode)
