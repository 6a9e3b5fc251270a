"""The register as a gate reads it: what `facts.reader_of` finds under the name in a node's file."""

from __future__ import annotations

from kanjo.errors import KanjoError
from kanjo.sites.decision import RegisterState
from kanjo.sites.facts import RegisterSilent
from kanjo.sites.mutual_tls import Credentials
from kanjo.sites.node_file import RegisterAddress
from kanjo.sites.register.client import RegisterClient

NOBODY = "nobody"
"""The site that a register names in which nothing was decided yet: it is none, so no gate opens."""


class GateReader:
    """Asks once for each decision."""

    def __init__(self, address: RegisterAddress) -> None:
        self._address = address

    def read(self) -> RegisterState:
        """Errors: RegisterSilent, whatever kept the answer away."""
        found = self._address
        credentials = Credentials(authority=found.authority, certificate=found.certificate, key=found.key)
        try:
            state = RegisterClient(f"{found.host}:{found.port}", credentials).read()
        except (KanjoError, ValueError) as error:
            raise RegisterSilent(str(error)) from error
        return RegisterState(site=state.site or NOBODY, epoch=state.epoch, mode=state.mode.value)


def reader(address: RegisterAddress) -> GateReader:
    """The reader of the register at an address."""
    return GateReader(address)
