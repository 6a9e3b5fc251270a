"""`kanjo sites history` beside a register: who signed what, also when a person has left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from registering import Office, appoint, serving

from kanjo.errors import Refused
from kanjo.sites.register.state import Attach, Detach

COMMAND = Path(sys.executable).with_name("kanjo")
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "sites.toml"


def desk_file(office: Office, address: str) -> Path:
    """A desk whose register is at an address; nobody else of its topology is there."""
    host, _, port = address.rpartition(":")
    text = (
        EXAMPLE.read_text("utf-8")
        .replace('"register.place-c.example"', f'"{host}"')
        .replace("port = 7460", f"port = {port}")
    )
    topology = office.folder / "sites.toml"
    topology.write_text(text)
    desk = office.folder / "desk.json"
    desk.write_text(
        json.dumps(
            {
                "topology": str(topology),
                "register": {
                    "authority": str(office.tls / "authority.crt"),
                    "certificate": str(office.tls / "operator.crt"),
                    "key": str(office.tls / "operator.key"),
                },
                "persons": str(office.folder / "persons"),
                "links": {},
                "rest_user": "",
                "rest_password": "",
                "database_user": "",
                "passfile": "",
            }
        )
    )
    return desk


def history(desk: Path) -> tuple[dict[str, Any], str]:
    """What the command prints for programs, and for people."""
    shown = [
        subprocess.run([COMMAND, "sites", "history", "--desk", desk, *more], capture_output=True, text=True, check=True)
        for more in (["--json"], [])
    ]
    return json.loads(shown[0].stdout), shown[1].stdout


def test_the_history_says_who_signed_what_and_why_when_a_person_has_left_too(office: Office) -> None:
    """Her public key is taken out of the folder: what she signed is proved as before, and she signs no more."""
    with serving(office) as (_, address):
        client = office.client(address)
        for change in (appoint("a"), Detach(site="a", expected_epoch=1, reason="cloud b does not answer")):
            client.change(change, office.signed(change))

    (office.folder / "persons" / "hanako.pub").unlink()
    with serving(office) as (_, address):
        found, shown = history(desk_file(office, address))
        change = Attach(site="a", expected_epoch=2, reason="cloud b is back")
        with pytest.raises(Refused) as refused:
            office.client(address).change(change, office.signed(change))

    assert refused.value.code == "person-unknown"
    assert [entry["content"]["change"]["change"] for entry in found["entries"]] == ["appoint", "detach"]
    assert found["epoch"] == 2
    assert "hanako and taro" in shown and "cloud b does not answer" in shown and found["public_key"] in shown
