"""How things stand over both sites, and what would be lost if the serving one went now. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

import msgspec

from kanjo.sites import last_word
from kanjo.sites.mutual_tls import Validity
from kanjo.sites.names import REMOTE_UNVERIFIED, mode_of
from kanjo.sites.operate.commit_level import Levels
from kanjo.sites.tenure import TAG
from kanjo.sites.topology import Mode

START_FAILED = "start failed"  # Patroni's word
Role: TypeAlias = Literal["primary", "standby-leader", "replica", "silent"]


class Follower(msgspec.Struct, frozen=True, kw_only=True):
    """A node as its primary sees it."""

    name: str
    streaming: bool
    is_sync: bool
    lag_bytes: int
    lag_s: float


class NodeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a node's Patroni says: nothing at all, when it is silent. `writes`: whether its database takes writes."""

    name: str
    told: dict[str, Any] | None = None
    writes: bool | None = None


class LeaderFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the database of a site's leader says; everything else only of one that takes writes.

    `log_from`: the position where the log on its disk begins.
    """

    writes: bool
    rule: str = ""
    levels: Levels = Levels()
    position: int | None = None
    followers: tuple[Follower, ...] = ()
    slot_bytes: int | None = None
    slot_left_bytes: int | None = None
    log_from: int | None = None


class Vote(msgspec.Struct, frozen=True):
    """A member of a site's quorum (R4)."""

    name: str
    answers: bool


class SiteFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of a site; None for what did not answer. `mode` is the policy in its own configuration.

    `is_paused`: its Patroni only looks on; `certificates`: those that its end of the link uses.
    """

    name: str
    nodes: tuple[NodeFacts, ...]
    mode: Mode | None = None
    is_standby: bool | None = None
    is_paused: bool = False
    leader: str | None = None
    database: LeaderFacts | None = None
    link: str | None = None
    certificates: tuple[Validity, ...] = ()
    votes: tuple[Vote, ...] = ()


class RegisterFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The register's last change."""

    site: str | None
    epoch: int
    mode: Mode
    reason: str
    by: tuple[str, ...]
    at: str


class NodeStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the table. `in_step`: a commit waits for this node, and it streams; `writes`: its database says so.

    `gate_refuses`: why it is not let through to take over; "" when nobody asked, or it is.
    """

    site: str
    name: str
    role: Role
    state: str
    in_step: bool
    writes: bool
    timeline: int | None
    lag_bytes: int | None
    lag_s: float | None
    gate_refuses: str


class SiteStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A site as a whole. `writes`: its leader takes writes, whatever the register says of it; `levels`: how long a
    commit waits there.

    `slot_bytes`: the log that it keeps for the other site; `slot_left_bytes`: how much more it may write before that
    is dropped. `is_behind_log`: the site itself, a standby, lacks log that the primary has no more. `may_lack`: why its
    leader may not have everything that was answered while answers waited for it; "" when it has.
    """

    name: str
    serving: bool
    leader: str | None
    writes: bool
    mode: Mode | None
    is_paused: bool
    rule: str
    levels: Levels
    link: str | None
    slot_bytes: int | None
    slot_left_bytes: int | None
    is_behind_log: bool
    may_lack: str
    votes: tuple[Vote, ...]


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """What answered transactions would be missing if the serving site went now. `bytes` None: nobody knows."""

    nothing: bool
    bytes: int | None
    seconds: float | None
    why: str


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """One in use. `left_days` is negative when it has ended; `is_short`: it is time to renew it."""

    name: str
    until: datetime
    left_days: int
    is_short: bool


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `kanjo sites status` shows."""

    register: RegisterFacts | None
    sites: tuple[SiteStanding, ...]
    nodes: tuple[NodeStanding, ...]
    loss: Loss
    certificates: tuple[Certificate, ...]
    warnings: tuple[str, ...]

    @property
    def is_well(self) -> bool:
        """Whether every node runs or streams, a commit gets one of each site, and nothing calls for an operator."""
        in_step = {node.site for node in self.nodes if node.in_step}
        follows = all(node.state == ("running" if node.role == "primary" else "streaming") for node in self.nodes)
        return in_step == {site.name for site in self.sites} and follows and not self.warnings


def standing(
    register: RegisterFacts | None, sites: tuple[SiteFacts, ...], certificates: tuple[Certificate, ...] = ()
) -> Standing:
    """The whole of it, from what was found."""
    serving = None if register is None else register.site
    writing = next((site.name for site in sites if site.database is not None and site.database.writes), None)
    primary = next((site for site in sites if site.name == (serving or writing)), None)
    nodes = tuple(_node(site, node, primary) for site in sites for node in site.nodes)
    told = tuple(_site(site, serving, primary) for site in sites)
    return Standing(
        register=register,
        sites=told,
        nodes=nodes,
        loss=loss(register, told, nodes),
        certificates=certificates,
        warnings=(*_warnings(register, told, nodes), *_renewals(certificates)),
    )


def certificates(found: Iterable[Validity], now: datetime, days_min: int) -> tuple[Certificate, ...]:
    """The first to end first; one that several use is told once."""
    made = []
    for one in sorted(set(found), key=lambda one: (one.until, one.name)):
        left_days = (one.until - now) // timedelta(days=1)
        made.append(Certificate(name=one.name, until=one.until, left_days=left_days, is_short=left_days < days_min))
    return tuple(made)


def loss(register: RegisterFacts | None, sites: tuple[SiteStanding, ...], nodes: tuple[NodeStanding, ...]) -> Loss:
    """Nothing where both records say `required` and the other site's leader has it; else as much as that is behind."""
    if register is None:
        return Loss(nothing=False, bytes=None, seconds=None, why="the register does not answer, so nobody knows")
    serving = next((site for site in sites if site.serving), None)
    if serving is None:
        return Loss(nothing=True, bytes=0, seconds=0.0, why="no site was appointed yet")
    if register.mode == "required" and serving.mode in ("required", None) and not _answers_alone(serving):
        if _waits_across(serving, nodes):
            return Loss(nothing=True, bytes=0, seconds=0.0, why="an answer waits for the other site")
        why = "no answer leaves: the other site is not in step"
        lacks = next((site.may_lack for site in sites if not site.serving and site.may_lack), None)
        if lacks is not None:
            return Loss(nothing=False, bytes=None, seconds=None, why=f"{why}; {lacks}")
        return Loss(nothing=True, bytes=0, seconds=0.0, why=why)
    behind = [node for node in nodes if node.site != serving.name and node.lag_bytes is not None]
    if not behind:
        why = f"site {serving.name} answers alone, and how far the other one is behind is not known"
        return Loss(nothing=False, bytes=None, seconds=None, why=why)
    best = min(behind, key=lambda node: node.lag_bytes or 0)
    why = f"site {serving.name} answers alone; {best.name} is this far behind"
    return Loss(nothing=False, bytes=best.lag_bytes, seconds=best.lag_s, why=why)


def _waits_across(serving: SiteStanding, nodes: tuple[NodeStanding, ...]) -> bool:
    """Whether a commit of the serving site gets a node of the other one."""
    return any(node.in_step and node.site != serving.name for node in nodes)


def _answers_alone(serving: SiteStanding) -> bool:
    """By what its server goes by, whatever is written elsewhere."""
    return serving.writes and (_waits_for_nobody_across(serving) or serving.levels.leak)


def _waits_for_nobody_across(serving: SiteStanding) -> bool:
    return mode_of(serving.rule) == "detached"


def _site(site: SiteFacts, serving: str | None, primary: SiteFacts | None) -> SiteStanding:
    database = site.database
    return SiteStanding(
        name=site.name,
        serving=site.name == serving,
        leader=site.leader,
        writes=database is not None and database.writes,
        mode=site.mode,
        is_paused=site.is_paused,
        rule="" if database is None else database.rule,
        levels=Levels() if database is None else database.levels,
        link=site.link,
        slot_bytes=None if database is None else database.slot_bytes,
        slot_left_bytes=None if database is None else database.slot_left_bytes,
        is_behind_log=_is_behind_log(site, primary),
        may_lack="" if _is_counted(site, primary) else may_lack(site),
        votes=site.votes,
    )


def _is_counted(site: SiteFacts, primary: SiteFacts | None) -> bool:
    """Whether the primary, alive, waits for and gets a node of the site."""
    database = None if primary is None or primary.name == site.name else primary.database
    names = {node.name for node in site.nodes}
    seen = () if database is None else database.followers
    return any(one.name in names and one.is_sync and one.streaming for one in seen)


