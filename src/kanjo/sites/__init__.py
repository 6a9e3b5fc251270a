"""Two clouds, one ledger: the topology, the rule that an answer waits for the other site, and who may be promoted.

It arranges PostgreSQL, Patroni, etcd and HAProxy and never elects or replicates anything itself; it knows nothing of
accounts. Start reading at `topology.py` (what there is), then `names.py` (whom a commit waits for), `launcher.py` and
`gate.py` (the two small parts beside Patroni), `register/` (which site serves), `link/` (what joins the sites and keeps
them apart), `soundness.py` and `render/` (what a topology must be, and becomes).
"""

from kanjo.sites.soundness import Violation, require_sound, violations
from kanjo.sites.topology import Balancer, EtcdMember, LinkEnd, Mode, Node, Policy, Register, Site, Topology
from kanjo.sites.topology_file import read_topology, read_topology_file

__all__ = [
    "Balancer",
    "EtcdMember",
    "LinkEnd",
    "Mode",
    "Node",
    "Policy",
    "Register",
    "Site",
    "Topology",
    "Violation",
    "read_topology",
    "read_topology_file",
    "require_sound",
    "violations",
]
