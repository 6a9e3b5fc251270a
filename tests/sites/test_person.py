"""Two persons sign a digest; anything less, or anything else, is refused."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import msgspec
import pytest

from kanjo.errors import Refused, SystemFailed
from kanjo.sites.person import digest_of, holds, make_person, read_key, read_persons, require_two, sign

PLAN = digest_of(b"fence site a; appoint site b")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Keys of three persons."""
    for name in ("hanako", "jiro", "taro"):
        make_person(tmp_path, name)
    return tmp_path


def refused_code(*signatures: object, folder: Path, digest: str = PLAN) -> str:
    with pytest.raises(Refused) as refused:
        require_two(list(signatures), digest, read_persons(folder))  # type: ignore[arg-type]
    return refused.value.code


def test_two_persons_agree(folder: Path) -> None:
    """Two different persons of the bank, each with his own key."""
    both = [sign(name, read_key(folder / f"{name}.key"), PLAN) for name in ("taro", "hanako")]

    require_two(both, PLAN, read_persons(folder))


def test_what_is_refused_and_why(folder: Path, tmp_path: Path) -> None:
    """One person, one person twice, three, a stranger, another digest, another key, a bent signature."""
    taro, hanako, jiro = (sign(name, read_key(folder / f"{name}.key"), PLAN) for name in ("taro", "hanako", "jiro"))
    make_person(tmp_path / "elsewhere", "jiro")
    false_jiro = sign("jiro", read_key(tmp_path / "elsewhere" / "jiro.key"), PLAN)
    stranger = sign("mallory", read_key(folder / "jiro.key"), PLAN)
    bent = msgspec.structs.replace(hanako, signature=base64.b64encode(b"\0" * 64).decode())
    text = msgspec.structs.replace(hanako, signature="no base64")

    assert refused_code(folder=folder) == "second-person-missing"
    assert refused_code(taro, folder=folder) == "second-person-missing"
    assert refused_code(taro, taro, folder=folder) == "same-person-twice"
    assert refused_code(taro, hanako, jiro, folder=folder) == "signature-wrong"
    assert refused_code(taro, stranger, folder=folder) == "person-unknown"
    assert refused_code(taro, false_jiro, folder=folder) == "signature-wrong"
    assert refused_code(taro, bent, folder=folder) == "signature-wrong"
    assert refused_code(taro, text, folder=folder) == "signature-wrong"
    assert refused_code(taro, hanako, folder=folder, digest=digest_of(b"another plan")) == "signature-wrong"


def test_one_key_under_two_names_is_one_person(folder: Path) -> None:
    """A person does not become two by registering twice."""
    (folder / "taro-2.pub").write_bytes((folder / "taro.pub").read_bytes())
    key = read_key(folder / "taro.key")

    assert refused_code(sign("taro", key, PLAN), sign("taro-2", key, PLAN), folder=folder) == "same-person-twice"


def test_a_passphrase_seals_the_key(tmp_path: Path) -> None:
    """Without it, or with another, the key is of no use; with it, it signs."""
    path = make_person(tmp_path, "taro", "四つの海")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for wrong in (None, lambda: "other"):
        with pytest.raises(Refused) as refused:
            read_key(path, wrong)
        assert refused.value.code == "key-unusable"
    assert holds(sign("taro", read_key(path, lambda: "四つの海"), PLAN), PLAN)


def test_a_key_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    """A private key is its owner's alone, also on the disk; and a key is never written over."""
    path = make_person(tmp_path, "taro")
    path.chmod(0o640)

    with pytest.raises(Refused, match="chmod 600"):
        read_key(path)
    with pytest.raises(Refused, match="exists"):
        make_person(tmp_path, "taro")


def test_a_folder_with_something_else_in_it_is_not_believed(folder: Path) -> None:
    """A public key that cannot be read is no reason to go on with the others."""
    (folder / "saburo.pub").write_text("hello")

    with pytest.raises(SystemFailed) as failed:
        read_persons(folder)
    assert failed.value.code == "persons-unreadable"
