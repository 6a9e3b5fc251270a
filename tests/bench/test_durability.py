"""No figure is taken of a server that may lose what it answered."""

from __future__ import annotations

import pytest

from kanjo import db
from kanjo.bench.machine import DURABLE, machine, require_durable
from kanjo.errors import Refused

pytestmark = pytest.mark.xdist_group("bench")  # one durable server is enough

GOOD = {name: good[0] for name, good in DURABLE.items()}


def test_embedded_server_is_durable_and_told_of(durable_server: db.Database) -> None:
    """What users get has fsync, full pages, synchronous commit and checksums on; the facts name no host."""
    found = machine(durable_server)

    assert {name: found.settings[name] for name in DURABLE} == GOOD
    assert found.cores > 0 and found.memory_gb > 0 and found.postgresql.startswith("18")
    assert found.python.count(".") == 2


def test_server_without_fsync_is_refused(server: db.Database) -> None:
    """The test session's own server is one."""
    with pytest.raises(Refused) as refused:
        machine(server)

    assert refused.value.code == "durability-off"
    assert refused.value.details["settings"] == {"fsync": "off"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "local"), ("data_checksums", "off")],
)
def test_each_setting_counts(name: str, value: str) -> None:
    """One lowered setting is enough; one that the server does not know is too."""
    require_durable(GOOD)
    for settings in (GOOD | {name: value}, {known: found for known, found in GOOD.items() if known != name}):
        with pytest.raises(Refused, match=name):
            require_durable(settings)
