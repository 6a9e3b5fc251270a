"""Gathering what checks of a history find, in the shape of the proof."""

from __future__ import annotations

import msgspec

from kanjo.check.proof import SHOWN_MAX, CheckProof, Violation


class HistoryCheck(msgspec.Struct, frozen=True):
    """One thing that must hold of every history; law 4."""

    name: str
    proves: str


class Finding:
    """One check at work: counts what it judged, and keeps the first rows that break it."""

    def __init__(self, check: HistoryCheck) -> None:
        self.check = check
        self.checked = 0
        self.broken = 0
        self._shown: list[Violation] = []

    @property
    def shows_more(self) -> bool:
        return len(self._shown) < SHOWN_MAX

    def add(self, row: Violation) -> None:
        """One violation; kept while there is room."""
        self.broken += 1
        if self.shows_more:
            self._shown.append({"check": self.check.name} | row)

    def proof(self) -> CheckProof:
        return CheckProof(
            name=self.check.name,
            proves=self.check.proves,
            checked=self.checked,
            broken=self.broken,
            violations=tuple(self._shown),
        )
