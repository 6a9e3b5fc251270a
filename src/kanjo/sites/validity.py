"""Until when certificates are valid, read from their files (PEM); what is shown at a handshake is `mutual_tls.py`'s."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from kanjo.errors import SystemFailed
from kanjo.sites.mutual_tls import Credentials, Validity


def validities(credentials: Credentials) -> tuple[Validity, ...]:
    """Of a party's own certificate and of every authority that it trusts. Error: `certificate-unusable`."""
    return (*validities_in(Path(credentials.certificate)), *validities_in(Path(credentials.authority)))


def validities_in(file: Path) -> tuple[Validity, ...]:
    """Of all certificates in a file. Error: `certificate-unusable`."""
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as error:
        raise SystemFailed(
            "certificate-unusable", f"{file} holds no certificate that can be read: {error}.", certificate=str(file)
        ) from error
    return tuple(Validity(_name(one), one.not_valid_after_utc) for one in found)


def _name(certificate: x509.Certificate) -> str:
    return "".join(str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME))
