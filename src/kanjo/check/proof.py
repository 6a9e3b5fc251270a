"""What a check found: a value for programs, plain enough to be printed as JSON (design 9)."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

SHOWN_MAX = 20
"""So many offending rows of a check are shown; all are counted."""

Violation: TypeAlias = dict[str, Any]
"""One offending row: `check` names the block of laws.sql, the rest are its columns; accounts as people write them."""


class CheckProof(msgspec.Struct, frozen=True, kw_only=True):
    """One block of laws.sql: how many rows it judged, how many break the law; the first of these are shown."""

    name: str
    proves: str
    checked: int
    broken: int
    violations: tuple[Violation, ...] = ()

    @property
    def ok(self) -> bool:
        return self.broken == 0


class LawProof(msgspec.Struct, frozen=True, kw_only=True):
    """One law over all its checks. `ok` is None when the law was not checked, and `not_checked` says why."""

    law: int
    name: str
    ok: bool | None
    checked: int
    broken: int = 0
    violations: tuple[Violation, ...] = ()
    not_checked: str | None = None
    checks: tuple[CheckProof, ...] = ()


class Stuck(msgspec.Struct, frozen=True, kw_only=True):
    """An item that waits for an operator: no broken law, but nobody passes it (O-9)."""

    account: str
    run: int
    item: int
    error: str


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """All laws at one moment. `ok`: no law that was checked is broken.

    `stuck`: items that hold their account, the first of them; `pending_count`: items due and unsettled, which a check
    does not settle (C-5).
    """

    ok: bool
    laws: tuple[LawProof, ...]
    stuck: tuple[Stuck, ...] = ()
    pending_count: int = 0
