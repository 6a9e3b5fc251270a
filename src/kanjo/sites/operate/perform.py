"""Carry a plan out, step by step: each is looked at before it is taken, so that an interrupted one is begun again.

One line for each decision: the step, and whether it was so already or was done now.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, assert_never

import psycopg
from psycopg import sql

from kanjo.errors import Refused
from kanjo.sites.operate import plan as plans
from kanjo.sites.operate.desk import Desk
from kanjo.sites.operate.look import look, read_leader, read_nodes
from kanjo.sites.operate.plan import Command, Plan, Step, made, may_lose_answers
from kanjo.sites.operate.sql import CAN_LOGIN, IN_RECOVERY
from kanjo.sites.operate.standing import Follower, LeaderFacts, does_not_start, how_to_copy, may_lack
from kanjo.sites.operate.waiting import until
from kanjo.sites.person import Signature, require_two
from kanjo.sites.policy import KEY, is_standby, policy_of
from kanjo.sites.register.entry import digest_of_change, read_history
from kanjo.sites.register.state import AnyChange
from kanjo.sites.render.dynamic import standby_section
from kanjo.sites.topology import Site

STEP_S, COPY_S = 60.0, 300.0
ALLOW_LOGIN = "ALTER ROLE {} LOGIN"
REFUSE_LOGIN = "ALTER ROLE {} NOLOGIN"

Tell = Callable[[Step, str], None]
Waits = Callable[[Step, str], None]


def planned(desk: Desk, command: Command, site: str, reason: str, *, accepts_loss: bool = False) -> Plan:
    """The plan of a command as things stand; of one that was begun and interrupted, the same plan again.

    Errors: see `plan.plan`.
    """
    change = _entered_last(desk)
    if change is not None and site in {one.name for one in desk.topology.sites}:
        earlier = made(command, site, reason, desk.topology, change.expected_epoch, accepts_loss=accepts_loss)
        if earlier.change == change:
            return earlier
    return plans.plan(command, site, reason, desk.topology, look(desk), accepts_loss=accepts_loss)


def _entered_last(desk: Desk) -> AnyChange | None:
    """The change that the register entered last, the history proved; None when there is none."""
    entries, _ = read_history(desk.register.history(), desk.register.public_key())
    return entries[-1].content.change if entries else None


def perform(desk: Desk, plan: Plan, by: Sequence[Signature], tell: Tell, waits: Waits = lambda *_: None) -> None:
    """Do it. The signatures are proved before anything is touched, unless the register has entered this plan already.

    `waits` is told of each step that takes longer, with the seconds that it may take and what somebody must do for it.

    Errors: those of `require_two`, what the register refuses, `not-in-time`, `site-unreachable`.
    """
    performing = _Performing(desk, plan, by)
    if plan.change is not None and not performing.is_entered():
        require_two(by, digest_of_change(plan.change), desk.persons())
    advised: set[str] = set()
    for step in plan.steps:
        if performing.is_done(step):
            tell(step, "already so")
            continue
        performing.do(step)
        until(
            f"the step {name_of(step)}",
            partial(performing.is_done, step),
            within_s=_limit_s(step),
            meanwhile=partial(_tell_once, performing, step, waits, set(), advised),
        )
        tell(step, "done")


def name_of(step: Step) -> str:
    """The step's name as plans spell it."""
    return str(step.__struct_config__.tag)


def _tell_once(performing: _Performing, step: Step, waits: Waits, told: set[str], advised: set[str]) -> None:
    """`told`: of this step; `advised`: what a person was told to do, in this order, who may be about it still."""
    lines = {f"not yet, for {_limit_s(step):g} s at most": told} | dict.fromkeys(performing.advice(step), advised)
    for line, said in lines.items():
        if line not in said:
            said.add(line)
            waits(step, line)


def _limit_s(step: Step) -> float:
    return COPY_S if isinstance(step, plans.AwaitFollows | plans.AwaitInStep) else STEP_S


