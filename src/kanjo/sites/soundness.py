"""Whether a topology can keep R1 to R11 at all: every violation, the requirement it breaks, and what to do. Pure.

R11 (doubts are resolved by key) is the ledger's and asks nothing of the topology.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from typing import TypeVar

import msgspec

from kanjo.errors import Refused
from kanjo.sites.names import RESERVED
from kanjo.sites.policy import LOOP_WAIT_S_MIN, RETRY_TIMEOUT_S_MIN
from kanjo.sites.topology import Topology, slot_name

Key = TypeVar("Key")

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")
_ROLE = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_NAMESPACE = re.compile(r"/[a-z0-9-]+/")
_SYSTEM_FOLDERS = frozenset(map(PurePosixPath, ("/", "/etc", "/home", "/mnt", "/opt", "/srv", "/var", "/var/lib")))
_LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|::1")

NODES_OPERATING_MIN = 3
NODES_STANDBY_MIN = 2
ETCD_MEMBERS_MIN = 3
LOG_KEPT_GIB_MIN = 2
CERTIFICATE_DAYS_MIN, CERTIFICATE_DAYS_MAX = 1, 800


class Violation(msgspec.Struct, frozen=True):
    """One thing that the topology cannot keep: the requirement, where, what is wrong, and what to do."""

    requirement: str
    place: str
    wrong: str
    remedy: str


def violations(topology: Topology) -> tuple[Violation, ...]:
    """All violations, in the order of the checks; none: the topology is sound."""
    if len(topology.sites) != 2 or topology.operating not in {site.name for site in topology.sites}:
        return tuple(_two_sites(topology))
    return tuple(found for check in _CHECKS for found in check(topology))


def require_sound(topology: Topology) -> None:
    """Errors: Refused `topology-unsound`, with all violations in `errors`."""
    found = violations(topology)
    if found:
        count = "1 violation" if len(found) == 1 else f"{len(found)} violations"
        raise Refused(
            "topology-unsound",
            f"the topology cannot keep what it promises: {count}, first {found[0].requirement} at {found[0].place}: "
            f"{found[0].wrong}",
            errors=[msgspec.to_builtins(one) for one in found],
        )


def _two_sites(topology: Topology) -> Iterator[Violation]:
    names = [site.name for site in topology.sites]
    if len(names) != 2:
        yield Violation("R1", "sites", f"there are {len(names)} sites", "name exactly two, one in each cloud")
    if topology.operating not in names:
        yield Violation("R1", "operating", f"{topology.operating!r} is no site", f"name one of {', '.join(names)}")


def _apart(topology: Topology) -> Iterator[Violation]:
    """R1, R3: two clouds of different providers, which share nothing."""
    one, two = topology.sites
    if one.cloud.lower() == two.cloud.lower():
        yield Violation("R1", f"sites.{two.name}.cloud", f"both sites are with {one.cloud}", "use another provider")
    for field in ("credentials", "replication_role"):
        if getattr(one, field) == getattr(two, field):
            wrong = f"both sites have {getattr(one, field)}"
            yield Violation(
                "R1", f"sites.{two.name}.{field}", wrong, "give each site its own, so that one can be barred"
            )
    for field in ("scope", "namespace"):
        if getattr(one, field).lower() == getattr(two, field).lower() or (field == "scope" and one.slot == two.slot):
            wrong = f"both sites have {getattr(one, field)}"
            yield Violation("R3", f"sites.{two.name}.{field}", wrong, "each site is a group and a quorum of its own")
    for field in ("certificate", "key"):
        if getattr(one.link, field) == getattr(two.link, field):
            wrong = f"both ends have {getattr(one.link, field)}"
            yield Violation("R1", f"sites.{two.name}.link.{field}", wrong, "make one for each end of the link")
    if not topology.lab:
        for host in sorted(one.hosts & two.hosts):
            yield Violation("R1", f"sites.{two.name}", f"{host} is in both sites", "use hosts of that cloud only")


def _register_apart(topology: Topology) -> Iterator[Violation]:
    """R5, R9, pitfall 16: the record that judges between the sites is in neither."""
    for site in topology.sites:
        if not topology.lab and topology.register.host in site.hosts:
            wrong = f"{topology.register.host} belongs to site {site.name}"
            yield Violation("R9", "register.host", wrong, "keep the register in a third place")


def _names_unique(topology: Topology) -> Iterator[Violation]:
    """R3, pitfall 7: PostgreSQL tells members by name without regard to case, and Patroni's slots are made of it."""
    seen: dict[str, str] = {}
    for site, node in topology.nodes():
        place = f"sites.{site.name}.nodes.{node.name}"
        name = slot_name(node.name)
        if name in seen:
            yield Violation("R3", place, f"its name is {seen[name]}'s", "names differ over both sites")
        if name in RESERVED or name in {one.slot for one in topology.sites}:
            yield Violation("R6", place, f"the name {node.name} has a meaning of its own", "choose another name")
        seen.setdefault(name, place)
    for what, places in _grouped((m.name, f"sites.{s.name}.etcd.{m.name}") for s in topology.sites for m in s.etcd):
        yield Violation("R4", places[1], f"{what} is also {places[0]}", "an etcd member votes in one site only")


