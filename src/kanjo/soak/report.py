"""The chart of a long run: one picture (SVG) with everything in it, small enough to be kept beside a document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from kanjo.errors import SystemFailed
from kanjo.soak.soaked import Soaked
from kanjo.soak.trends import CALLERS, DRIVER, FIXED, SERVER_ROLE, WORKER, memory_of
from kanjo.soak.verdict import MIB

WIDTH, HEIGHT = 760, 130
POINTS_MAX = 80
DECADES = [10**power for power in range(-1, 7)]
TABLES_SHOWN = 6
FONT = "DejaVu Sans, Verdana, sans-serif"
Row = dict[str, float | str]


def require_charts() -> Any:
    """The library that draws. Error: `report-unavailable`."""
    try:
        import vl_convert
    except ImportError as error:
        raise SystemFailed(
            "report-unavailable", "charts need the extra `report`: pip install 'kanjo[report]'"
        ) from error
    return vl_convert


def chart_of(soaked: Soaked) -> str:
    """Memory, tables, disk, waits and work over the minutes of the run, and who was killed when."""
    panels = [
        _panel("Memory of their own (MiB)", _memory(soaked)),
        _panel("Bytes per live row, indexes included, at the end of each day", _per_row(soaked)),
        _panel("Dead rows per 100 live ones, as PostgreSQL counts them", _dead(soaked)),
        _panel("On disk (GiB)", _disk(soaked)),
        _panel("What the callers waited (ms)", _waits(soaked), scale="log"),
        _panel("Work done in a second", _work(soaked), scale="log"),
    ]
    kills = [{"minute": round(strike.at_s / 60, 2), "killed": strike.victim} for strike in soaked.strikes]
    for panel in panels:
        panel["layer"].append(
            {
                "data": {"values": kills},
                "mark": {"type": "rule", "strokeDash": [3, 4], "color": "#aaa"},
                "encoding": {"x": {"field": "minute", "type": "quantitative"}},
            }
        )
    panels[0]["layer"].append(
        {
            "data": {"values": kills},
            "mark": {"type": "text", "align": "left", "dx": 2, "y": -4, "fontSize": 8, "color": "#777"},
            "encoding": {
                "x": {"field": "minute", "type": "quantitative"},
                "text": {"field": "killed", "type": "nominal"},
            },
        }
    )
    plan = soaked.plan
    picture = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "white",
        "title": {
            "text": f"{soaked.seconds / 60:,.1f} minutes, {len(soaked.days)} business days, {plan.accounts:,} accounts",
            "subtitle": soaked.verdict()[:150],
            "anchor": "start",
        },
        "vconcat": panels,
        "resolve": {"scale": {"color": "independent"}},
        "config": {"font": FONT, "title": {"anchor": "start"}},
    }
    return smaller(str(require_charts().vegalite_to_svg(json.dumps(picture))))


def smaller(svg: str) -> str:
    """The same picture in a fraction of the bytes: no words for what is drawn anyway, no hundredths of a pixel."""
    svg = re.sub(r' (?:aria-[a-z]+|role|pointer-events)="[^"]*"', "", svg)
    return re.sub(r'="[^"]*"', lambda place: re.sub(r"(\d\.\d)\d+", r"\1", place[0]), svg)


def _panel(title: str, rows: Iterator[Row], scale: str = "linear") -> dict[str, Any]:
    y: dict[str, Any] = {"field": "value", "type": "quantitative", "title": None, "axis": {"tickCount": 4}}
    if scale == "log":
        y |= {"scale": {"type": "log"}, "axis": {"values": DECADES}}
    lines = {
        "data": {"values": list(rows)},
        "mark": {"type": "line", "strokeWidth": 1.3},
        "encoding": {
            "x": {"field": "minute", "type": "quantitative", "title": "minutes", "axis": {"grid": False}},
            "y": y,
            "color": {"field": "of", "type": "nominal", "title": None, "sort": None},
        },
    }
    return {"title": {"text": title, "fontSize": 11}, "width": WIDTH, "height": HEIGHT, "layer": [lines]}


def thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """Evenly, down to `POINTS_MAX` at most: a picture has no room for more."""
    return points[:: max(1, -(-len(points) // POINTS_MAX))]


def _rows(name: str, points: Sequence[tuple[float, float]]) -> Iterator[Row]:
    for at_s, value in thinned(points):
        yield {"minute": round(at_s / 60, 2), "value": float(f"{value:.4g}"), "of": name}


def _memory(soaked: Soaked) -> Iterator[Row]:
    for role in (SERVER_ROLE, CALLERS, WORKER, DRIVER):
        points = [(at_s, found / MIB) for at_s, found in memory_of(soaked.samples, role)]
        yield from _rows(role, points)


def _per_row(soaked: Soaked) -> Iterator[Row]:
    for table in _largest(soaked):
        points = [
            (day.ended_s, stock.size_bytes / max(1, stock.rows))
            for day in soaked.days
            for stock in day.stock
            if stock.table == table
        ]
        yield from _rows(table, points)


def _largest(soaked: Soaked) -> list[str]:
    """The tables that take most in the end, and the accounts."""
    stock = sorted(soaked.days[-1].stock, key=lambda one: -one.size_bytes) if soaked.days else []
    grown = [one.table for one in stock if one.table not in FIXED]
    return ["ledger.account", *grown[: TABLES_SHOWN - 1]]


def _dead(soaked: Soaked) -> Iterator[Row]:
    for table in _largest(soaked):
        points = [
            (sample.at_s, 100 * size.dead_rows / size.live_rows)
            for sample in soaked.samples
            for size in sample.sizes
            if size.table == table and size.live_rows
        ]
        yield from _rows(table, points)


def _disk(soaked: Soaked) -> Iterator[Row]:
    looked = [sample for sample in soaked.samples if sample.wal_bytes is not None]
    gib = float(1 << 30)
    tables = [(one.at_s, sum(size.heap_bytes + size.index_bytes for size in one.sizes) / gib) for one in looked]
    yield from _rows("tables and indexes", tables)
    yield from _rows("write-ahead log", [(one.at_s, (one.wal_bytes or 0) / gib) for one in looked])


def _waits(soaked: Soaked) -> Iterator[Row]:
    for name, points in (
        ("p50", [(one.at_s, one.p50_ms) for one in soaked.samples]),
        ("p99", [(one.at_s, one.p99_ms) for one in soaked.samples]),
    ):
        yield from _rows(name, [(at_s, value) for at_s, value in points if value])


def _work(soaked: Soaked) -> Iterator[Row]:
    answers = [(one.at_s, one.answered / one.seconds) for one in soaked.samples if one.seconds and one.answered]
    yield from _rows("answers online", answers)
    yield from _rows("items in the cut", [(day.ended_s, day.items / day.cut_s) for day in soaked.days if day.items])
