"""What a runbook says, in its words: look, break, order; and the bank that is at work meanwhile."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, LiteralString

import psycopg
from bank import Bank
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from waiting import wait_until

from kanjo.sites.certificates import issue
from kanjo.sites.lab import Lab
from kanjo.sites.lab.bring_up import healthy, signed
from kanjo.sites.lab.ground import hand_over, read_record
from kanjo.sites.lab.parts import running, send
from kanjo.sites.mutual_tls import Validity
from kanjo.sites.operate.look import look
from kanjo.sites.operate.perform import Waits, perform, planned
from kanjo.sites.operate.plan import Command, Plan, Step
from kanjo.sites.operate.sql import IN_RECOVERY
from kanjo.sites.operate.standing import Standing
from kanjo.sites.person import Signature
from kanjo.sites.register.entry import digest_of_change
from kanjo.sites.topology import Node
from kanjo.sites.validity import validities_in

PIECES_MAX = 40
HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")
NO_HAPROXY = "callers that know the entrances alone need HAProxy (Debian: haproxy); `make test-sites` installs it"
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
        return state.site, state.mode

    def is_well(self) -> bool:
        """Whether one node of each site is in step, every node follows, and nothing is to be warned of."""
        return self.look().is_well

    def until_well(self) -> None:
        wait_until(self.is_well, self._how_it_stands)

    def _how_it_stands(self) -> str:
        """What keeps the sites from being well, for whoever waited in vain."""
        found = self.look()
        nodes = [f"{one.name} {one.state}{', in step' if one.in_step else ''}" for one in found.nodes]
        return "\n".join(["both sites well, but", *found.warnings, *nodes])

    def mend(self) -> None:
        """Take the lab's damage back, and wait until every node is where it belongs."""
        assert self.lab.heal() == []
        self.until_well()

    def leader(self, site: str) -> str | None:
        """The node that leads a site."""
        found = self.desk.leader(self.desk.topology.site(site))
        return None if found is None else found.name

    def until_another_serves(self, site: str, was: str) -> None:
        """Wait until a node that is not this one takes the site's writes; it has the lock a while before."""
        wait_until(
            lambda: self._serving_node(site) not in (None, was), f"another than {was} takes the writes of {site}"
        )

    def _serving_node(self, site: str) -> str | None:
        return next((one.leader for one in self.look().sites if one.name == site and one.writes), None)

    def nodes(self) -> list[str]:
        """Of both sites."""
        return [node.name for _, node in self.desk.topology.nodes()]

    def node(self, name: str) -> Node:
        """The node of that name."""
        return next(node for _, node in self.desk.topology.nodes() if node.name == name)

    def sql(self, name: str, *statements: LiteralString) -> list[tuple[object, ...]]:
        """Let the administrator run statements on a node's database; the rows of the last one."""
        with self.desk.database(self.node(name)) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def one(self, name: str, query: LiteralString) -> Any:
        """The one value that a query gives at a node, in the bank's database."""
        with self.desk.database(self.node(name), "kanjo") as connection:
            row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]

    def said(self, part: str, words: str) -> int:
        """How often that stands in a part's log."""
        return self.lab.ground.log(part).read_text("utf-8", errors="replace").count(words)

    def rewinds(self) -> int:
        """How often a node of either site was rewound."""
        return sum(self.said(node, "running pg_rewind") for node in self.nodes())

    def takes_writes(self, name: str) -> bool:
        """Whether that node's database does, whatever its Patroni says; one that is silent does not."""
        with suppress(psycopg.Error):
            return self.sql(name, IN_RECOVERY) == [(False,)]
        return False

    def votes(self, name: str) -> bool:
        """Whether a member of a quorum knows a leader."""
        members = [member for site in self.desk.topology.sites for member in site.etcd]
        member = next(member for member in members if member.name == name)
        return healthy(member.host, member.client_port)

    def in_step(self, site: str) -> list[str]:
        """The nodes of a site that a commit waits for."""
        return [node.name for node in self.look().nodes if node.site == site and node.in_step]

    def rule(self, site: str) -> str:
        """Whom a commit at that site waits for."""
        return next(one.rule for one in self.look().sites if one.name == site)

    def gate_of(self, node: str) -> list[dict[str, Any]]:
        """What a node's gate decided, and on what, the latest last."""
        lines = self.lab.ground.log(node).read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"at":') and f'"gate":"{node}"' in line]

    def replicates(self, site: str) -> bool:
        """Whether the site's replication role is let in by the other site's leader, over the link."""
        return self.why_not_replicates(site) == ""

    def why_not_replicates(self, site: str) -> str:
        """What keeps it out."""
        end = self.desk.topology.site(site)
        try:
            with psycopg.connect(
                host=end.link.host,
                port=end.link.port,
                user=end.replication_role,
                passfile=str(self.lab.ground.folder / "pgpass"),
                replication="true",
                connect_timeout=2,
            ):
                return ""
        except psycopg.OperationalError as error:
            return str(error)

    def dsn(self, place: str | None = None) -> str:
        """How to reach whoever is primary, in both sites, in one, or the one node."""
        whole = self.lab.status().dsn
        if place is None:
            return whole
        nodes = [node for site, node in self.desk.topology.nodes() if place in (site.name, node.name)]
        given = conninfo_to_dict(whole)
        given |= {"host": ",".join(n.host for n in nodes), "port": ",".join(str(n.port) for n in nodes)}
        return make_conninfo(**given)

    def dsn_of_entrances(self) -> str:
        """How to reach whoever is primary by both sites' HAProxies alone."""
        entrances = [site.haproxy for site in self.desk.topology.sites]
        given = conninfo_to_dict(self.dsn())
        given |= {"host": ",".join(e.host for e in entrances), "port": ",".join(str(e.port) for e in entrances)}
        return make_conninfo(**given)

    def copy_anew(self, site: str) -> None:
        """As the runbook says: its first node is copied over the link, the others from that one."""
        end, made = self.desk.topology.site(site), read_record(self.lab.ground)
        self.lab.kill([node.name for node in end.nodes])
        for node in end.nodes:
            shutil.rmtree(node.data, ignore_errors=True)
        first = end.nodes[0]
        spawning = made.account.spawning()
        spawning["env"] |= {"PGPASSFILE": str(self.lab.ground.host / "etc" / first.name / "pgpass")}
        address = ["-h", end.link.host, "-p", str(end.link.port), "-U", end.replication_role]
        command = [f"{made.postgresql_bin}/pg_basebackup", *address, "-D", first.data, "-c", "fast", "-S", end.slot]
        subprocess.run(command, check=True, **spawning)
        self.lab.start([first.name])
        wait_until(lambda: self.state_of(first.name) == "streaming", f"{first.name} follows")
        self.lab.start([node.name for node in end.nodes])

    def renew(self, site: str) -> Validity:
        """As the runbook says: a site's end of the link gets another certificate, and is told so."""
        ground, name = self.lab.ground, f"link-{site}"
        folder = ground.host / "tls"
        for ending in ("crt", "key"):
            (folder / f"{name}.{ending}").unlink()
        issue(ground.tls / "authority", name, into=folder, now=datetime.now(UTC), valid_days=99)
        hand_over(ground, read_record(ground).account)
        send(running(ground)[name], signal.SIGHUP)
        return validities_in(folder / f"{name}.crt")[0]

    def state_of(self, name: str) -> str:
        """What a node does, by its Patroni."""
        return next(node.state for node in self.look().nodes if node.name == name)

    def plan(self, command: Command, site: str, reason: str = "scenario") -> Plan:
        return planned(self.desk, command, site, reason)

    def sign(self, plan: Plan) -> list[Signature]:
        return [] if plan.change is None else signed(self.lab.ground, digest_of_change(plan.change))

    def order(self, command: Command, site: str, reason: str = "scenario", waits: Waits = lambda *_: None) -> list[str]:
        """Give the command with both signatures; returns its log."""
        plan, log = self.plan(command, site, reason), []
        perform(self.desk, plan, self.sign(plan), lambda step, how: log.append(f"{type(step).__name__}: {how}"), waits)
        return log

    def order_in_pieces(self, command: Command, site: str, reason: str = "in pieces") -> list[str]:
        """The operator is killed while a step is under way, and behind each; he gives the same command again each time.

        Returns the steps behind which he was killed.
        """
        done: list[str] = []
        begun: set[Step] = set()

        def tell(step: Step, how: str) -> None:
            if how == "done":
                done.append(type(step).__name__)
                raise KeyboardInterrupt

        def waits(step: Step, line: str) -> None:
            if step not in begun:
                begun.add(step)
                raise KeyboardInterrupt

        for _ in range(PIECES_MAX):
            plan = self.plan(command, site, reason)
            with suppress(KeyboardInterrupt):
                perform(self.desk, plan, self.sign(plan), tell, waits)
                return done
        raise AssertionError(f"{command} {site} never ended; done: {done}")