def may_lack(site: SiteFacts) -> str:
    """Why a standby site's leader may lack what was answered, which one node of the site had; "" when it does not.

    It lacks nothing when it has led since it was as far as the serving site (`tenure.py`), or when every other node of
    the site streams from it and has nothing more.
    """
    if site.database is not None and site.database.writes:
        return ""
    leads = next((node for node in site.nodes if node.name == site.leader), None)
    if leads is not None and ((leads.told or {}).get("tags") or {}).get(TAG) is True:
        return ""
    silent = [node.name for node in site.nodes if node.told is None]
    if silent and (leads is None or leads.told is None):
        return f"nobody leads it, and {' and '.join(silent)} may have answers and does not answer"
    if leads is None:
        return "nobody leads it now"
    others = [node for node in site.nodes if node is not leads]
    return next((why for node in others if (why := _may_have_more(node, leads))), "")


def _may_have_more(node: NodeFacts, leads: NodeFacts) -> str:
    """Why a node may have what its leader has not; "" when it has not. Where it streams it has read all its own log."""
    told, ahead = node.told or {}, _reached(node) - _reached(leads)
    if ahead > 0:
        return f"{node.name} has {ahead:,} bytes of log that {leads.name}, which leads, has not"
    its = leads.told or {}
    if told.get("replication_state") == "streaming" and told.get("timeline") == its.get("timeline"):
        return ""
    does = "does not answer" if node.told is None else f"does not follow {leads.name}, which leads"
    last = (its.get("xlog") or {}).get("replayed_timestamp") or "unknown"
    return f"{node.name} {does}, and may have answers that {leads.name} has not, whose last transaction is of {last}"


def _reached(node: NodeFacts) -> int:
    """How far its log goes. Received counts from the segment's start when it streams anew, replayed does not."""
    xlog = (node.told or {}).get("xlog") or {}
    return max(int(xlog.get(f"{how}_location") or 0) for how in ("received", "replayed"))


def _is_behind_log(site: SiteFacts, primary: SiteFacts | None) -> bool:
    """Whether no node of a standby site can go on from where it is; false while that is not known."""
    database = None if primary is None or primary.name == site.name else primary.database
    if database is None or database.log_from is None:
        return False
    own = {node.name for node in site.nodes}
    reached = max(map(_reached, site.nodes), default=0)
    streams = any(follower.name in own and follower.streaming for follower in database.followers)
    return not streams and 0 < reached < database.log_from


def _node(site: SiteFacts, node: NodeFacts, primary: SiteFacts | None) -> NodeStanding:
    told = node.told or {}
    database = None if primary is None else primary.database
    seen = {} if database is None else {follower.name: follower for follower in database.followers}
    follower = seen.get(node.name)
    role = _role(site, node)
    lag_bytes = lag_s = None
    if follower is not None:
        lag_bytes, lag_s = follower.lag_bytes, follower.lag_s
    elif database is not None and database.position is not None and told.get("timeline") == _timeline(primary):
        received = (told.get("xlog") or {}).get("received_location")
        lag_bytes = None if received is None else max(0, database.position - int(received))
    return NodeStanding(
        site=site.name,
        name=node.name,
        role=role,
        state=str(told.get("replication_state") or told.get("state") or "no answer"),
        in_step=follower is not None and follower.is_sync and follower.streaming,
        writes=node.writes is True,
        timeline=told.get("timeline"),
        lag_bytes=lag_bytes,
        lag_s=lag_s,
        gate_refuses=str((told.get("tags") or {}).get(last_word.TAG) or ""),
    )


def _timeline(primary: SiteFacts | None) -> int | None:
    """Positions are compared on one timeline only: on another one a site may have log of its own that nobody wants."""
    leads = [node.told or {} for node in primary.nodes if node.name == primary.leader] if primary else []
    return leads[0].get("timeline") if leads else None


def _role(site: SiteFacts, node: NodeFacts) -> Role:
    if node.told is None:
        return "silent"
    if node.name == site.leader:
        writes = site.database is not None and site.database.writes
        return "primary" if writes else "standby-leader"
    return "primary" if node.told.get("role") == "primary" else "replica"


