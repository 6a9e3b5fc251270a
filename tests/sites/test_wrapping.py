"""The wraps around Patroni's own classes: known methods only, and the names go through in both directions."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import patroni.postgresql
import pytest
from patroni import global_config
from patroni.collections import CaseInsensitiveDict
from patroni.exceptions import PostgresConnectionException
from patroni.postgresql.config import ConfigHandler
from patroni.postgresql.misc import PostgresqlRole, PostgresqlState

from kanjo.errors import SystemFailed
from kanjo.sites import last_word, launcher, wrapping
from kanjo.sites.guard import Guard
from kanjo.sites.identity import Identity
from kanjo.sites.tenure import TAG, Tenure
from kanjo.sites.wrapping import METHODS, SSN, install, require_known_patroni

Postgresql: Any = METHODS[2].find()[0]
Ha: Any = METHODS[4].find()[0]
Config: Any = METHODS[6].find()[0]

PRIMARY = Identity("7", 5, 1000, is_standby=False)
REMOTE = Identity("7", 5, 990, is_standby=True)
REQUIRED = {"remote_sync": {"names": "b1,b2", "mode": "required"}, "synchronous_mode": True}
HOLD = "FIRST 1 (remote_unverified)"


def test_the_installed_patroni_is_known() -> None:
    """Version and methods are those the launcher was proved with."""
    require_known_patroni()


def test_another_version_is_refused() -> None:
    """Pitfall 17."""
    with pytest.raises(SystemFailed, match=r"4\.2\.0 was not proved") as caught:
        require_known_patroni("4.2.0")
    assert caught.value.code == "patroni-unknown"


@pytest.mark.parametrize("method", METHODS)
def test_a_changed_method_is_refused(method: wrapping.Method, monkeypatch: pytest.MonkeyPatch) -> None:
    """Renamed, or with other parameters, although the version says that we know it."""
    owner, _ = method.find()
    monkeypatch.setattr(owner, method.name, lambda self, other: None)
    with pytest.raises(SystemFailed, match=method.name) as caught:
        require_known_patroni()
    assert caught.value.code == "patroni-unknown"

    monkeypatch.delattr(owner, method.name)
    with pytest.raises(SystemFailed, match=method.name):
        require_known_patroni()


def test_the_launcher_does_not_start_an_unknown_patroni(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends with a code and a sentence, and touches nothing."""
    monkeypatch.setattr(wrapping, "KNOWN_VERSIONS", frozenset({"3.0.0"}))
    before = ConfigHandler.set_synchronous_standby_names

    assert launcher.main(["patroni.yml"]) == 3
    assert "patroni-unknown" in capsys.readouterr().err
    assert ConfigHandler.set_synchronous_standby_names is before


def test_the_launcher_needs_a_node_s_file(capsys: pytest.CaptureFixture[str]) -> None:
    """One word, which is a file."""
    assert launcher.main([]) == 2
    assert launcher.main(["/nowhere/patroni.yml"]) == 2
    assert "node-file-invalid" in capsys.readouterr().err


