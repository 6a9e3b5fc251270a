"""Where a lab lives: folders, locks, and who runs its processes (as root: another user, as the embedded server)."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import msgspec

from kanjo.db import Account, Home, prepare_home, programs
from kanjo.errors import SystemFailed

PACKAGES = ("patroni", "etcd", "psutil", "yaml", "cryptography", "psycopg", "kanjo")
PLACES = ("etc", "data", "run", "state", "register", "tls", "etcd", "log")


class Ground(msgspec.Struct, frozen=True):
    """A lab's folder. `host` belongs to the user of the processes; the rest to who made the lab."""

    folder: Path

    @property
    def host(self) -> Path:
        """Everything that production has on hosts."""
        return self.folder / "host"

    @property
    def record(self) -> Path:
        """What the lab was made of."""
        return self.folder / "lab.json"

    @property
    def topology(self) -> Path:
        return self.folder / "sites.toml"

    @property
    def desk(self) -> Path:
        return self.folder / "desk.json"

    @property
    def keys(self) -> Path:
        """The two persons' private keys."""
        return self.folder / "keys"

    @property
    def persons(self) -> Path:
        """Their public ones."""
        return self.folder / "persons"

    @property
    def tls(self) -> Path:
        """The authority and the operator's certificate."""
        return self.folder / "tls"

    @property
    def users_lock(self) -> Path:
        return self.folder / "users.lock"

    @property
    def watch_lock(self) -> Path:
        return self.folder / "watch.lock"

    @property
    def keep(self) -> Path:
        """There as long as the lab shall live on when `lab up` has ended."""
        return self.folder / "keep"

    def log(self, part: str) -> Path:
        """What a part says."""
        return self.host / "log" / f"{part}.log"


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What a lab was made of: its user, its programs, its passwords by role."""

    user: str
    uid: int
    gid: int
    handed_over: bool
    python: tuple[str, ...]
    python_path: str
    postgresql_bin: str
    etcd: str
    haproxy: str | None
    passwords: dict[str, str]

    @property
    def account(self) -> Account:
        """Who runs the processes."""
        return Account(self.user, self.uid, self.gid, self.handed_over)


def prepared(ground: Ground, passwords: dict[str, str]) -> Made:
    """Make the folders and find the programs.

    Errors: `etcd-missing`, `interpreter-unreachable`, and those of the embedded server's home.
    """
    etcd = shutil.which("etcd")
    if etcd is None:
        raise SystemFailed("etcd-missing", "The lab needs etcd: install Debian's etcd-server, or put etcd on the PATH.")
    account = prepare_home(Home(ground.folder))
    python, path = _interpreter(account)
    bin_folder = programs(Home(ground.folder), account)
    for place in ("", *PLACES):
        folder = ground.host / place
        folder.mkdir(exist_ok=True)
        account.give(folder)
    return Made(
        user=account.name,
        uid=account.uid,
        gid=account.gid,
        handed_over=account.handed_over,
        python=python,
        python_path=path,
        postgresql_bin=str(bin_folder),
        etcd=etcd,
        haproxy=shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin"),
        passwords=passwords,
    )


def write_record(ground: Ground, made: Made) -> None:
    """Its last file: a lab that has it is whole."""
    write_secret(ground.record, msgspec.json.format(msgspec.json.encode(made)).decode())


def read_record(ground: Ground) -> Made:
    """Error: `lab-missing`."""
    try:
        return msgspec.json.decode(ground.record.read_bytes(), type=Made)
    except (OSError, msgspec.DecodeError) as error:
        raise SystemFailed(
            "lab-missing", f"There is no lab in {ground.folder}: bring one up with `kanjo sites lab up`."
        ) from error


def write_secret(path: Path, text: str) -> None:
    """A file for its owner alone."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def hand_over(ground: Ground, account: Account) -> None:
    """Give the user of the processes everything below `host`."""
    if account.handed_over:
        for path in ground.host.rglob("*"):
            os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _interpreter(account: Account) -> tuple[tuple[str, ...], str]:
    """An interpreter that the user can execute, ours or the system's of the same version, and the way to our packages.

    A venv whose interpreter lies in a closed home is of no use to another user. With `-S` the system's own packages,
    of other versions, stay out of the way.
    """
    folders = {Path(spec.origin).parents[1] for name in PACKAGES if (spec := find_spec(name)) and spec.origin}
    path = os.pathsep.join(sorted(map(str, folders)))
    spawning = account.spawning()
    spawning["env"] = {**spawning["env"], "PYTHONPATH": path}
    script = f"import sys, {', '.join(PACKAGES)}; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        with contextlib.suppress(OSError):
            if (
                subprocess.run([python, "-S", "-c", script], capture_output=True, check=False, **spawning).returncode
                == 0
            ):
                return (python, "-S"), path
    raise SystemFailed(
        "interpreter-unreachable",
        f"The user {account.name}, who runs the lab's processes, cannot execute {sys.executable}, or does not find "
        f"{', '.join(PACKAGES)} there. Install Kanjo's extra `sites` (pip install 'kanjo[sites]') in a folder that "
        "everybody can reach, or run the lab as an ordinary user.",
    )
