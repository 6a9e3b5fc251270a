"""The parts of a lab: what each is called, how it is started, and which processes of this machine belong to it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
import psutil

from kanjo.errors import SystemFailed, WrongUsage
from kanjo.sites import Topology
from kanjo.sites.lab.ground import Ground, Made
from kanjo.sites.lab.made import environment
from kanjo.sites.render import link_name

Kind: TypeAlias = Literal["node", "etcd", "link", "register", "haproxy"]
PROGRAMS = ("etcd", "haproxy", "python", "postgres", "initdb", "pg_")
"""What parts are made of, by the beginnings of their names."""
GONE_S_MAX = 60.0
POLL_S = 0.02
LOOKS = 4
"""So often in a row nothing is seen of a lab before it is gone."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A process that a host would run. `site` is "" for the register, which is in neither."""

    name: str
    kind: Kind
    site: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = {}


def parts(ground: Ground, topology: Topology, made: Made) -> dict[str, Part]:
    """All of them by name, in the order in which they may be started."""
    python, etc = (*made.python, "-m"), ground.host / "etc"
    reaped = (*made.python, str(Path(__file__).with_name("reaper.py")))
    found = [
        Part(
            name="register",
            kind="register",
            site="",
            arguments=(*python, "kanjo.sites.register", "--config", f"{etc}/register/register.json"),
        )
    ]
    for site in topology.sites:
        found += [
            Part(
                name=member.name,
                kind="etcd",
                site=site.name,
                arguments=(made.etcd, "--config-file", f"{etc}/{member.name}/etcd.yml"),
            )
            for member in site.etcd
        ]
        link = link_name(site)
        arguments = (*python, "kanjo.sites.link", "--config", f"{etc}/{link}/link.json")
        found.append(Part(name=link, kind="link", site=site.name, arguments=arguments))
        if made.haproxy is not None:
            name = f"haproxy-{site.name}"
            arguments = (made.haproxy, "-db", "-f", f"{etc}/{name}/haproxy.cfg")
            found.append(Part(name=name, kind="haproxy", site=site.name, arguments=arguments))
        found += [
            Part(
                name=node.name,
                kind="node",
                site=site.name,
                arguments=(*reaped, *python, "kanjo.sites.launcher", f"{etc}/{node.name}/patroni.yml"),
                environment=environment(ground, site, made),
            )
            for node in site.nodes
        ]
    return {part.name: part for part in found}


def start(ground: Ground, part: Part, made: Made) -> None:
    """Start it, away from this terminal; what it says goes to its log."""
    spawning = made.account.spawning()
    spawning["env"] = {**spawning["env"], "PYTHONPATH": made.python_path, **part.environment}
    with ground.log(part.name).open("ab") as log:
        # not waited for: it outlives this process, or the watcher ends it
        subprocess.Popen(part.arguments, stdout=log, stderr=log, start_new_session=True, **spawning)


def running(ground: Ground) -> dict[str, list[psutil.Process]]:
    """The living processes by part: those that name its files or stand in its folder, and whatever they started."""
    found: dict[str, list[psutil.Process]] = {}
    children: dict[int, list[psutil.Process]] = {}
    roots: list[tuple[str, psutil.Process]] = []
    for process in psutil.process_iter(["pid", "ppid", "name", "cmdline", "cwd", "status"]):
        if process.info["status"] == psutil.STATUS_ZOMBIE:
            continue
        children.setdefault(process.info["ppid"], []).append(process)
        if not process.info["name"].startswith(PROGRAMS):
            continue  # somebody who reads a part's files, or stands in its folder, is none of it
        words = [*(process.info["cmdline"] or []), f"{process.info['cwd']}/"]
        if (name := _part_of(ground, words)) is not None:
            roots.append((name, process))
    seen: set[int] = {os.getpid()}
    for name, root in roots:
        waiting = [root]
        while waiting:
            process = waiting.pop()
            if process.pid not in seen:
                seen.add(process.pid)
                found.setdefault(name, []).append(process)
                waiting += children.get(process.pid, [])
    return found


def _part_of(ground: Ground, words: list[str]) -> str | None:
    """Files of a part lie in `etc/NAME/`, a database's in `data/NAME`; a word may be `--pgdata=` and the place."""
    for word in words:
        for place in ("etc", "data"):
            _, inside, rest = word.partition(f"{ground.host}/{place}/")
            if inside:
                return Path(rest).parts[0]
    return None


def is_database(process: psutil.Process) -> bool:
    """Whether a process of a node is the database rather than its Patroni."""
    with contextlib.suppress(psutil.Error):
        return bool(process.name() == "postgres")
    return False


def is_stopped(process: psutil.Process) -> bool:
    """Whether it stands still after a SIGSTOP."""
    with contextlib.suppress(psutil.Error):
        return bool(process.status() == psutil.STATUS_STOPPED)
    return False


def memory_bytes(process: psutil.Process) -> int:
    """Its own memory and its share of what is shared; what is resident where the kernel does not tell that."""
    with contextlib.suppress(psutil.Error):
        return int(process.memory_full_info().pss)
    with contextlib.suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def chosen(ground: Ground, names: Iterable[str], known: Iterable[str]) -> list[psutil.Process]:
    """The processes of parts: `a1` is all of a node, `a1.postgres` its database, `a1.patroni` the rest of it.

    A site's name stands for everything of the site. Errors: `part-unknown`, `part-not-running`.
    """
    living = running(ground)
    every = list(known)
    found: list[psutil.Process] = []
    for name in names:
        part, _, half = name.partition(".")
        if part not in every or half not in ("", "postgres", "patroni"):
            raise WrongUsage("part-unknown", f"There is no part {name}; there are {', '.join(every)}.", part=name)
        own = living.get(part, [])
        if half:
            own = [process for process in own if is_database(process) == (half == "postgres")]
        if not own:
            raise SystemFailed("part-not-running", f"{name} is not running.", part=name)
        found += own
    return found


def send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Send all of them a signal; who is gone already is no error."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def end_all(ground: Ground) -> None:
    """Kill whatever lives of a lab, frozen or not, until nothing does. Error: `lab-unstoppable`.

    A server that is just being started shows for a moment nothing by which it is known, so one look is not enough.
    """
    until_s, looks_left = time.monotonic() + GONE_S_MAX, LOOKS
    while looks_left:
        living = [process for own in running(ground).values() for process in own]
        looks_left = LOOKS if living else looks_left - 1
        send(living, signal.SIGKILL)
        if living and time.monotonic() > until_s:
            pids = ", ".join(str(process.pid) for process in living)
            raise SystemFailed("lab-unstoppable", f"Processes of the lab do not end: {pids}.")
        time.sleep(POLL_S)