def _names_plain(topology: Topology) -> Iterator[Violation]:
    """R3: names reach file names, unit names, SQL and URLs."""
    remedy = "use lower-case letters, digits, - and _, beginning with a letter, at most 31"
    for site in topology.sites:
        named = [("", site.name), (".scope", site.scope), *((f".nodes.{node.name}", node.name) for node in site.nodes)]
        named += [(f".etcd.{member.name}", member.name) for member in site.etcd]
        for place, name in named:
            if not _NAME.fullmatch(name):
                yield Violation("R3", f"sites.{site.name}{place}", f"{name!r} is not a plain name", remedy)
        if not _NAMESPACE.fullmatch(site.namespace):
            wrong = f"{site.namespace!r} is no namespace"
            yield Violation("R3", f"sites.{site.name}.namespace", wrong, "write it as /name/")
        if not _ROLE.fullmatch(site.replication_role):
            wrong = f"{site.replication_role!r} is no role"
            yield Violation("R1", f"sites.{site.name}.replication_role", wrong, "use lower-case letters, digits and _")


def _copies(topology: Topology) -> Iterator[Violation]:
    """R2, R7: after any one loss there is still a second copy in the site that works."""
    for site in topology.sites:
        least = NODES_OPERATING_MIN if site.name == topology.operating else NODES_STANDBY_MIN
        place = f"sites.{site.name}.nodes"
        if len(site.nodes) < least:
            yield Violation("R2", place, f"there are {len(site.nodes)} nodes", f"have at least {least}")
        if sum(node.failover_priority > 0 for node in site.nodes) < 2:
            yield Violation("R7", place, "fewer than two nodes can be promoted", "give two a failover_priority above 0")
        if topology.lab:
            continue
        for host, places in _grouped((node.host, f"{place}.{node.name}") for node in site.nodes):
            yield Violation("R7", places[1], f"{host} also holds {places[0]}", "one lost host shall cost one copy")


def _votes(topology: Topology) -> Iterator[Violation]:
    """R4: each site has a quorum of its own, which one lost member does not stop and no split makes two of."""
    for site in topology.sites:
        place, count = f"sites.{site.name}.etcd", len(site.etcd)
        if count < ETCD_MEMBERS_MIN or count % 2 == 0:
            wrong = f"there are {count} votes"
            yield Violation("R4", place, wrong, f"have an odd number, at least {ETCD_MEMBERS_MIN}")
        if topology.lab:
            continue
        for host, places in _grouped((member.host, f"{place}.{member.name}") for member in site.etcd):
            yield Violation("R4", places[1], f"{host} also has {places[0]}", "one lost host shall cost one vote")


def _times(topology: Topology) -> Iterator[Violation]:
    """R4: an isolated primary has stopped before its lease can be anybody else's."""
    policy = topology.policy
    least = {"loop_wait_s": LOOP_WAIT_S_MIN, "retry_timeout_s": RETRY_TIMEOUT_S_MIN}
    for field, least_s in least.items():
        if getattr(policy, field) < least_s:
            wrong = f"{getattr(policy, field)} s is less than Patroni takes"
            yield Violation("R4", f"policy.{field}", wrong, f"have at least {least_s}")
    needed_s = policy.loop_wait_s + 2 * policy.retry_timeout_s
    if needed_s > policy.ttl_s:
        wrong = f"loop_wait_s + 2 * retry_timeout_s is {needed_s}, more than {policy.ttl_s}"
        yield Violation("R4", "policy.ttl_s", wrong, "lengthen ttl_s or shorten the others")


def _log_kept(topology: Topology) -> Iterator[Violation]:
    """R10: no limit at all (-1, to PostgreSQL) lets a site that is away fill the other one's disk."""
    kept_gib = topology.policy.log_kept_gib_max
    if kept_gib < LOG_KEPT_GIB_MIN:
        wrong = f"{kept_gib} GiB of log are kept for a site that is away"
        yield Violation(
            "R10", "policy.log_kept_gib_max", wrong, f"keep at least {LOG_KEPT_GIB_MIN}, what always stays on a disk"
        )


