"""`sites.toml` becomes values, or its faults are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from kanjo.errors import Refused, WrongUsage
from kanjo.sites import Node, Topology, read_topology, read_topology_file

EXAMPLE = (Path(__file__).parents[2] / "docs" / "examples" / "sites.toml").read_text("utf-8")


def faults(text: str) -> list[dict[str, str]]:
    """The faults of a file that is refused."""
    with pytest.raises(Refused) as caught:
        read_topology(text)
    assert caught.value.code == "topology-invalid"
    errors = caught.value.details["errors"]
    assert isinstance(errors, list)
    return errors


def test_the_example_is_read(example: Topology) -> None:
    """Names come from the keys, order from the file, and what is left out has its default."""
    a, b = example.sites

    assert (a.name, b.name, example.operating, example.lab) == ("a", "b", "a", False)
    assert a.node_names == ("a1", "a2", "a3") and b.node_names == ("b1", "b2")
    assert b.nodes[0] == Node(
        name="b1", host="b1.cloud-b.example", port=5432, rest_port=8008, data="/var/lib/kanjo/b1", failover_priority=1
    )
    assert (a.slot, b.slot) == ("cloud_a", "cloud_b")
    assert example.other("a") is b and example.site("b") is b
    with pytest.raises(KeyError):
        example.site("c")


def test_a_lab_says_so() -> None:
    """`lab` may be left out, as may what has a default."""
    assert read_topology("lab = true\n" + EXAMPLE).lab


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('mode = "required"', 'mode = "maybe"', ("policy.mode", "'required' or 'detached'", "'maybe'")),
        ("ttl_s = 8", 'ttl_s = "20"', ("policy.ttl_s", "int", "str")),
        ("ttl_s = 8", "", ("policy.ttl_s", "a value", "nothing")),
        ('operating = "a"', "operating = 1", ("operating", "a text", "1")),
        ('operating = "a"', "", ("operating", "a text", "nothing")),
        ('operating = "a"', 'operating = "a"\nlab = "yes"', ("lab", "true or false", "'yes'")),
        ('cloud = "azure"', "", ("sites.a.cloud", "a text", "nothing")),
        ("rest_port = 8008, data", 'rest_port = "x", data', ("sites.a.nodes.a1.rest_port", "int", "str")),
        ("client_port = 2379, ", "", ("sites.a.etcd.etcd-a1.client_port", "a value", "nothing")),
        ("port = 7450", "port = 7450\nspeed = 1", ("sites.a.link.speed", "no such name here", "'speed'")),
        ("[sites.a.nodes]", "[sites.a.nodes]\na0 = 7", ("sites.a.nodes.a0", "a table", "7")),
        ("[link]\nauthority", "link = 7\n[other]\nauthority", None),
    ],
)
def test_a_fault_is_told_with_its_place(old: str, new: str, fault: tuple[str, str, str] | None) -> None:
    """Where, what was expected, what was found."""
    assert old in EXAMPLE

    found = faults(EXAMPLE.replace(old, new, 1))

    if fault is not None:
        assert found == [dict(zip(("place", "expected", "found"), fault, strict=True))]
    else:
        assert len(found) > 1


def test_all_faults_are_told_at_once() -> None:
    """Nobody mends a file one fault at a time."""
    text = EXAMPLE.replace('cloud = "azure"', "").replace("ttl_s = 8", "").replace('"/kanjo-b/"', "3")

    assert [fault["place"] for fault in faults(text)] == ["policy.ttl_s", "sites.a.cloud", "sites.b.namespace"]


def test_what_is_not_toml() -> None:
    """The parser's own words name the line."""
    with pytest.raises(Refused, match="line 1") as caught:
        read_topology("[[\n")
    assert caught.value.code == "topology-invalid"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Wrong usage, not a fault of its content."""
    with pytest.raises(WrongUsage) as caught:
        read_topology_file(tmp_path / "none.toml")
    assert caught.value.code == "file-unreadable"
