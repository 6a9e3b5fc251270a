"""Persons' keys and machines' certificates: made by a command, opened at a terminal and nowhere else."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest
from command import Kanjo, at_terminal, kanjo_in

from kanjo.sites.person import Signature, digest_of, read_persons, require_two

DIGEST = digest_of(b"a plan")
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "sites.toml"
WORDS = "四つの海、一つの空"


@pytest.fixture
def kanjo(tmp_path: Path) -> Kanjo:
    """The command without any database."""
    return kanjo_in(tmp_path / "home")


def make(kanjo: Kanjo, name: str, folder: Path) -> str:
    """Make a person's key as the person does; what the terminal showed."""
    typed = {"New passphrase": WORDS, "The same again": WORDS}
    return at_terminal(kanjo, "sites", "person", name, "--into", folder, typed=typed).shown


def test_two_persons_made_by_command_sign_a_plan(kanjo: Kanjo, tmp_path: Path) -> None:
    """The passphrase is asked at the terminal and shown nowhere; what two sign so is what the register demands."""
    signatures = []
    for name in ("hanako", "taro"):
        assert WORDS not in make(kanjo, name, tmp_path)
        key = tmp_path / f"{name}.key"
        command = ("sites", "sign", DIGEST, "--person", name, "--key", key, "--json")
        signed = at_terminal(kanjo, *command, typed={f"Passphrase of {name}'s key": WORDS})
        assert WORDS not in signed.shown + signed.ran.out + signed.ran.err
        assert stat.S_IMODE(key.stat().st_mode) == 0o600 and b"ENCRYPTED" in key.read_bytes()
        signatures.append(msgspec.convert(signed.ran.object, Signature))

    require_two(signatures, DIGEST, read_persons(tmp_path))


def test_a_wrong_passphrase_signs_nothing(kanjo: Kanjo, tmp_path: Path) -> None:
    """Refused, with a sentence and no trace."""
    make(kanjo, "taro", tmp_path)
    command = ("sites", "sign", DIGEST, "--person", "taro", "--key", tmp_path / "taro.key", "--json")

    refused = at_terminal(kanjo, *command, typed={"Passphrase of": "another"}, status=1)

    assert refused.ran.error["code"] == "key-unusable"


@pytest.mark.parametrize("second", ["short", "not the same as the first"])
def test_no_key_is_made_of_an_unfit_passphrase(kanjo: Kanjo, tmp_path: Path, second: str) -> None:
    """Too short, or mistyped the second time."""
    typed = {"New passphrase": second if second == "short" else WORDS}
    if second != "short":
        typed["The same again"] = second

    refused = at_terminal(kanjo, "sites", "person", "taro", "--into", tmp_path, "--json", typed=typed, status=1)

    assert refused.ran.error["code"] == "passphrase-unfit"
    assert list(tmp_path.glob("taro.*")) == []


def test_without_a_terminal_nobody_is_asked(kanjo: Kanjo, tmp_path: Path) -> None:
    """Neither a pipe nor a variable opens a key; the error says where to sign instead."""
    make(kanjo, "taro", tmp_path)
    command = ("sites", "sign", DIGEST, "--person", "taro", "--key", tmp_path / "taro.key")

    for arguments in (command, ("sites", "person", "jiro", "--into", tmp_path)):
        process = kanjo.begin(*arguments, "--json", start_new_session=True, KANJO_PASSPHRASE=WORDS)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 2 and msgspec.json.decode(out)["error"]["code"] == "no-terminal"


def test_certificates_for_every_party_once(kanjo: Kanjo, tmp_path: Path) -> None:
    """Each node, both ends of the link, the register and the operator; a second time all are kept as they are."""
    command = ("sites", "certificates", "--topology", EXAMPLE, "--authority", tmp_path / "ca", "--out", tmp_path / "o")

    first = kanjo.json(*command)["certificates"]
    written = {one["certificate"]: Path(one["certificate"]).read_bytes() for one in first}
    again = kanjo.json(*command)["certificates"]

    parties = ["a1", "a2", "a3", "b1", "b2", "link-a", "link-b", "register", "operator"]
    assert [one["party"] for one in first] == parties
    assert all(one["is_new"] for one in first) and not any(one["is_new"] for one in again)
    assert {name: Path(name).read_bytes() for name in written} == written
    for name in written:
        assert stat.S_IMODE(Path(name).with_suffix(".key").stat().st_mode) == 0o600
