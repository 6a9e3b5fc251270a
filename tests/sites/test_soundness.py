"""A topology that cannot keep R1 to R11 is refused, with every violation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from kanjo.errors import Refused
from kanjo.sites import Site, Topology, require_sound, violations

Change = Callable[[Topology], Topology]
replace = msgspec.structs.replace


def policy(**fields: Any) -> Change:
    return lambda found: replace(found, policy=replace(found.policy, **fields))


def register(**fields: Any) -> Change:
    return lambda found: replace(found, register=replace(found.register, **fields))


def site(name: str, **fields: Any) -> Change:
    """One site with other fields; a function makes the field from the site."""

    def change(found: Topology) -> Topology:
        return replace(found, sites=tuple(made(one) if one.name == name else one for one in found.sites))

    def made(one: Site) -> Site:
        return replace(one, **{key: value(one) if callable(value) else value for key, value in fields.items()})

    return change


def first(kind: str, **fields: Any) -> Callable[[Site], Any]:
    """A site's nodes or etcd members with the first one changed."""
    return lambda one: (replace(getattr(one, kind)[0], **fields), *getattr(one, kind)[1:])


def end(kind: str, **fields: Any) -> Callable[[Site], Any]:
    return lambda one: replace(getattr(one, kind), **fields)


def found_in(topology: Topology) -> set[tuple[str, str]]:
    return {(found.requirement, found.place) for found in violations(topology)}


def test_the_example_is_sound(example: Topology) -> None:
    """What the documents show can be installed."""
    assert violations(example) == ()
    require_sound(example)


@pytest.mark.parametrize(
    ("change", "requirement", "place"),
    [
        (site("b", cloud="Azure"), "R1", "sites.b.cloud"),
        (site("b", credentials="/etc/kanjo/sites/credentials-a.env"), "R1", "sites.b.credentials"),
        (site("b", replication_role="repl_a"), "R1", "sites.b.replication_role"),
        (site("b", replication_role="repl-b"), "R1", "sites.b.replication_role"),
        (site("b", scope="cloud-a"), "R3", "sites.b.scope"),
        (site("b", scope="cloud_a"), "R3", "sites.b.scope"),
        (site("b", scope="Cloud B"), "R3", "sites.b.scope"),
        (site("b", namespace="/kanjo-a/"), "R3", "sites.b.namespace"),
        (site("b", namespace="kanjo-b"), "R3", "sites.b.namespace"),
        (site("b", link=end("link", key="/etc/kanjo/sites/link-a/link-a.key")), "R1", "sites.b.link.key"),
        (site("b", link=end("link", key="link-b.key")), "R10", "sites.b.link.key"),
        (site("b", link=end("link", port=7451)), "R1", "sites.b.link.peer_port"),
        (site("b", link=end("link", port=0)), "R1", "sites.b.link.port"),
        (site("b", haproxy=end("haproxy", host="a1.cloud-a.example")), "R1", "sites.b"),
        (site("b", nodes=first("nodes", name="a1")), "R3", "sites.b.nodes.a1"),
        (site("b", nodes=first("nodes", name="A1")), "R3", "sites.b.nodes.A1"),
        (site("b", nodes=first("nodes", name="cloud_a")), "R6", "sites.b.nodes.cloud_a"),
        (site("b", nodes=first("nodes", name="remote_unverified")), "R6", "sites.b.nodes.remote_unverified"),
        (site("b", nodes=first("nodes", host="b2.cloud-b.example")), "R7", "sites.b.nodes.b2"),
        (site("b", nodes=first("nodes", host="localhost")), "R1", "sites.b.nodes.b1.port"),
        (site("b", nodes=first("nodes", data="/var/lib/kanjo/etcd-b1")), "R1", "sites.b.etcd.etcd-b1.data"),
        (site("b", nodes=first("nodes", data="/var/lib")), "R1", "sites.b.etcd.etcd-b1.data"),
        (site("b", nodes=first("nodes", data="b1")), "R10", "sites.b.nodes.b1.data"),
        (site("b", nodes=first("nodes", data="/srv/b1")), "R10", "sites.b.nodes.b1.data"),
        (site("b", nodes=first("nodes", failover_priority=0)), "R7", "sites.b.nodes"),
        (site("b", nodes=lambda one: one.nodes[:1]), "R2", "sites.b.nodes"),
        (site("a", nodes=lambda one: one.nodes[:2]), "R2", "sites.a.nodes"),
        (site("b", etcd=lambda one: one.etcd[:2]), "R4", "sites.b.etcd"),
        (site("b", etcd=lambda one: one.etcd[:1]), "R4", "sites.b.etcd"),
        (site("b", etcd=lambda one: (*one.etcd, replace(one.etcd[0], name="etcd-b4"))), "R4", "sites.b.etcd"),
        (site("b", etcd=first("etcd", name="etcd-a1")), "R4", "sites.b.etcd.etcd-a1"),
        (site("b", etcd=first("etcd", host="a1.cloud-a.example")), "R1", "sites.b.etcd.etcd-b1.client_port"),
        (site("b", etcd=first("etcd", host="b2.cloud-b.example")), "R4", "sites.b.etcd.etcd-b2"),
        (register(host="a1.cloud-a.example"), "R9", "register.host"),
        (register(host="link.cloud-b.example"), "R9", "register.host"),
        (policy(ttl_s=6), "R4", "policy.ttl_s"),
        (policy(loop_wait_s=3), "R4", "policy.ttl_s"),
        (policy(retry_timeout_s=2), "R4", "policy.retry_timeout_s"),
        (policy(loop_wait_s=0), "R4", "policy.loop_wait_s"),
        (policy(log_kept_gib_max=-1), "R10", "policy.log_kept_gib_max"),
        (policy(log_kept_gib_max=1), "R10", "policy.log_kept_gib_max"),
        (policy(certificate_days_min=0), "R6", "policy.certificate_days_min"),
        (policy(certificate_days_min=825), "R6", "policy.certificate_days_min"),
        (lambda found: replace(found, sites=found.sites[:1]), "R1", "sites"),
        (lambda found: replace(found, operating="c"), "R1", "operating"),
    ],
)
def test_one_thing_wrong(example: Topology, change: Change, requirement: str, place: str) -> None:
    """It is told at its place, with the requirement that it breaks."""
    assert (requirement, place) in found_in(change(example))


