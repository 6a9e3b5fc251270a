"""HAProxy of a site: clients find the primary of this site, and lose their sessions with it (multicloud.md 3.4)."""

from __future__ import annotations

from kanjo.sites.topology import Site

_HEAD = """\
# Site {name}: written by `kanjo sites render`. Clients try both sites; the primary's lets them in.
global
    maxconn 2000

defaults
    mode tcp
    timeout connect 2s
    # a commit may wait for the other site as long as an operator thinks: no answer is cut short (pitfall 2)
    timeout client 24h
    timeout server 24h

frontend bank
    bind {host}:{port}
    default_backend primary

backend primary
    option httpchk OPTIONS /primary
    http-check expect status 200
    default-server inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
"""


def haproxy_file(site: Site) -> str:
    """The text of it."""
    servers = [f"    server {node.name} {node.host}:{node.port} check port {node.rest_port}\n" for node in site.nodes]
    return _HEAD.format(name=site.name, host=site.haproxy.host, port=site.haproxy.port) + "".join(servers)
