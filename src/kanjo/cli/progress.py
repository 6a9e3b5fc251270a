"""Progress on standard error, shown only when something takes longer than a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from kanjo.cli.printing import say

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

QUIET_S = 1.0
"""Nothing is shown before."""
LINE_EVERY_S = 5.0
"""How often a log, which cannot redraw a bar, gets a line."""


class Progress:
    """How far one long step is: a bar on a terminal, a line now and then in a log. `total` 0: unknown."""

    def __init__(self, what: str, total: int = 0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._total = total
        self._clock = clock
        self._began_s = self._told_s = clock()
        self._done = 0
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, count: int) -> None:
        """So many more are done."""
        self.reach(self._done + count)

    def reach(self, done: int) -> None:
        """So many are done."""
        self._done = done
        now_s = self._clock()
        if now_s - self._began_s < QUIET_S:
            return
        if sys.stderr.isatty():
            self._draw()
        elif self._told_s == self._began_s or now_s - self._told_s >= LINE_EVERY_S:
            self._told_s = now_s
            say(f"{self._what}: {done:,}" + (f" of {max(self._total, done):,}" if self._total > 0 else ""))

    def reach_of(self, done: int, total: int, what: str) -> None:
        """So many of so many are done, and this is the next."""
        self._total = total
        self._what = what or self._what
        self.reach(done)

    def _draw(self) -> None:
        if self._bar is None:
            self._bar = bar()
            self._task = self._bar.add_task(self._what, total=None, note="")
            self._bar.start()
        assert self._task is not None
        total = max(self._total, self._done) if self._total > 0 else None
        self._bar.update(self._task, description=self._what, completed=self._done, total=total)


def bar(*, times: bool = True) -> RichProgress:
    """A bar with count and, unless its note says so, the time passed and left, on standard error."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *([TimeElapsedColumn(), TimeRemainingColumn()] if times else []),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        redirect_stdout=False,
        redirect_stderr=False,
    )
