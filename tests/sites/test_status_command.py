"""`kanjo sites status` for machines that watch: an exit status, and the warnings in a list."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from registering import Office

COMMAND = Path(sys.executable).with_name("kanjo")
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "sites.toml"
NOBODY = "127.0.0.1"
"""On its port 1 nobody answers, and says so at once."""


@pytest.fixture
def desk(office: Office) -> Path:
    """A desk of which nothing can be reached, the register neither."""
    text = re.sub(r'"[\w.-]+\.example"', f'"{NOBODY}"', EXAMPLE.read_text("utf-8"))
    topology = office.folder / "sites.toml"
    topology.write_text(re.sub(r"port = \d+", "port = 1", text))
    (office.folder / "rest.password").write_text("nothing")
    desk = office.folder / "desk.json"
    content = {
        "topology": str(topology),
        "register": {name: str(office.tls / file) for name, file in CREDENTIALS.items()},
        "persons": str(office.folder / "persons"),
        "links": {site: str(office.folder / f"{site}.sock") for site in "ab"},
        "rest_user": "operator",
        "rest_password": str(office.folder / "rest.password"),
        "database_user": "postgres",
        "passfile": str(office.folder / "pgpass"),
    }
    desk.write_text(json.dumps(content))
    return desk


CREDENTIALS = {"authority": "authority.crt", "certificate": "operator.crt", "key": "operator.key"}


def test_alarm_is_an_exit_status_and_the_list_is_the_same(desk: Path) -> None:
    """Whoever only looks has been told, and that is 0; who watches gets 1 while there is a warning."""
    command = [COMMAND, "sites", "status", "--json", "--desk", desk]
    looked, watched = (
        subprocess.run([*command, *more], capture_output=True, text=True, check=False) for more in ([], ["--alarm"])
    )

    assert (looked.returncode, watched.returncode) == (0, 1), watched.stderr
    warnings = json.loads(watched.stdout)["warnings"]
    assert warnings == json.loads(looked.stdout)["warnings"]
    assert warnings[0].startswith("the register does not answer") and "b2 does not answer" in warnings
