"""The gate's loop around its decision: asks again, fetches, gives up in time, and says each decision once."""

from __future__ import annotations

import io
import json
from pathlib import Path

from kanjo.sites.catch_up import CatchUpFailed
from kanjo.sites.decision import CatchUp, Decision, Facts, Promote, Refuse
from kanjo.sites.gate import PATIENCE_S, log_to, main, may_promote
from kanjo.sites.identity import Identity
from kanjo.sites.last_word import FRESH_S, last_word
from kanjo.sites.names import HOLD
from kanjo.sites.node_file import Link, NodeFile, OurKeys, RegisterAddress
from kanjo.sites.register.state import RegisterState

OWN = Identity("7", 5, 1000, is_standby=True)
NAMED = Facts(site="a", mode="required", register=RegisterState("a", 1, "required"), own=OWN, rule=HOLD, other=OWN)
SILENT = Facts(site="a", mode="required", register=RegisterState("a", 1, "required"), own=OWN, rule=HOLD, other=None)
BEHIND = Facts(
    site="a",
    mode="required",
    register=RegisterState("a", 1, "required"),
    own=OWN,
    rule=HOLD,
    other=Identity("7", 5, 2000, is_standby=True),
)
BARRED = Facts(site="a", mode="required", register=RegisterState("b", 2, "required"), own=None)


class Trial:
    """A gate whose clock is ours; the last of its facts stays for ever."""

    def __init__(self, *found: Facts, fetch_fails: bool = False) -> None:
        self.now_s, self.found, self.fetch_fails = 0.0, list(found), fetch_fails
        self.said: list[Decision] = []
        self.fetched: list[Identity] = []

    def run(self) -> bool:
        return may_promote(self.gather, self.fetch, self.log, clock=lambda: self.now_s, sleep=self.sleep)

    def gather(self) -> tuple[Facts, dict[str, str]]:
        self.now_s += 0.01
        return (self.found.pop(0) if len(self.found) > 1 else self.found[0]), {}

    def fetch(self, origin: Identity, until_s: float) -> None:
        assert until_s >= self.now_s
        self.now_s += 0.2
        self.fetched.append(origin)
        if self.fetch_fails:
            raise CatchUpFailed("no")

    def log(self, decision: Decision, facts: Facts, silent: dict[str, str]) -> None:
        self.said.append(decision)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def test_nothing_missing() -> None:
    """Promoted at once."""
    trial = Trial(NAMED)

    assert trial.run() and trial.now_s < 1
    assert trial.said == [Promote("nothing-missing")]


def test_a_barred_site_does_not_wait() -> None:
    """T18: the register names the other site."""
    trial = Trial(BARRED)

    assert not trial.run() and trial.now_s < 1
    assert trial.said == [Refuse("register-names-b")]


def test_the_other_site_is_waited_for() -> None:
    """A planned switch-over: it is still being demoted when we are asked (pitfall 18)."""
    trial = Trial(SILENT, SILENT, SILENT, NAMED)

    assert trial.run()
    assert trial.said == [Refuse("other-site-silent", may_change=True), Promote("nothing-missing")]


def test_t16_silence_ends_in_a_refusal() -> None:
    """T16: within the gate's time, and not after a single look."""
    trial = Trial(SILENT)

    assert not trial.run()
    assert PATIENCE_S <= trial.now_s < PATIENCE_S + 1
    assert trial.said == [Refuse("other-site-silent", may_change=True), Refuse("time-is-over")]


def test_t15_what_is_missing_is_fetched_and_compared_again() -> None:
    """T15: the other site was ahead."""
    trial = Trial(BEHIND, NAMED)

    assert trial.run()
    assert trial.fetched == [BEHIND.other]
    assert [type(decision) for decision in trial.said] == [CatchUp, Promote]


def test_log_that_cannot_be_fetched() -> None:
    """Refused in time."""
    trial = Trial(BEHIND, fetch_fails=True)

    assert not trial.run() and trial.now_s < PATIENCE_S + 1
    assert trial.said[-1] == Refuse("time-is-over")


def test_log_that_never_ends() -> None:
    """The other site gets more and more: no loop without an end."""
    trial = Trial(BEHIND)

    assert not trial.run() and trial.now_s < PATIENCE_S + 1


def node_with(data: Path) -> NodeFile:
    """A node whose data lie there."""
    ours = OurKeys(
        site="a",
        link=Link("link", 1),
        peers=(),
        passfile="/p",
        register=RegisterAddress(host="r", port=1, authority="/a", reader="m:f"),
    )
    return NodeFile(
        name="a2",
        data=str(data),
        host="h",
        port=1,
        rest_host="h",
        rest_port=2,
        superuser="s",
        replication_role="r",
        ours=ours,
    )


def test_a_decision_is_one_line_of_json(tmp_path: Path) -> None:
    """With what it was decided on, and why facts are missing."""
    out = io.StringIO()

    log_to(out, node_with(tmp_path / "a2"))(Refuse("other-site-silent", may_change=True), SILENT, {"other": "refused"})

    [line] = out.getvalue().splitlines()
    said = json.loads(line)
    assert said["gate"] == "a2" and said["silent"] == {"other": "refused"}
    assert said["decision"] == {"type": "refuse", "reason": "other-site-silent", "may_change": True}
    found = said["facts"]["register"]
    assert (found["site"], found["epoch"], found["mode"]) == ("a", 1, "required")


def test_the_reason_of_a_refusal_is_the_last_word_and_goes_with_a_promotion(tmp_path: Path) -> None:
    """T16: kept beside the data for the launcher. That the time is over is no reason; an old one is of another hour."""
    data, clock = tmp_path / "a2", 0.0
    log = log_to(io.StringIO(), node_with(data))
    assert last_word(str(data)) == ""

    log(Refuse("other-site-silent", may_change=True), SILENT, {})
    log(Refuse("time-is-over"), SILENT, {})
    clock = (tmp_path / "a2.gate").stat().st_mtime
    assert last_word(str(data)) == "other-site-silent"
    assert last_word(str(data), lambda: clock + FRESH_S) == ""
    assert not data.exists()

    log(Promote("nothing-missing"), NAMED, {})
    assert last_word(str(data)) == ""


def test_a_disk_that_takes_no_word_decides_nothing(tmp_path: Path) -> None:
    """The gate's answer is its exit status."""
    log_to(io.StringIO(), node_with(tmp_path / "nowhere" / "a2"))(Refuse("register-names-b"), BARRED, {})

    assert last_word(str(tmp_path / "nowhere" / "a2")) == ""


def test_a_gate_that_cannot_work_refuses() -> None:
    """Wrong words or a file that is none: not 0."""
    assert main([]) == 2
    assert main(["/nowhere/patroni.yml"]) == 2
