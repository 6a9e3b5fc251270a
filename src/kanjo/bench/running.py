"""Which benches there are, and how some of them are run on a server."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from kanjo import db
from kanjo.bench.apart import SitesCommit, SitesCommitA, SitesCommitLocal, SitesCut, SitesOnline
from kanjo.bench.bench import Bench, measure
from kanjo.bench.beside import Before, Long, LongOthers
from kanjo.bench.cutting import CenterCut, CenterCutScale
from kanjo.bench.figure import Figure
from kanjo.bench.filing import Load, Zengin, ZenginMemory
from kanjo.bench.ground import Ground
from kanjo.bench.outage import DatabaseKilled, Moved, NodeFrozen, NodeKilled, SiteLost
from kanjo.bench.serving import Online, OnlineHot

BENCHES: dict[str, type[Bench]] = {
    bench.name: bench
    for bench in (
        CenterCut,
        CenterCutScale,
        Online,
        OnlineHot,
        Before,
        Zengin,
        ZenginMemory,
        Long,
        LongOthers,
        Load,
        SitesOnline,
        SitesCut,
        SitesCommitLocal,
        SitesCommitA,
        SitesCommit,
        DatabaseKilled,
        NodeKilled,
        NodeFrozen,
        Moved,
        SiteLost,
    )
}


def run(
    server: db.Database, names: Sequence[str], *, rounds: int = 3, scale: float = 1.0, watch: Callable[[str], None]
) -> list[Figure]:
    """Run the benches one after the other, each on a ground of its own; `watch` is told how far they are."""
    with db.scratch(server, "benchtemplate") as template:
        return [_run_one(server, BENCHES[name], rounds, scale, watch, template.name) for name in names]


def _run_one(
    server: db.Database, bench: type[Bench], rounds: int, scale: float, watch: Callable[[str], None], template: str
) -> Figure:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kanjo-bench-")))
        return measure(bench(Ground(server, folder, scale, stack, template=template)), rounds, watch)
