"""A lost cloud is built from nothing, its quorum too: it waits to be copied, and makes no bank of its own."""

from __future__ import annotations

import base64
import json
import shutil

import pytest
import yaml
from runbook import Runbook
from waiting import wait_until

from kanjo.sites.operate.plan import AwaitFollows, Step
from kanjo.sites.rest import OK, asked
from kanjo.sites.topology import Site

pytestmark = [pytest.mark.sites, pytest.mark.long, pytest.mark.xdist_group("sites-lab")]


def _tell_quorum(site: Site, name: str, value: str) -> None:
    """What `etcdctl put` does."""
    words = {"key": f"{site.namespace}{site.scope}/{name}", "value": value}
    body = json.dumps({of: base64.b64encode(word.encode()).decode() for of, word in words.items()})
    member = site.etcd[0]
    assert asked(member.host, member.client_port, "POST", "/v3/kv/put", body.encode(), timeout_s=5)[0] == OK


def test_a_cloud_that_is_built_from_nothing_rejoins_as_the_runbook_says(runbook: Runbook) -> None:
    """Told which bank it is of, its nodes wait without data; the order opens the way, and goes on behind the copy."""
    a = runbook.desk.topology.site("a")
    with runbook.bank.at_work(items_per_s=20) as customers:
        runbook.lab.kill(["a"])
        runbook.order("promote", "b", "cloud a is lost")
        for part in (*a.nodes, *a.etcd):
            shutil.rmtree(part.data)
        runbook.lab.start(["link-a", *(member.name for member in a.etcd)])
        wait_until(lambda: all(runbook.votes(member.name) for member in a.etcd), "the new quorum of a")
        [[number]] = runbook.sql(runbook.leader("b") or "", "SELECT system_identifier FROM pg_control_system()")
        file = runbook.lab.ground.host / "etc" / "a1" / "patroni.yml"
        _tell_quorum(a, "initialize", str(number))
        _tell_quorum(a, "config", json.dumps(yaml.safe_load(file.read_text("utf-8"))["bootstrap"]["dcs"]))
        runbook.lab.start(["a"])
        wait_until(lambda: {runbook.state_of(node.name) for node in a.nodes} == {"stopped"}, "a's nodes wait")

        def interrupted(step: Step, line: str) -> None:
            if isinstance(step, AwaitFollows):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            runbook.order("rejoin", "a", "cloud a is built anew", interrupted)
        runbook.copy_anew("a")
        runbook.order("rejoin", "a", "cloud a is built anew")

        customers.wait_for_more(20)
        runbook.until_well()
        runbook.order("switchover", "a", "back home")
        customers.wait_for_more(20)
        assert runbook.serves() == ("a", "required")
        assert runbook.bank.lost(customers, "a") == set()
