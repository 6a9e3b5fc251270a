"""Everything a production host needs, from the topology: configuration and unit files as texts, ready to install.

It writes nothing itself and knows no password. Start reading at `files.py` (what there is), then `patroni.py`
and `hosts.py` (what lies where).
"""

from kanjo.sites.render.files import rendered
from kanjo.sites.render.hosts import hosts
from kanjo.sites.render.installed import Installed
from kanjo.sites.render.link import link_name
from kanjo.sites.render.patroni import patroni_file

__all__ = ["Installed", "hosts", "link_name", "patroni_file", "rendered"]
