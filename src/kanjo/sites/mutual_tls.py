"""Mutual TLS (相互認証): both sides show a certificate of the sites' own authority, or nothing is said.

Only the standard library, so that the gate's short-lived process can afford it; certificates are made in
`certificates.py`. A party is known by its name, which its certificate bears beside its addresses: a caller checks that
it reached the name it meant, not merely somebody whom the authority knows.
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from kanjo.errors import SystemFailed


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Files (PEM) of one party: whom it trusts, its certificate, its private key."""

    authority: str
    certificate: str
    key: str


class Validity(msgspec.Struct, frozen=True):
    """A certificate: whose it is, and when it ends."""

    name: str
    until: datetime


def credentials_in(folder: Path, name: str) -> Credentials:
    """The files of party `name` under the names that `certificates.py` gives them."""
    return Credentials(
        authority=str(folder / "authority.crt"),
        certificate=str(folder / f"{name}.crt"),
        key=str(folder / f"{name}.key"),
    )


def answering(credentials: Credentials) -> ssl.SSLContext:
    """The context of a party that is called. It asks for the caller's certificate and resumes no session."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, credentials)
    context.num_tickets = 0
    return context


def calling(credentials: Credentials) -> ssl.SSLContext:
    """The context of a party that calls; give the name it means to reach as `server_hostname`."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT, credentials)
    assert context.check_hostname
    return context


def renew(context: ssl.SSLContext, credentials: Credentials) -> None:
    """Use these files for every handshake from now on; who is connected stays so.

    An authority is trusted beside those before. Files that cannot be used change nothing: `certificate-unusable`.
    """
    _load(ssl.SSLContext(context.protocol), credentials)
    _load(context, credentials)


def names_of(certificate: object) -> frozenset[str]:
    """The names in a peer's certificate, as `getpeercert()` gives it; none when there is no certificate."""
    if not isinstance(certificate, dict):
        return frozenset()
    return frozenset(value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS")


def validity_of(certificate: dict[str, Any]) -> Validity:
    """Of a peer's certificate, as `getpeercert()` gives it."""
    [name] = [value for pairs in certificate["subject"] for kind, value in pairs if kind == "commonName"]
    return Validity(name, datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC))


def _context(protocol: int, credentials: Credentials) -> ssl.SSLContext:
    """TLS 1.3 only, the other side verified strictly against our authority and no other."""
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    _load(context, credentials)
    return context


def _load(context: ssl.SSLContext, credentials: Credentials) -> None:
    """Error: `certificate-unusable`."""
    try:
        context.load_verify_locations(credentials.authority)
        context.load_cert_chain(credentials.certificate, credentials.key)
    except (OSError, ssl.SSLError) as error:
        raise SystemFailed(
            "certificate-unusable",
            f"The certificate {credentials.certificate}, its key or the authority {credentials.authority} cannot be "
            f"used: {error}. Make them anew, or correct the paths.",
            certificate=credentials.certificate,
        ) from error
