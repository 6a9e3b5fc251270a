"""Ask everybody at once how things stand."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg

from kanjo.errors import KanjoError
from kanjo.sites.mutual_tls import Validity
from kanjo.sites.operate.commit_level import Levels, Override
from kanjo.sites.operate.desk import Desk
from kanjo.sites.operate.sql import FOLLOWERS, IN_RECOVERY, LOG_FROM, OVERRIDES, RULE, SLOT
from kanjo.sites.operate.standing import (
    Follower,
    LeaderFacts,
    NodeFacts,
    RegisterFacts,
    SiteFacts,
    Standing,
    Vote,
    certificates,
    standing,
)
from kanjo.sites.policy import is_standby, policy_of
from kanjo.sites.topology import Node, Site

WORKERS_MAX = 16


def look(desk: Desk) -> Standing:
    """How things stand now; whoever does not answer within seconds is shown as silent."""
    with ThreadPoolExecutor(WORKERS_MAX) as crew:
        register = crew.submit(read_register, desk)
        sites = [crew.submit(read_site, desk, site) for site in desk.topology.sites]
        shown = crew.submit(_shown_by_register, desk)
        found = tuple(site.result() for site in sites)
        used = [*desk.certificates(), *shown.result(), *(one for site in found for one in site.certificates)]
        in_use = certificates(used, datetime.now(UTC), desk.topology.policy.certificate_days_min)
        return standing(register.result(), found, in_use)


def _shown_by_register(desk: Desk) -> list[Validity]:
    """Its certificate; none when it is silent."""
    with contextlib.suppress(KanjoError):
        return [desk.register.certificate()]
    return []


def read_register(desk: Desk) -> RegisterFacts | None:
    """What the register says; None when it is silent."""
    with contextlib.suppress(KanjoError):
        state = desk.register.read()
        return RegisterFacts(
            site=state.site,
            epoch=state.epoch,
            mode=state.mode,
            reason=state.reason,
            by=state.by,
            at=state.at,
        )
    return None


def read_site(desk: Desk, site: Site) -> SiteFacts:
    """What a site's nodes, its leader's database, its votes and its end of the link say, all asked at once."""
    with ThreadPoolExecutor(WORKERS_MAX) as crew:
        tellings = crew.map(lambda node: desk.ask(node, "/patroni"), site.nodes)
        writings = crew.map(lambda node: _writes(desk, node), site.nodes)
        leadings = crew.map(desk.leads, site.nodes)
        configurations = crew.map(desk.configuration, site.nodes)
        answers = crew.map(desk.votes, site.etcd)
        nodes = tuple(
            NodeFacts(name=node.name, told=told, writes=writes)
            for node, told, writes in zip(site.nodes, tellings, writings, strict=True)
        )
        leader = next((node for node, yes in zip(site.nodes, list(leadings), strict=True) if yes), None)
        dynamic = next((found for found in configurations if found is not None), None)
        votes = tuple(Vote(member.name, answer) for member, answer in zip(site.etcd, answers, strict=True))
    link = None
    with contextlib.suppress(KanjoError):
        link = desk.link(site.name).status()
    return SiteFacts(
        name=site.name,
        nodes=nodes,
        mode=None if dynamic is None else policy_of(dynamic).mode,
        is_standby=None if dynamic is None else is_standby(dynamic),
        is_paused=dynamic is not None and dynamic.get("pause") is True,
        leader=None if leader is None else leader.name,
        database=None if leader is None else read_leader(desk, leader, desk.topology.other(site.name).slot),
        link=None if link is None else link.mode,
        certificates=() if link is None else link.certificates,
        votes=votes,
    )


def read_nodes(desk: Desk, site: Site) -> SiteFacts:
    """Only what its nodes say and who leads: for an order that customers wait for."""
    with ThreadPoolExecutor(WORKERS_MAX) as crew:
        tellings = crew.map(lambda node: desk.ask(node, "/patroni"), site.nodes)
        leader = crew.submit(desk.leader, site)
        nodes = tuple(NodeFacts(name=node.name, told=told) for node, told in zip(site.nodes, tellings, strict=True))
        found = leader.result()
    return SiteFacts(name=site.name, nodes=nodes, leader=None if found is None else found.name)


def _writes(desk: Desk, node: Node) -> bool | None:
    """Whether the node's database takes writes, whatever its Patroni says (pitfall 8); None when it is silent."""
    with contextlib.suppress(psycopg.Error), desk.database(node) as connection:
        return connection.execute(IN_RECOVERY).fetchone() == (False,)
    return None


def read_leader(desk: Desk, node: Node, slot: str) -> LeaderFacts | None:
    """What the leader's database says; None when it does not answer."""
    with contextlib.suppress(psycopg.Error), desk.database(node) as connection:
        row = connection.execute(IN_RECOVERY).fetchone()
        if row is None or row[0]:
            return LeaderFacts(writes=False)
        followers = tuple(
            Follower(name=name, streaming=state == "streaming", is_sync=sync == "sync", lag_bytes=lag, lag_s=seconds)
            for name, state, sync, lag, seconds in connection.execute(FOLLOWERS)
        )
        rule = connection.execute(RULE).fetchone()
        kept_bytes, left_bytes = connection.execute(SLOT, (slot,)).fetchone() or (None, None)
        log_from = connection.execute(LOG_FROM).fetchone()
        assert rule is not None and log_from is not None
        names, level, demanded, position = rule
        return LeaderFacts(
            writes=True,
            rule=names,
            levels=Levels(
                level=level,
                demanded=demanded,
                overrides=tuple(Override(*row) for row in connection.execute(OVERRIDES)),
            ),
            position=position,
            followers=followers,
            slot_bytes=kept_bytes,
            slot_left_bytes=left_bytes,
            log_from=log_from[0],
        )
    return None