def test_the_launcher_imports_little() -> None:
    """It runs under an interpreter that has Patroni, psycopg and little else."""
    script = (
        "import sys, kanjo.sites.launcher, kanjo.sites.gate;"
        "print([name for name in ('numpy', 'alembic', 'sqlalchemy', 'typer', 'rich') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


class World:
    """A server under Patroni's own classes, with nothing behind them."""

    def __init__(self) -> None:
        self.dynamic: dict[str, Any] = dict(REQUIRED)
        self.remote = REMOTE
        self.written: list[str | None] = []
        self.primary, self.leads, self.own, self.slot = True, False, REMOTE, "cloud_b"
        self.in_force = self.gate_refuses = ""
        self.woken_count = 0
        self.step: Callable[[], object] = lambda: None
        self.now_s = 0.0
        self.guard = Guard(
            lambda: self.dynamic, lambda: self.remote, lambda: PRIMARY, clock=lambda: self.now_s, sleep=self._sleep
        )
        self.server: Any = SimpleNamespace(
            role=PostgresqlRole.PRIMARY,
            state=PostgresqlState.RUNNING,
            scope="cloud-a",
            major_version=180000,
            mpp_handler=SimpleNamespace(adjust_postgres_gucs=lambda parameters: None),
            reload=self._reload,
            query=lambda sql, retry: [(self.in_force if sql == wrapping.IN_FORCE else self.slot,)],
            name="b1",
            is_primary=lambda: self.primary,
        )
        self.config = object.__new__(ConfigHandler)
        self.config._server_parameters = CaseInsensitiveDict()
        self.config._postgresql = self.server
        self.config._config_dir = "/etc"
        self.config.write_postgresql_conf = lambda: self.written.append(self.config._server_parameters.get(SSN))
        self.server.config = self.config
        self.loop = object.__new__(Ha)
        self.loop.state_handler = self.server
        self.loop.wakeup = self._wake
        self.loop.cluster = None
        self.loop.is_leader = lambda: self.leads
        self.tenure = Tenure(lambda: PRIMARY, lambda: self.own)

    def _sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def _reload(self) -> None:
        self.in_force = self.written[-1] or ""

    def _wake(self) -> None:
        self.woken_count += 1

    def parameters(self, **own: str) -> Any:
        return ConfigHandler.get_server_parameters(self.config, {"parameters": own, "listen": "127.0.0.1:5432"})

    def reload(self, **own: str) -> str | None:
        """What Patroni's reload_config does with the parameters."""
        found = self.parameters(**own)
        self.config._server_parameters = found
        value: str | None = found.get(SSN)
        return value


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Wrapped classes, whole again afterwards."""
    made = World()
    for method in METHODS:
        owner, function = method.find()
        monkeypatch.setattr(owner, method.name, function)
    monkeypatch.setattr(Ha, "process_sync_replication", lambda self: made.step())
    monkeypatch.setattr(Ha, "run_cycle", lambda self: "no action")
    monkeypatch.setattr(wrapping, "_later", lambda wake: wake())
    monkeypatch.setattr(global_config, "_GlobalConfig__config", made.dynamic, raising=False)
    monkeypatch.setattr(Ha, "get_effective_tags", lambda self: {"nofailover": True})
    monkeypatch.setattr(Ha, "bootstrap", lambda self: "copying")
    install(made.guard, made.tenure, lambda: made.gate_refuses)
    return made


def test_the_other_site_stands_in_what_patroni_writes(world: World) -> None:
    """First unverified, then counted at the end of the sync step, and then nothing more is written."""
    world.config.set_synchronous_standby_names("a2")
    assert world.written == ["FIRST 2 (a2,remote_unverified)"]

    world.loop.process_sync_replication()
    world.loop.process_sync_replication()
    assert world.written[1:] == ["FIRST 2 (a2,b1,b2)"] and world.woken_count == 0

    world.config.set_synchronous_standby_names("a2")
    assert len(world.written) == 2


def test_the_other_site_is_seen_before_patroni_chooses_a_replica(world: World) -> None:
    """Its own step then sleeps, and commits need not wait for that; before it nothing is written without a replica."""
    world.step = lambda: world.config.set_synchronous_standby_names("a3")

    world.loop.process_sync_replication()

    assert world.written == ["FIRST 2 (a3,b1,b2)"]


@pytest.mark.parametrize(
    ("ttl", "loop_wait", "retry_timeout", "kept"),
    [(8, 1, 3, True), (7, 1, 3, True), (20, 2, 5, True), (6, 1, 3, False), (8, 2, 4, False), (8, 1, "3", False)],
)
def test_a_short_lease_is_kept_when_patroni_s_rule_is(
    world: World, ttl: int, loop_wait: int, retry_timeout: Any, kept: bool
) -> None:
    """Decision 0013; whatever breaks the rule is Patroni's to correct, to 20 s at least."""
    found = {"ttl": ttl, "loop_wait": loop_wait, "retry_timeout": retry_timeout}

    Config._validate_and_adjust_timeouts(object.__new__(Config), found)

    assert (found["ttl"] == ttl) is kept and found["ttl"] in (ttl, 20)


def test_a_server_is_looked_at_more_often_than_every_second(world: World) -> None:
    """Where Patroni waits for a promotion or a start; who names an interval keeps it."""
    began_s = time.monotonic()
    list(patroni.postgresql.polling_loop(0.3))
    assert time.monotonic() - began_s < 1
    assert len(list(patroni.postgresql.polling_loop(0.1, 0.2))) == 1


def test_a_loop_comes_soon_while_the_other_site_is_not_in_step(world: World) -> None:
    """An outage shall not last until the next regular loop."""
    world.remote = Identity("7", 4, 990, is_standby=True)

    world.loop.process_sync_replication()

    assert world.woken_count == 1 and world.written == [HOLD]


def test_a_replica_s_step_asks_nobody(world: World) -> None:
    """Only a primary verifies."""
    world.primary = False

    world.loop.process_sync_replication()

    assert world.written == []


def test_patroni_reads_its_own_names(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The /sync key never holds a member of the other site."""
    server = object.__new__(Postgresql)
    monkeypatch.setattr(Postgresql, "_cluster_info_state_get", lambda self, name: "FIRST 2 (a2,b1,b2)")

    assert server.synchronous_standby_names() == "a2"


def test_parameters_built_anew_keep_the_names(world: World) -> None:
    """A reload neither doubles nor drops them, and a policy that came with it is in force at once."""
    world.config.set_synchronous_standby_names("a2")
    world.loop.process_sync_replication()
    assert world.reload() == world.reload() == "FIRST 2 (a2,b1,b2)"

    world.dynamic["remote_sync"] = {"names": "b1,b2", "mode": "detached", "by": "sato", "reason": "b lost"}
    assert world.reload() == "a2"


def test_rule_b_parameters_of_a_site_told_to_be_a_standby(world: World) -> None:
    """Pitfall 4: stock Patroni drops the names while the database still runs as primary, and so answers everybody."""
    world.config.set_synchronous_standby_names("a2")
    world.loop.process_sync_replication()
    world.dynamic["standby_cluster"] = {"host": "link", "port": 7450}

    assert world.reload() == world.reload() == HOLD

    del world.dynamic["standby_cluster"]
    world.server.role = PostgresqlRole.REPLICA
    world.config.set_synchronous_standby_names(None)
    assert world.config._server_parameters[SSN] == HOLD


def test_names_of_a_server_that_patroni_joins(world: World) -> None:
    """After a restart of Patroni alone, the running server's value is read, not wrapped a second time."""
    world.config._server_parameters = CaseInsensitiveDict({SSN: "FIRST 2 (a2,b1,b2)"})

    assert world.reload() == "FIRST 2 (a2,remote_unverified)"
    world.loop.process_sync_replication()
    assert world.written == ["FIRST 2 (a2,b1,b2)"]


def test_a_promotion_forgets_before_it_begins(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule (a): on the new timeline nobody was seen yet."""
    world.loop.process_sync_replication()
    assert world.written[-1] == "FIRST 1 (b1,b2)"
    server = object.__new__(Postgresql)
    monkeypatch.setattr(Postgresql, "role", PostgresqlRole.PRIMARY)

    assert server.promote(2, None) is True

    world.config.set_synchronous_standby_names(None)
    assert world.written[-1] == HOLD


def test_a_replica_that_was_starting_when_the_policy_came_is_told_again(world: World) -> None:
    """Patroni believes it written and never writes it; promoted so, the server would answer without anybody."""
    world.server.role, world.server.state = PostgresqlRole.REPLICA, PostgresqlState.STARTING
    assert world.reload() == HOLD
    assert world.loop.run_cycle() == "no action" and world.in_force == ""

    world.server.state = PostgresqlState.RUNNING
    world.loop.run_cycle()
    world.loop.run_cycle()

    assert world.in_force == HOLD and world.written == [HOLD]


def test_a_primary_that_lost_its_names_is_told_again(world: World) -> None:
    """Whoever put them aside: what the server goes by is looked at in each loop."""
    world.config.set_synchronous_standby_names("a2")
    world.loop.process_sync_replication()
    world.in_force = "a2"

    world.loop.run_cycle()

    assert world.in_force == "FIRST 2 (a2,b1,b2)"


def test_a_server_that_does_not_answer_holds_up_no_loop(world: World) -> None:
    """The next loop looks again."""

    def silent(sql: str, retry: bool) -> None:
        raise PostgresConnectionException("connection problems")

    world.server.query = silent

    assert world.loop.run_cycle() == "no action"


def test_a_leader_of_a_standby_says_when_it_has_everything(world: World) -> None:
    """Seen as far as the other site was, through the one slot, and as long as its lease lasts (pitfall 15)."""
    world.dynamic["standby_cluster"] = {"host": "link", "port": 7450, "primary_slot_name": "cloud_b"}
    world.primary, world.leads = False, True

    def after_loops(lease: str, count: int = 2) -> bool:
        world.loop.cluster = SimpleNamespace(leader=SimpleNamespace(name="b1", session=lease))
        for _ in range(count):
            world.loop.run_cycle()
        tags: dict[str, Any] = world.loop.get_effective_tags()
        assert tags.pop("nofailover") is True
        return tags == {TAG: True}

    assert not after_loops("1")
    world.own = Identity("7", 5, 1000, is_standby=True)
    assert after_loops("1", 1)
    world.slot = ""
    assert after_loops("1") and not after_loops("2")
    world.slot = "b1"
    assert not after_loops("2")
    world.slot = "cloud_b"
    assert not after_loops("2", 1) and after_loops("2", 1)
    world.leads = False
    assert not after_loops("2")
    world.leads, world.own = True, Identity("7", 4, 1000, is_standby=True)
    assert not after_loops("2", 4)


@pytest.mark.parametrize(
    ("is_standby", "tags", "copies"),
    [
        (True, {}, False),
        (True, {TAG: False}, False),
        (True, {TAG: True}, True),
        (True, None, True),  # nobody leads: Patroni itself waits, or begins the site from the other one
        (False, {}, True),
    ],
)
def test_nobody_is_copied_from_a_leader_that_may_have_log_of_its_own(
    world: World, is_standby: bool, tags: dict[str, bool] | None, copies: bool
) -> None:
    """At a standby site only from one that was seen as far as the other site; at the serving one from any."""
    if is_standby:
        world.dynamic["standby_cluster"] = {"host": "link", "port": 7450, "primary_slot_name": "cloud_b"}
    leader = None if tags is None else SimpleNamespace(name="a2", member=SimpleNamespace(tags=tags))
    world.loop.cluster = SimpleNamespace(leader=leader)

    said = world.loop.bootstrap()

    assert said == ("copying" if copies else "waiting with the copy until a2 has all answers")


def test_what_the_gate_said_is_among_the_tags(world: World) -> None:
    """Where the operators' desk reads it, as long as it says so."""
    world.gate_refuses = "register-names-b"
    assert world.loop.get_effective_tags() == {"nofailover": True, last_word.TAG: "register-names-b"}

    world.gate_refuses = ""
    assert world.loop.get_effective_tags() == {"nofailover": True}


def test_a_mode_that_is_off_is_no_way_out(world: World) -> None:
    """With Patroni's synchronous mode off, the other site is still required."""
    world.dynamic["synchronous_mode"] = False

    assert world.reload() == HOLD
    assert world.reload(synchronous_standby_names="a2") == "FIRST 2 (a2,remote_unverified)"
