"""Our wraps around Patroni's methods, and the proof at every start that they are those we know (pitfall 17)."""

from __future__ import annotations

import importlib
import inspect
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import wraps
from typing import Any, NamedTuple

import psycopg

from kanjo.errors import SystemFailed
from kanjo.sites import last_word
from kanjo.sites.guard import Guard
from kanjo.sites.names import strip
from kanjo.sites.policy import keeps_lease
from kanjo.sites.tenure import TAG, Tenure

logger = logging.getLogger("kanjo.sites.launcher")

KNOWN_VERSIONS = frozenset({"4.1.5"})
"""Each was read, line by line where it touches the names, and went through the scenario tests."""

SSN = "synchronous_standby_names"
# What the server itself goes by, whatever is believed to be written.
IN_FORCE = "SELECT pg_catalog.current_setting('synchronous_standby_names')"
# Through which slot a standby streams now.
FOLLOWED = "SELECT slot_name FROM pg_catalog.pg_stat_wal_receiver WHERE status = 'streaming'"
AGAIN_S = 0.3
"""While the other site is not verified yet, the next loop comes this soon instead of after `loop_wait`."""
POLL_S = 0.2
"""So often Patroni looks whether a server that it promotes or starts is ready; by itself, once a second."""


class Method(NamedTuple):
    """A method of Patroni's that we rely on, with its parameters; with no `owner` a function that a module uses."""

    module: str
    owner: str
    name: str
    parameters: tuple[str, ...]

    def find(self) -> tuple[Any, Any]:
        """The class or module, and the function; AttributeError or ImportError when there is none."""
        module = importlib.import_module(self.module)
        owner = getattr(module, self.owner) if self.owner else module
        return owner, inspect.unwrap(getattr(owner, self.name))


CONFIG, SERVER, LOOP = "patroni.postgresql.config", "patroni.postgresql", "patroni.ha"
DYNAMIC = "patroni.config"
POLLING = "polling_loop"
METHODS = (
    Method(CONFIG, "ConfigHandler", "set_synchronous_standby_names", ("self", "value")),
    Method(CONFIG, "ConfigHandler", "get_server_parameters", ("self", "config")),
    Method(SERVER, "Postgresql", "synchronous_standby_names", ("self",)),
    Method(SERVER, "Postgresql", "promote", ("self", "wait_seconds", "task", "before_promote")),
    Method(LOOP, "Ha", "process_sync_replication", ("self",)),
    Method(SERVER, "", POLLING, ("timeout", "interval")),
    Method(DYNAMIC, "Config", "_validate_and_adjust_timeouts", ("self", "config")),
    Method(LOOP, "Ha", "run_cycle", ("self",)),
    Method(LOOP, "Ha", "get_effective_tags", ("self",)),
    Method(LOOP, "Ha", "is_healthiest_node", ("self",)),
    Method(LOOP, "Ha", "bootstrap", ("self",)),
    # not wrapped, but called
    Method(LOOP, "Ha", "wakeup", ("self",)),
    Method(LOOP, "Ha", "is_leader", ("self",)),
    Method(LOOP, "Ha", "is_standby_cluster", ("self",)),
    Method(CONFIG, "ConfigHandler", "write_postgresql_conf", ("self", "configuration")),
    Method(SERVER, "Postgresql", "query", ("self", "sql", "params", "retry")),
    Method(SERVER, "Postgresql", "reload", ("self", "block_callbacks")),
)


def require_known_patroni(version: str | None = None) -> None:
    """Errors: SystemFailed `patroni-unknown` for another version, or for methods that are not the ones we know."""
    found = version if version is not None else _installed()
    known = ", ".join(sorted(KNOWN_VERSIONS))
    if found not in KNOWN_VERSIONS:
        raise SystemFailed(
            "patroni-unknown", f"Patroni {found} was not proved with this launcher; install {known}", found=found
        )
    for method in METHODS:
        shape = _shape(method)
        if shape != method.parameters:
            raise SystemFailed(
                "patroni-unknown",
                f"Patroni's {method.owner or method.module}.{method.name} takes {shape}, expected {method.parameters}: "
                f"it was changed although its version is {found}; install {known} anew",
                found=found,
            )


