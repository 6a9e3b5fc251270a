"""How an end stands, as it tells whoever asks on its control socket."""

from __future__ import annotations

import msgspec

from kanjo.sites.link.valve import LinkMode
from kanjo.sites.mutual_tls import Validity


class ServiceStatus(msgspec.Struct, frozen=True):
    """A service of this site: where it is, whether it was there when asked last, how many connections go to it."""

    name: str
    address: str | None
    present: bool
    connections: int


class LinkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An end. `listening`: the door of each service of the other site, and "" for the other end's TLS.

    `out_bytes` left this site since the end was started, `in_bytes` came. `certificates`: those in use, its own first.
    """

    site: str
    mode: LinkMode
    delay_ms: int
    by: str
    reason: str
    connections: int
    out_bytes: int
    in_bytes: int
    listening: dict[str, str]
    services: list[ServiceStatus]
    certificates: tuple[Validity, ...]