def _warnings(
    register: RegisterFacts | None, sites: tuple[SiteStanding, ...], nodes: tuple[NodeStanding, ...]
) -> Iterator[str]:
    """What a tired operator must not overlook, the worst first."""
    if register is None:
        yield "the register does not answer: customers are served as before, but nothing can be decided"
    writing = [site.name for site in sites if site.writes]
    if len(writing) > 1:
        yield f"both sites take writes ({' and '.join(writing)}): only the one that the register names may be used"
    for site in sites:
        if site.writes and register is not None and not site.serving:
            yield f"site {site.name} takes writes, but the register names {register.site}: leave its policy alone"
        if site.serving and not site.writes:
            yield f"site {site.name} serves by the register, but takes no writes now"
        if site.serving and register is not None and site.mode is not None and site.mode != register.mode:
            yield f"the register says {register.mode}, site {site.name} itself says {site.mode}"
        if site.serving and REMOTE_UNVERIFIED in site.rule:
            yield "the other site was not seen on this timeline yet: no answer leaves"
        elif site.serving and site.mode == "required" and _answers_alone(site):
            how = (
                f"waits for {site.rule or 'nobody'}" if _waits_for_nobody_across(site) else "lets commits go too early"
            )
            yield f"ANSWERS LEAVE WITHOUT THE OTHER SITE: {site.leader} {how}"
        elif site.serving and site.writes and site.mode == "required" and not _waits_across(site, nodes):
            yield "no answer leaves: no node of the other site is in step"
        if site.serving and site.writes:
            yield from site.levels.complaints(str(site.leader))
        if site.is_paused:
            yield f"Patroni is paused at site {site.name}: no node takes over there until it is resumed"
        if site.link is None:
            yield f"the link does not answer at site {site.name}"
        elif site.link != "open":
            yield f"the link is {site.link} at site {site.name}"
        if site.is_behind_log:
            yield f"site {site.name} cannot follow: the log it needs was dropped; every node there must be copied anew"
        if site.slot_bytes is not None and site.slot_left_bytes is not None and site.slot_bytes > site.slot_left_bytes:
            left = f"after {_mib(site.slot_left_bytes)} more" if site.slot_left_bytes > 0 else "at its next checkpoint"
            yield (
                f"site {site.name} keeps {_mib(site.slot_bytes)} of log for the other site and drops it {left}: that "
                "site must be copied anew then"
            )
        silent = [vote.name for vote in site.votes if not vote.answers]
        spare = len(site.votes) // 2 - len(silent)
        if silent and spare < 0:
            yield f"site {site.name} has no quorum, so no node of it can lead: {', '.join(silent)} silent"
        elif silent:
            yield f"site {site.name} can spare {spare or 'no'} more vote: {', '.join(silent)} silent"
    if register is not None and register.mode == "detached":
        yield f"detached since epoch {register.epoch}: {register.reason}"
    for node in nodes:
        if node.role == "silent" and node.writes:
            yield f"{node.name}'s Patroni is gone and its database takes writes: who is connected there waits in vain"
        elif node.role == "silent":
            yield f"{node.name} does not answer"
        elif node.state == START_FAILED:
            yield how_to_copy(node.name)
        elif node.role in ("replica", "standby-leader") and node.state != "streaming":
            yield f"{node.name} follows nobody now ({node.state})"
        if node.gate_refuses and node.state != "streaming" and not node.writes:
            yield f"{node.name}'s gate does not let it take over: {node.gate_refuses}"


def _renewals(certificates: tuple[Certificate, ...]) -> Iterator[str]:
    for one in certificates:
        if one.left_days < 0:
            yield f"the certificate of {one.name} ended on {one.until:%Y-%m-%d}: renew it now"
        elif one.is_short:
            yield f"the certificate of {one.name} ends on {one.until:%Y-%m-%d}, in {one.left_days} days: renew it"


def does_not_start(told: dict[str, Any] | None) -> bool:
    """Whether a node's Patroni says so of its database: it tries on and on, and rewinds it no second time."""
    return (told or {}).get("state") == START_FAILED


def how_to_copy(name: str) -> str:
    """What a person does with a node that can neither be started nor rewound (docs/decisions/0014)."""
    return (
        f"{name} does not start. If its log says that it could not be rewound, move its data folder aside and keep it: "
        "Patroni copies it anew as soon as another node of its site follows."
    )


def _mib(count_bytes: int) -> str:
    return f"{count_bytes >> 20:,} MiB"
