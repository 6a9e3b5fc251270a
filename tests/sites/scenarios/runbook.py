"""What a runbook says, in its words: look, break, order; and the bank that is at work meanwhile."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from bank import Bank
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from kanjo.sites.lab import Lab
from kanjo.sites.lab.bring_up import signed
from kanjo.sites.operate.look import look
from kanjo.sites.operate.perform import perform, planned
from kanjo.sites.operate.plan import Command, Plan
from kanjo.sites.operate.standing import Standing
from kanjo.sites.person import Signature
from kanjo.sites.register.entry import digest_of_change

NO_ETCD = "the scenarios of two sites need etcd (Debian: etcd-server); `make test-sites` installs it"


class Runbook:
    """The operator of a lab, who has both persons' keys."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.desk = lab.desk()

    @cached_property
    def bank(self) -> Bank:
        """The lab's bank; its files lie beside the lab."""
        return Bank(self.dsn(), self.desk, self.lab.ground.folder.parent)

    def look(self) -> Standing:
        return look(self.desk)

    def serves(self) -> tuple[str, str]:
        """The site that serves by the register, and its mode."""
        state = self.desk.register.read()
        return state.site, state.mode.value

    def is_well(self) -> bool:
        """Whether one node of each site is in step, every node follows, and nothing is to be warned of."""
        found = self.look()
        in_step = {node.site for node in found.nodes if node.in_step} == {site.name for site in found.sites}
        return in_step and found.warnings == () and all(node.state in ("running", "streaming") for node in found.nodes)

    def dsn(self, site: str | None = None) -> str:
        """How to reach whoever is primary, in one site or in both."""
        whole = self.lab.status().dsn
        if site is None:
            return whole
        nodes = self.desk.topology.site(site).nodes
        given = conninfo_to_dict(whole)
        given |= {"host": ",".join(n.host for n in nodes), "port": ",".join(str(n.port) for n in nodes)}
        return make_conninfo(**given)

    def plan(self, command: Command, site: str, reason: str = "scenario") -> Plan:
        return planned(self.desk, command, site, reason)

    def sign(self, plan: Plan) -> list[Signature]:
        return [] if plan.change is None else signed(self.lab.ground, digest_of_change(plan.change))

    def order(self, command: Command, site: str, reason: str = "scenario") -> list[str]:
        """Give the command with both signatures; returns its log."""
        plan, log = self.plan(command, site, reason), []
        perform(self.desk, plan, self.sign(plan), lambda step, how: log.append(f"{type(step).__name__}: {how}"))
        return log


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that the user of the lab's processes can reach, also when we are root."""
    folder = Path(tempfile.mkdtemp(prefix="kanjo-lab-"))
    folder.chmod(0o711)
    try:
        yield folder / "lab"
    finally:
        shutil.rmtree(folder)
