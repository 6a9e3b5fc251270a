"""The register as a gate reads it: what `facts.reader_of` finds under the name in a node's file."""

from __future__ import annotations

from kanjo.errors import KanjoError
from kanjo.sites.facts import RegisterSilent
from kanjo.sites.mutual_tls import Credentials
from kanjo.sites.node_file import RegisterAddress
from kanjo.sites.register.client import RegisterClient
from kanjo.sites.register.state import RegisterState


class GateReader:
    """Asks once for each decision."""

    def __init__(self, address: RegisterAddress) -> None:
        self._address = address

    def read(self) -> RegisterState:
        """Errors: RegisterSilent, whatever kept the answer away."""
        found = self._address
        credentials = Credentials(authority=found.authority, certificate=found.certificate, key=found.key)
        try:
            return RegisterClient(f"{found.host}:{found.port}", credentials).read()
        except (KanjoError, ValueError) as error:
            raise RegisterSilent(str(error)) from error


def reader(address: RegisterAddress) -> GateReader:
    """The reader of the register at an address."""
    return GateReader(address)
