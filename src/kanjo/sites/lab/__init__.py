"""The lab: both clouds on one machine, with real processes, so that whoever wants to can try to break them.

It makes a topology on free ports, certificates and two persons' keys, brings the sites up in the order of a real
bring-up, and does damage on order; nothing of it is for production. Start reading at `lab.py` (what can be done), then
`bring_up.py` (the order), `made.py` (the files) and `watch.py` (why no process is left behind).
"""

from kanjo.sites.lab.lab import Lab, LabStatus, PartStatus, choose

__all__ = ["Lab", "LabStatus", "PartStatus", "choose"]