def on_one_machine(found: Topology) -> Topology:
    """The example as a lab: one host, every port its own."""
    host, port = "127.0.0.1", iter(range(15000, 16000))
    sites = tuple(
        replace(
            one,
            nodes=tuple(replace(node, host=host, port=next(port), rest_port=next(port)) for node in one.nodes),
            etcd=tuple(replace(vote, host=host, client_port=next(port), peer_port=next(port)) for vote in one.etcd),
            link=replace(one.link, host=host, port=next(port), peer_port=next(port)),
            haproxy=replace(one.haproxy, host=host, port=next(port)),
        )
        for one in found.sites
    )
    return replace(found, sites=sites, register=replace(found.register, host=host, port=next(port)), lab=True)


def test_a_lab_may_stand_on_one_machine(example: Topology) -> None:
    """Only the separation of hosts is relaxed."""
    lab = on_one_machine(example)

    assert violations(lab) == ()
    assert violations(replace(lab, lab=False)) != ()


@pytest.mark.parametrize(
    "change",
    [
        site("b", link=end("link", port=15000)),
        site("b", nodes=first("nodes", data="/var/lib/kanjo/a1")),
        site("b", nodes=first("nodes", name="a1")),
        site("b", credentials="/etc/kanjo/sites/credentials-a.env"),
        site("b", cloud="azure"),
        site("b", etcd=lambda one: one.etcd[:2]),
        register(port=15000),
        register(data="/var/lib/kanjo/a1"),
    ],
)
def test_a_lab_relaxes_nothing_else(example: Topology, change: Change) -> None:
    """Ports, names, directories, credentials and votes are those of two clouds."""
    assert violations(change(on_one_machine(example))) != ()


def test_every_violation_is_told(example: Topology) -> None:
    """Each with what is wrong and what to do."""
    bad = policy(ttl_s=6)(site("b", cloud="azure", etcd=lambda one: one.etcd[:2])(example))

    with pytest.raises(Refused, match="3 violations") as caught:
        require_sound(bad)
    assert caught.value.code == "topology-unsound"
    errors = caught.value.details["errors"]
    assert isinstance(errors, list)
    assert [(error["requirement"], error["place"]) for error in errors] == [
        ("R1", "sites.b.cloud"),
        ("R4", "sites.b.etcd"),
        ("R4", "policy.ttl_s"),
    ]
    assert all(error["wrong"] and error["remedy"] for error in errors)