def _installed() -> str:
    try:
        return str(importlib.import_module("patroni.version").__version__)
    except ImportError:
        return "(none)"


def _shape(method: Method) -> tuple[str, ...] | None:
    try:
        _, function = method.find()
        return tuple(inspect.signature(function).parameters)
    except (ImportError, AttributeError, TypeError, ValueError):
        return None


def install(guard: Guard, tenure: Tenure, gate_refuses: Callable[[], str]) -> None:
    """Put the guard between Patroni and its server, and let it say what a leader has and what the gate said last.

    Once, before Patroni starts.
    """
    # in the order of METHODS: Patroni's modules import each other in a circle that can be entered at one place only
    owners = {method.owner: method.find()[0] for method in METHODS}
    ConfigHandler, Postgresql, Ha = owners["ConfigHandler"], owners["Postgresql"], owners["Ha"]  # noqa: N806 - classes
    misc = importlib.import_module("patroni.postgresql.misc")
    primary_roles = (misc.PostgresqlRole.PRIMARY, misc.PostgresqlRole.PROMOTED)
    silent = (importlib.import_module("patroni.exceptions").PatroniException, psycopg.Error)
    stock_set = ConfigHandler.set_synchronous_standby_names
    stock_parameters = ConfigHandler.get_server_parameters
    stock_names = Postgresql.synchronous_standby_names
    stock_promote = Postgresql.promote
    stock_step = Ha.process_sync_replication
    server, Config = owners[""], owners["Config"]  # noqa: N806 - a class
    stock_timeouts = Config._validate_and_adjust_timeouts
    stock_polling = getattr(server, POLLING)
    stock_cycle = Ha.run_cycle
    stock_tags = Ha.get_effective_tags
    stock_race = Ha.is_healthiest_node
    stock_bootstrap = Ha.bootstrap

    def value(config: Any, wish: str | None) -> str | None:
        return guard.value(wish, is_primary=config._postgresql.role in primary_roles)

    @wraps(stock_set)
    def set_names(self: Any, value_wanted: str | None) -> bool | None:
        """Writing the names: ours, for Patroni's wish."""
        changed: bool | None = stock_set(self, value(self, value_wanted))
        return changed

    @wraps(stock_parameters)
    def server_parameters(self: Any, config: Any) -> Any:
        """Building all parameters: stock Patroni drops the names here before it demotes to a standby (rule b)."""
        parameters = stock_parameters(self, config)
        found = value(self, guard.wish_behind(parameters.get(SSN)))
        if found is None:
            parameters.pop(SSN, None)
        else:
            parameters[SSN] = found
        return parameters

    @wraps(stock_names)
    def read_names(self: Any) -> str:
        """Reading back: without the other site's names, so that the /sync key stays right."""
        return strip(stock_names(self))

    @wraps(stock_promote)
    def promote(self: Any, *arguments: Any, **named: Any) -> bool | None:
        """A new timeline begins: the other site is on it only once it was seen there."""
        guard.forget("promotion")
        promoted: bool | None = stock_promote(self, *arguments, **named)
        return promoted

    @wraps(stock_step)
    def sync_step(self: Any) -> None:
        """Verify, let Patroni take its own step on the primary, bring the value up to date.

        Verified first, since Patroni's step sleeps for two seconds when it chooses a replica. Nothing is written before
        it has chosen: until then the value would name no replica of this site.
        """
        again = self.state_handler.is_primary() and guard.see()
        stock_step(self)
        if self.state_handler.is_primary():
            config = self.state_handler.config
            set_names(config, guard.wish_behind(config._server_parameters.get(SSN)))
            if again:
                _later(self.wakeup)

    @wraps(stock_polling)
    def polling(timeout: float, interval: float = POLL_S) -> Iterator[int]:
        """Waiting for a server: sooner seen than by Patroni's own interval."""
        polled: Iterator[int] = stock_polling(timeout, interval)
        return polled

    @wraps(stock_timeouts)
    def timeouts(self: Any, config: dict[str, Any]) -> None:
        """A lease shorter than Patroni's 20 s, when all three times keep Patroni's own rule (decision 0013)."""
        wished = {name: config.get(name) for name in ("ttl", "loop_wait", "retry_timeout")}
        stock_timeouts(self, config)
        if keeps_lease(*wished.values()):
            config.update(wished)

    setattr(server, POLLING, polling)
    Config._validate_and_adjust_timeouts = timeouts

    @wraps(stock_cycle)
    def cycle(self: Any) -> str:
        """After each loop, on replicas too: what the server goes by is the value, not only what Patroni believes."""
        said: str = stock_cycle(self)
        with suppress(*silent):
            bring_into_force(self.state_handler)
        with suppress(*silent):
            tenure.look(_lease(self), lambda: guard.follows_through(_slot(self.state_handler)))
        return said

    @wraps(stock_race)
    def race(self: Any) -> bool:
        """For the lock that is free."""
        return guard.may_lead(self.state_handler.name) and bool(stock_race(self))

    @wraps(stock_bootstrap)
    def bootstrap(self: Any) -> str:
        """Nobody at a standby site is copied from a leader that may have to be rewound itself: the copy would have log
        that the other site has not, and none from before that, so it could not be rewound and would never start.
        """
        leader = self.cluster.leader
        if self.is_standby_cluster() and leader and leader.member.tags.get(TAG) is not True:
            return f"waiting with the copy until {leader.name} has all answers"
        said: str = stock_bootstrap(self)
        return said

    @wraps(stock_tags)
    def tags(self: Any) -> dict[str, Any]:
        """What the operators' desk reads: whether this leader of a standby has everything that was answered, and why
        the gate does not let this node through.
        """
        found: dict[str, Any] = stock_tags(self)
        if tenure.has_all and self.is_leader():
            found = found | {TAG: True}
        return found | {last_word.TAG: why} if (why := gate_refuses()) else found

    def bring_into_force(server: Any) -> None:
        """Patroni builds parameters while a server is starting too, and then never writes them: a replica that missed
        the policy so would be promoted to a primary that waits for nobody.
        """
        if server.state != misc.PostgresqlState.RUNNING:
            return
        config = server.config
        set_names(config, guard.wish_behind(config._server_parameters.get(SSN)))
        wanted = config._server_parameters.get(SSN) or ""
        if server.query(IN_FORCE, retry=False)[0][0] != wanted:
            logger.warning("kanjo sites: decision=write-again value=%r", wanted)
            config.write_postgresql_conf()
            server.reload()

    ConfigHandler.set_synchronous_standby_names = set_names
    ConfigHandler.get_server_parameters = server_parameters
    Postgresql.synchronous_standby_names = read_names
    Postgresql.promote = promote
    Ha.process_sync_replication = sync_step
    Ha.run_cycle = cycle
    Ha.get_effective_tags = tags
    Ha.is_healthiest_node = race
    Ha.bootstrap = bootstrap


def _lease(loop: Any) -> str | None:
    """Of the lock that this node holds while its server is a standby."""
    leader = loop.cluster and loop.cluster.leader
    leads = leader and leader.name == loop.state_handler.name and loop.is_leader()
    return str(leader.session) if leads and not loop.state_handler.is_primary() else None


def _slot(server: Any) -> str | None:
    return next((str(slot) for [slot] in server.query(FOLLOWED, retry=False)), None)


def _later(wake: Any) -> None:
    timer = threading.Timer(AGAIN_S, wake)
    timer.daemon = True
    timer.start()
