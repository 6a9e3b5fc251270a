"""What can be done with a lab: up, down, and harm."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from kanjo.db import Home, prepare_home
from kanjo.errors import KanjoError, Refused
from kanjo.sites.lab import made as makes
from kanjo.sites.lab.bring_up import bring_up, dsn
from kanjo.sites.lab.ground import Ground, Made, read_record
from kanjo.sites.lab.parts import (
    Part,
    chosen,
    end_all,
    is_database,
    is_stopped,
    memory_bytes,
    parts,
    running,
    send,
    start,
)
from kanjo.sites.lab.watch import await_watchers, used
from kanjo.sites.link.status import LinkStatus
from kanjo.sites.link.valve import LinkMode
from kanjo.sites.operate.desk import Desk, read_desk

Tell = Callable[[str], None]
BY = "lab"
"""Who cuts in a lab; what somebody else has cut is a fence, and no lab heals it."""


class PartStatus(msgspec.Struct, frozen=True):
    """A part and its processes; `database` is meant for nodes: whether the server itself lives."""

    name: str
    kind: str
    site: str
    running: bool
    frozen: bool
    process_count: int
    memory_mib: int
    database: bool | None = None


class LabStatus(msgspec.Struct, frozen=True):
    """A lab as its processes and its link show it; how the bank stands is `kanjo sites status`."""

    folder: str
    desk: str
    dsn: str
    parts: list[PartStatus]
    links: list[LinkStatus]


def choose(home: Path | None) -> Path:
    """The folder given, or `lab` in KANJO_HOME, or in `.kanjo` here."""
    if home is not None:
        return home.expanduser().resolve()
    return Path(os.environ.get("KANJO_HOME") or ".kanjo").expanduser().resolve() / "lab"


class Lab:
    """A lab in a folder."""

    def __init__(self, folder: Path) -> None:
        self.ground = Ground(folder)

    def up(self, tell: Tell) -> LabStatus:
        """Make a new one and leave it running. Errors: `lab-up` when one runs, and whatever keeps it from standing."""
        with self._up(tell):
            self.ground.keep.touch(mode=0o600)
        return self.status()

    @contextmanager
    def while_used(self, tell: Tell) -> Iterator[Lab]:
        """A new one for as long as the block, or this process, lives."""
        with self._up(tell):
            yield self

    def down(self) -> int:
        """End everything of it, also what a crash left; returns how many processes lived."""
        if not self.ground.folder.is_dir():
            return 0
        with self._alone():
            self.ground.keep.unlink(missing_ok=True)
            count = sum(len(own) for own in running(self.ground).values())
            end_all(self.ground)
            makes.clear_data(self.ground)
            return count

    def status(self) -> LabStatus:
        """How its processes and its link stand."""
        desk = self.desk()
        living = running(self.ground)
        found = []
        for part in self._parts().values():
            own = living.get(part.name, [])
            found.append(
                PartStatus(
                    name=part.name,
                    kind=part.kind,
                    site=part.site,
                    running=bool(own),
                    frozen=any(is_stopped(process) for process in own),
                    process_count=len(own),
                    memory_mib=sum(memory_bytes(process) for process in own) >> 20,
                    database=any(map(is_database, own)) if part.kind == "node" else None,
                )
            )
        links = []
        for site in desk.topology.sites:
            with contextlib.suppress(KanjoError):
                links.append(desk.link(site.name).status())
        return LabStatus(str(self.ground.folder), str(self.ground.desk), dsn(self.ground, desk.topology), found, links)

    def desk(self) -> Desk:
        """The operator's desk of this lab. Error: `lab-missing`."""
        read_record(self.ground)
        return read_desk(self.ground.desk)

    def kill(self, names: Sequence[str]) -> int:
        """Kill -9 parts at once: `a1` is a node, `a1.postgres` and `a1.patroni` its halves, `a` all of a site."""
        return self._send(names, signal.SIGKILL)

    def freeze(self, names: Sequence[str]) -> int:
        """Stop them where they stand (SIGSTOP): alive, and silent."""
        return self._send(names, signal.SIGSTOP)

    def thaw(self, names: Sequence[str]) -> int:
        """Let them go on."""
        return self._send(names, signal.SIGCONT)

    def start(self, names: Sequence[str]) -> int:
        """Start parts that do not run; returns how many were started."""
        made, every = self._made(), self._parts()
        living = running(self.ground)
        count = 0
        for name in self._expanded(names):
            own = living.get(name, [])
            if not own or (every[name].kind == "node" and all(map(is_database, own))):
                start(self.ground, every[name], made)
                count += 1
        return count

    def cut(self, *, blackhole: bool) -> None:
        """Break the link: both ends drop everything, or swallow it silently."""
        for site in self.desk().topology.sites:
            link = self.desk().link(site.name)
            (link.blackhole if blackhole else link.cut)(by=BY, reason="a fault of the lab")

    def delay(self, delay_ms: int) -> None:
        """The distance of the sites: so many milliseconds each way."""
        for site in self.desk().topology.sites:
            self.desk().link(site.name).delay(delay_ms)

    def heal(self) -> list[str]:
        """Take the lab's own damage back: thaw, start, open the link. Returns the ends that a fence keeps cut."""
        self.start([])
        for own in running(self.ground).values():
            send([process for process in own if is_stopped(process)], signal.SIGCONT)
        fenced = []
        desk = self.desk()
        for site in desk.topology.sites:
            link = desk.link(site.name)
            status = link.status()
            if status.mode is LinkMode.CUT and status.by != BY:
                fenced.append(site.name)
            elif status.mode is not LinkMode.OPEN:
                link.heal(by=BY, reason="healed")
        return fenced

    @contextmanager
    def _up(self, tell: Tell) -> Iterator[None]:
        folder = self.ground.folder
        prepare_home(Home(folder))
        with self._alone() as begun:
            if self.ground.keep.exists() and running(self.ground):
                raise Refused("lab-up", f"The lab in {folder} is up; `kanjo sites lab down` ends it.")
            with used(self.ground):
                end_all(self.ground)
                makes.clear(self.ground)
                made = makes.make(self.ground)
                bring_up(self.ground, made, self.desk(), tell)
                begun()
                try:
                    yield
                finally:
                    if not self.ground.keep.exists():
                        end_all(self.ground)
        await_watchers(self.ground)

    @contextmanager
    def _alone(self) -> Iterator[Callable[[], None]]:
        """One command at a time makes or ends a lab; yields what lets the next one begin. Error: `lab-busy`."""
        descriptor = os.open(self.ground.folder / "lab.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        held = True

        def release() -> None:
            nonlocal held
            if held:
                held = False
                os.close(descriptor)

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield release
        except BlockingIOError:
            raise Refused("lab-busy", "Another command is making or ending this lab; wait for it.") from None
        finally:
            release()

    def _made(self) -> Made:
        return read_record(self.ground)

    def _parts(self) -> dict[str, Part]:
        return parts(self.ground, self.desk().topology, self._made())

    def _expanded(self, names: Sequence[str]) -> list[str]:
        """A site stands for all its parts; nothing stands for everything."""
        every = self._parts()
        found = []
        for name in names or list(every):
            of_site = [part.name for part in every.values() if part.site == name]
            found += of_site or [name]
        return found

    def _send(self, names: Sequence[str], number: signal.Signals) -> int:
        every = self._parts()
        living = running(self.ground)
        wanted = [name for name in self._expanded(names) if name in names or name in living]
        processes = chosen(self.ground, wanted, every)
        send(processes, number)
        return len(processes)
