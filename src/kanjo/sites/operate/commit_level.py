"""How long a commit waits is a setting that anybody may lower (pitfall 21): who did, and whether answers leave. Pure.

The ledger refuses to post where `synchronous_commit` is lower than `kanjo.synchronous_commit` demands. So an answer
leaves too early only where both are lowered. Nobody sees what a session sets for itself alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

SAFE = ("on", "remote_apply")
"""Both sites have written it to their disks."""
LEVEL, DEMAND = "synchronous_commit", "kanjo.synchronous_commit"


class Override(msgspec.Struct, frozen=True):
    """What a role or a database says of its own, such as `synchronous_commit=local`; "" stands for all of them."""

    role: str
    database: str
    setting: str

    @property
    def undone_by(self) -> str:
        """The statement that takes it back."""
        name = self.setting.partition("=")[0]
        if self.database and not self.role:
            return f"ALTER DATABASE {_quoted(self.database)} RESET {name}"
        where = f" IN DATABASE {_quoted(self.database)}" if self.database else ""
        return f"ALTER ROLE {_quoted(self.role) if self.role else 'ALL'}{where} RESET {name}"


class Levels(msgspec.Struct, frozen=True, kw_only=True):
    """What a server's configuration says, and who says otherwise. `demanded`: "" for nothing."""

    level: str = "on"
    demanded: str = "on"
    overrides: tuple[Override, ...] = ()

    @property
    def leak(self) -> bool:
        """Whether somebody may be answered before both sites have the commit, whomever the server waits for."""
        return {LEVEL, DEMAND} <= {name.lower() for name, value in self._said() if value not in SAFE}

    def complaints(self, server: str) -> Iterator[str]:
        """Each that should not be there, with its remedy."""
        for name, value in ((LEVEL, self.level), (DEMAND, self.demanded)):
            if value not in SAFE:
                yield f"{server} says {name} = {value or 'nothing'}: it must say on"
        for one in self.overrides:
            yield f"{one.setting} stands apart from the configuration: {one.undone_by}"

    def _said(self) -> Iterator[tuple[str, str]]:
        yield from ((LEVEL, self.level), (DEMAND, self.demanded))
        for one in self.overrides:
            name, _, value = one.setting.partition("=")
            yield name, value


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