def _certificates_warned_of(topology: Topology) -> Iterator[Violation]:
    """R6: behind a certificate that has ended no answer leaves; one that is always warned of is not heeded."""
    days = topology.policy.certificate_days_min
    if not CERTIFICATE_DAYS_MIN <= days <= CERTIFICATE_DAYS_MAX:
        remedy = f"use {CERTIFICATE_DAYS_MIN} to {CERTIFICATE_DAYS_MAX}; they last a little longer"
        yield Violation("R6", "policy.certificate_days_min", f"{days} days of warning", remedy)


def _places_taken_once(topology: Topology) -> Iterator[Violation]:
    """R1: no two things listen at one place or write into one directory, in a lab neither."""
    for (host, port), places in _grouped(_listening(topology)):
        yield Violation("R1", places[1], f"{host}:{port} is also {places[0]}", "give each its own port")
    directories = list(_directories(topology))
    for number, (host, directory, place) in enumerate(directories):
        for other_host, other, other_place in directories[:number]:
            if host == other_host and (directory.is_relative_to(other) or other.is_relative_to(directory)):
                yield Violation("R1", place, f"{directory} meets {other_place}", "give each its own directory")
    for place, port in ((place, port) for (_, port), place in _listening(topology)):
        if not 0 < port < 65536:
            yield Violation("R1", place, f"{port} is no port", "use 1 to 65535")


def _paths_whole(topology: Topology) -> Iterator[Violation]:
    """R10: what is installed and rebuilt by script is named from the root."""
    for _, directory, place in _directories(topology):
        if directory.parent in _SYSTEM_FOLDERS:
            wrong = f"{directory.parent} around it is the system's, and services write beside their data"
            yield Violation("R10", place, wrong, "write it as /var/lib/kanjo/a1")
    paths = [(place, str(directory)) for _, directory, place in _directories(topology)]
    paths.append(("link.authority", topology.link_authority))
    for site in topology.sites:
        place = f"sites.{site.name}"
        paths += [(f"{place}.credentials", site.credentials), (f"{place}.link.certificate", site.link.certificate)]
        paths.append((f"{place}.link.key", site.link.key))
    for place, path in paths:
        if not PurePosixPath(path).is_absolute() or not re.fullmatch(r"[A-Za-z0-9_./-]+", path):
            yield Violation(
                "R10", place, f"{path!r} is not a plain path from the root", "write it as /var/lib/kanjo/a1"
            )


def _reachable(topology: Topology) -> Iterator[Violation]:
    """R1: outside a lab nobody reaches another machine by a name of one's own."""
    if topology.lab:
        return
    for (host, _), place in _listening(topology):
        if _LOOPBACK.fullmatch(host):
            yield Violation("R1", place, f"{host} is every machine's own", "name the host, or say lab = true")


def _listening(topology: Topology) -> Iterator[tuple[tuple[str, int], str]]:
    """Everything that listens, and where it stands in the file."""
    register = topology.register
    yield (register.host, register.port), "register.port"
    for site in topology.sites:
        at = f"sites.{site.name}"
        for node in site.nodes:
            yield (node.host, node.port), f"{at}.nodes.{node.name}.port"
            yield (node.host, node.rest_port), f"{at}.nodes.{node.name}.rest_port"
        for member in site.etcd:
            yield (member.host, member.client_port), f"{at}.etcd.{member.name}.client_port"
            yield (member.host, member.peer_port), f"{at}.etcd.{member.name}.peer_port"
        yield (site.link.host, site.link.port), f"{at}.link.port"
        yield (site.link.host, site.link.peer_port), f"{at}.link.peer_port"
        yield (site.haproxy.host, site.haproxy.port), f"{at}.haproxy.port"


def _directories(topology: Topology) -> Iterator[tuple[str, PurePosixPath, str]]:
    yield topology.register.host, PurePosixPath(topology.register.data), "register.data"
    for site in topology.sites:
        for kind, held in (("nodes", site.nodes), ("etcd", site.etcd)):
            for one in held:
                yield one.host, PurePosixPath(one.data), f"sites.{site.name}.{kind}.{one.name}.data"


def _grouped(pairs: Iterable[tuple[Key, str]]) -> Iterator[tuple[Key, list[str]]]:
    """What stands in more than one place."""
    places: dict[Key, list[str]] = defaultdict(list)
    for key, place in pairs:
        places[key].append(place)
    return ((key, found) for key, found in places.items() if len(found) > 1)


_CHECKS: tuple[Callable[[Topology], Iterator[Violation]], ...] = (
    _apart,
    _register_apart,
    _names_unique,
    _names_plain,
    _copies,
    _votes,
    _times,
    _log_kept,
    _certificates_warned_of,
    _places_taken_once,
    _paths_whole,
    _reachable,
)
