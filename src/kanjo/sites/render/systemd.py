"""A unit for each service. Everything comes back by itself within a second; only the gate decides who is primary."""

from __future__ import annotations

from kanjo.sites.render.installed import Installed
from kanjo.sites.render.link import link_name
from kanjo.sites.topology import EtcdMember, Node, Site

_UNIT = """\
# Written by `kanjo sites render`.
[Unit]
Description={what}
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=simple
User={user}
{lines}
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""


def patroni_unit(site: Site, node: Node, installed: Installed) -> str:
    """Patroni through the launcher.

    When Patroni dies its database lives on (KillMode=process), with clients who get no answer (pitfall 8): it is
    started anew within a second or two and takes its server over again. So it is Patroni itself that stops the database
    when the unit is stopped. The watchdog is for a host on which nothing is started any more.
    """
    watchdog = []
    if installed.watchdog != "off":
        watchdog = [
            "ExecStartPre=+-/sbin/modprobe softdog",
            f"ExecStartPre=+-/bin/chown {installed.user} /dev/watchdog",
        ]
    lines = [
        f"EnvironmentFile={site.credentials}",
        *watchdog,
        f"ExecStart={installed.python} -m kanjo.sites.launcher {installed.of(node.name, 'patroni.yml')}",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "KillMode=process",
        "TimeoutStopSec=60",
        "OOMScoreAdjust=-900",
    ]
    return _unit(f"Kanjo: PostgreSQL node {node.name} of site {site.name}", installed.user, lines)


def etcd_unit(site: Site, member: EtcdMember, installed: Installed) -> str:
    """One member of the site's quorum."""
    lines = [f"ExecStart={installed.etcd} --config-file {installed.of(member.name, 'etcd.yml')}", "LimitNOFILE=65536"]
    return _unit(f"Kanjo: etcd member {member.name} of site {site.name}", installed.user, lines)


def haproxy_unit(site: Site, installed: Installed) -> str:
    """In the foreground, so that it is watched."""
    file = installed.of(f"haproxy-{site.name}", "haproxy.cfg")
    lines = [f"ExecStartPre={installed.haproxy} -c -f {file}", f"ExecStart={installed.haproxy} -db -f {file}"]
    return _unit(f"Kanjo: HAProxy of site {site.name}", installed.user, lines)


def link_unit(site: Site, installed: Installed) -> str:
    """This site's end of the link. Stopping it cuts the sites apart (4.4); a reload renews its certificates."""
    lines = [
        f"ExecStart={installed.python} -m kanjo.sites.link --config {installed.of(link_name(site), 'link.json')}",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "RuntimeDirectory=kanjo",
        "RuntimeDirectoryPreserve=yes",
    ]
    return _unit(f"Kanjo: site {site.name}'s end of the link", installed.user, lines)


def register_unit(installed: Installed) -> str:
    """The register, in the third place."""
    lines = [
        f"ExecStart={installed.python} -m kanjo.sites.register --config {installed.of('register', 'register.json')}"
    ]
    return _unit("Kanjo: the register of sites", installed.user, lines)


def _unit(what: str, user: str, lines: list[str]) -> str:
    return _UNIT.format(what=what, user=user, lines="\n".join(lines))
