"""The bring-up, each step when the one before holds: register and links, site A, site B behind it, then `required`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, LiteralString

from psycopg.conninfo import make_conninfo

from kanjo.db import migrate_to, reach
from kanjo.errors import SystemFailed
from kanjo.sites import Node, Site, Topology
from kanjo.sites.lab.ground import Ground, Made
from kanjo.sites.lab.made import BANK, PERSONS
from kanjo.sites.lab.parts import Part, parts, start
from kanjo.sites.operate.desk import Desk
from kanjo.sites.operate.perform import perform, planned
from kanjo.sites.operate.plan import Command
from kanjo.sites.operate.sql import CAN_LOGIN, FOLLOWERS, IN_RECOVERY
from kanjo.sites.operate.waiting import until
from kanjo.sites.person import Signature, read_key, sign
from kanjo.sites.register.entry import digest_of_change
from kanjo.sites.render.credentials import filled_in
from kanjo.sites.render.desk import roles_example
from kanjo.sites.rest import asked

Tell = Callable[[str], None]
SERVICE_S, DATABASE_S, COPY_S, STEP_S = 20, 60, 60, 30


def bring_up(ground: Ground, made: Made, desk: Desk, tell: Tell) -> None:
    """Start everything and come to `required`; each step waits for the one before. Error: `not-in-time`."""
    topology = desk.topology
    every = parts(ground, topology, made)
    a, b = topology.site(topology.operating), topology.other(topology.operating)
    tell("starting the register, both ends of the link and both quorums")
    for part in every.values():
        if part.kind != "node":
            start(ground, part, made)
    until("the register answers", lambda: _answers(desk), within_s=SERVICE_S, see=str(ground.log("register")))
    order(ground, desk, "appoint", a.name, "bring-up: the other site is not built")
    _until_quorum(ground, a)
    tell(f"site {a.name}: the first node")
    first = every[a.nodes[0].name]
    start(ground, first, made)
    until(f"{first.name} is primary", lambda: _writes(desk, a), within_s=DATABASE_S, see=str(ground.log(first.name)))
    _roles(desk, made)
    tell(f"copies of it: the rest of site {a.name}, and site {b.name} over the link")
    _until_quorum(ground, b)
    for node in (*a.nodes[1:], b.nodes[0]):
        start(ground, every[node.name], made)
    migrate_to(reach(dsn(ground, topology), embedded=False))
    _until_follows(ground, desk, a, every[b.nodes[0].name])
    for node in b.nodes[1:]:
        start(ground, every[node.name], made)
    for node in a.nodes[1:]:
        _until_follows(ground, desk, a, every[node.name])
    tell(f"from now on an answer waits for site {b.name}")
    order(ground, desk, "attach", a.name, "bring-up: both sites stand")
    until("one node of each site is in step", lambda: in_step(desk, a, b), within_s=STEP_S, see=str(ground.log("a1")))
    for node in b.nodes[1:]:
        _until_streams(ground, desk, node)


def in_step(desk: Desk, a: Site, b: Site) -> bool:
    """Whether a commit on A waits for, and gets, one node of each site."""
    followers = _of_leader(desk, a, FOLLOWERS)
    sync = [name for name, state, sync, *_ in followers if state == "streaming" and sync == "sync"]
    return any(name in a.node_names for name in sync) and any(name in b.node_names for name in sync)


def order(ground: Ground, desk: Desk, command: Command, site: str, reason: str) -> None:
    """Give an operators' command with the signatures of the lab's two persons."""
    plan = planned(desk, command, site, reason)
    assert plan.change is not None
    perform(desk, plan, signed(ground, digest_of_change(plan.change)), lambda *_: None)


def signed(ground: Ground, digest: str) -> list[Signature]:
    """What both persons of the lab sign."""
    return [sign(person, read_key(ground.keys / f"{person}.key"), digest) for person in PERSONS]


def dsn(ground: Ground, topology: Topology) -> str:
    """How to reach the bank, whichever node of whichever site is primary; the password is in the passfile."""
    nodes = [node for _, node in topology.nodes()]
    return make_conninfo(
        host=",".join(node.host for node in nodes),
        port=",".join(str(node.port) for node in nodes),
        user=BANK,
        dbname=BANK,
        target_session_attrs="read-write",
        connect_timeout=2,
        passfile=str(ground.folder / "pgpass"),
    )


def _roles(desk: Desk, made: Made) -> None:
    """As the desk's `roles.sql` makes them."""
    leader = desk.leader(desk.topology.site(desk.topology.operating))
    assert leader is not None
    with desk.database(leader) as connection:
        for line in filled_in(roles_example(desk.topology), made.passwords).splitlines():
            if not line.startswith("--"):
                connection.execute(line.encode())


def _of_leader(desk: Desk, site: Site, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
    """What the database of a site's leader says; nothing when nobody leads."""
    leader = desk.leader(site)
    if leader is None:
        return []
    with desk.database(leader) as connection:
        return connection.execute(query, values).fetchall()


def _answers(desk: Desk) -> bool:
    try:
        return desk.register.read().epoch >= 0
    except SystemFailed:
        return False


def _writes(desk: Desk, site: Site) -> bool:
    # Patroni makes its roles after the server takes writes
    return _of_leader(desk, site, IN_RECOVERY) == [(False,)] and bool(
        _of_leader(desk, site, CAN_LOGIN, site.replication_role)
    )


def _until_quorum(ground: Ground, site: Site) -> None:
    for member in site.etcd:
        has_leader = partial(healthy, member.host, member.client_port)
        until(f"{member.name} has a leader", has_leader, within_s=SERVICE_S, see=str(ground.log(member.name)))


def healthy(host: str, port: int) -> bool:
    """Whether a member of a quorum knows a leader."""
    return b'"true"' in asked(host, port, "GET", "/health", timeout_s=1)[1]


def _until_follows(ground: Ground, desk: Desk, site: Site, part: Part) -> None:
    def follows() -> bool:
        followers = _of_leader(desk, site, FOLLOWERS)
        return any(name == part.name and state == "streaming" for name, state, *_ in followers)

    until(f"{part.name} follows the primary", follows, within_s=COPY_S, see=str(ground.log(part.name)))


def _until_streams(ground: Ground, desk: Desk, node: Node) -> None:
    def streams() -> bool:
        told = desk.ask(node, "/patroni")
        return told is not None and told.get("replication_state") == "streaming"

    until(f"{node.name} follows its leader", streams, within_s=COPY_S, see=str(ground.log(node.name)))