class _Performing:
    """One plan at one desk."""

    def __init__(self, desk: Desk, plan: Plan, by: Sequence[Signature]) -> None:
        self._desk, self._plan, self._by = desk, plan, by

    def is_entered(self) -> bool:
        """Whether the register's last entry is this plan's change."""
        return self._plan.change is not None and _entered_last(self._desk) == self._plan.change

    def is_done(self, step: Step) -> bool:
        """Whether it is so already, asked of those whom it concerns."""
        match step:
            case plans.Enter():
                return self.is_entered()
            case plans.Cut(site):
                return self._desk.link(site).status().mode.value == "cut"
            case plans.Heal():
                return all(self._desk.link(site.name).status().mode.value == "open" for site in self._sites())
            case plans.SetPolicy(site, mode):
                dynamic = self._desk.dynamic(self._site(site))
                policy = policy_of(dynamic)
                accepted = self._plan.accepts_loss and policy.heir
                return dynamic is not None and policy.mode == mode and not accepted
            case plans.AwaitAnswers(site):
                return self._desk.dynamic(self._site(site)) is not None
            case plans.Demote(site):
                return is_standby(self._desk.dynamic(self._site(site)))
            case plans.AwaitStopped(site):
                return not self._takes_writes(self._site(site))
            case plans.Promote(site):
                dynamic = self._desk.dynamic(self._site(site))
                return dynamic is not None and not is_standby(dynamic)
            case plans.AwaitWrites(site):
                database = self._database(site)
                return database is not None and database.writes
            case plans.AwaitFollows(site):
                return any(follower.streaming for follower in self._across(site))
            case plans.AwaitInStep(site):
                return any(follower.streaming and follower.is_sync for follower in self._across(site))
            case plans.Bar(site):
                return self._can_login(site) is False
            case plans.Admit(site):
                return self._can_login(site) is True
            case _:
                assert_never(step)

    def advice(self, step: Step) -> Iterator[str]:
        """What somebody must do before it can be done."""
        if isinstance(step, plans.AwaitFollows | plans.AwaitInStep):
            for node in self._desk.topology.other(step.site).nodes:
                if does_not_start(self._desk.ask(node, "/patroni")):
                    yield f"{how_to_copy(node.name)} Its folder is {node.data}."

    def do(self, step: Step) -> None:
        """Do it, or begin to; what only waits does nothing."""
        by, reason = " and ".join(one.person for one in self._by), self._plan.reason
        match step:
            case plans.Enter():
                assert self._plan.change is not None
                self._desk.register.change(self._plan.change, self._by)
            case plans.Cut(site):
                self._desk.link(site).cut(by=by, reason=reason)
            case plans.Heal():
                for one in self._sites():
                    self._desk.link(one.name).heal(by=by, reason=reason)
            case plans.SetPolicy(site, mode):
                self._require_serving(site)
                names = ",".join(self._desk.topology.other(site).node_names)
                policy = {"names": names, "mode": mode, "by": by, "reason": reason, **self._heir(site)}
                self._desk.configure(self._site(site), {KEY: policy})
            case plans.Demote(site):
                self._desk.configure(self._site(site), {"standby_cluster": standby_section(self._site(site))})
            case plans.Promote(site):
                self._require_serving(site)
                self._desk.configure(self._site(site), {"standby_cluster": None})
            case plans.Bar(site):
                self._alter(site, REFUSE_LOGIN)
            case plans.Admit(site):
                self._alter(site, ALLOW_LOGIN)

    def _heir(self, site: str) -> dict[str, Any]:
        """Of a lost site's other one: who alone may be promoted, having all answers; anybody, if a loss is accepted.

        Error: `may-lose-answers`, when it has become so since the plan was made.
        """
        nobody: dict[str, Any] = {"heir": None, "timeline": None}
        if self._plan.command != "promote" or self._plan.accepts_loss:
            return nobody
        found = read_nodes(self._desk, self._site(site))
        if lacks := may_lack(found):
            raise may_lose_answers(site, lacks)
        [timeline] = [(node.told or {}).get("timeline") for node in found.nodes if node.name == found.leader]
        return {"heir": found.leader, "timeline": timeline}

    def _require_serving(self, site: str) -> None:
        """Neither a policy nor a promotion reaches a site that the register does not name (pitfall 4)."""
        state = self._desk.register.read()
        if state.site != site:
            raise Refused("site-fenced", f"The register names {state.site}, not {site}: nothing was changed there.")

    def _sites(self) -> tuple[Site, ...]:
        return self._desk.topology.sites

    def _site(self, name: str) -> Site:
        return self._desk.topology.site(name)

    def _database(self, site: str) -> LeaderFacts | None:
        leader = self._desk.leader(self._site(site))
        return None if leader is None else read_leader(self._desk, leader, self._desk.topology.other(site).slot)

    def _across(self, site: str) -> list[Follower]:
        """Nodes of the other site that follow this one."""
        database, other = self._database(site), self._desk.topology.other(site)
        return [] if database is None else [one for one in database.followers if one.name in other.node_names]

    def _takes_writes(self, site: Site) -> bool:
        """Asked of every node's database: a Patroni may be gone while its server lives on (pitfall 8)."""
        for node in site.nodes:
            with contextlib.suppress(psycopg.Error), self._desk.database(node) as connection:
                if connection.execute(IN_RECOVERY).fetchone() == (False,):
                    return True
        return False

    def _can_login(self, site: str) -> bool | None:
        leader, role = self._desk.leader(self._site(site)), self._desk.topology.other(site).replication_role
        if leader is None:
            return None
        with self._desk.database(leader) as connection:
            row = connection.execute(CAN_LOGIN, (role,)).fetchone()
        return None if row is None else bool(row[0])

    def _alter(self, site: str, statement: str) -> None:
        leader, role = self._desk.leader(self._site(site)), self._desk.topology.other(site).replication_role
        assert leader is not None
        with self._desk.database(leader) as connection:
            # the role's change waits for nobody: it is made while the other site is away
            connection.execute("SET synchronous_commit = local")
            connection.execute(sql.SQL(statement).format(sql.Identifier(role)))
