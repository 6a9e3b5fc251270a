"""Draw docs/images/silences.svg from the figures that `kanjo bench sites --out docs/figures/sites.json` kept:
`python docs/draw_silences.py`. It needs the extra `report`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kanjo.bench import BENCHES
from kanjo.bench.outage import BEFORE_S, SLICE_S, Outage
from kanjo.soak.report import FONT, WIDTH, require_charts, smaller

DOCS = Path(__file__).parent
FIGURES = DOCS / "figures" / "sites.json"
PICTURE = DOCS / "images" / "silences.svg"
HEIGHT = 90


def picture(kept: dict[str, Any]) -> str:
    """A panel for each outage, of its round in the middle, as SVG."""
    panels = [panel(one) for one in kept["benches"] if issubclass(BENCHES[one["bench"]], Outage)]
    chart = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "white",
        "vconcat": panels,
        "config": {"font": FONT, "title": {"anchor": "start", "fontSize": 11}},
    }
    return smaller(str(require_charts().vegalite_to_svg(json.dumps(chart))))


def panel(figure: dict[str, Any]) -> dict[str, Any]:
    """How many answers came in each slice, by the seconds from the deed."""
    rounds = sorted(figure["measured"], key=lambda one: float(one["value"]))
    shown = rounds[(len(rounds) - 1) // 2]
    values = [
        {
            "from": round(place * SLICE_S - BEFORE_S, 1),
            "to": round((place + 1) * SLICE_S - BEFORE_S, 1),
            "answers": count,
        }
        for place, count in enumerate(shown["course"])
    ]
    seconds: dict[str, Any] = {"field": "from", "type": "quantitative", "title": "seconds", "axis": {"grid": False}}
    bars = {
        "data": {"values": values},
        "mark": {"type": "rect", "color": "#4c78a8"},
        "encoding": {
            "x": seconds,
            "x2": {"field": "to"},
            "y": {"field": "answers", "type": "quantitative", "title": "answers", "axis": {"tickCount": 3}},
            "y2": {"datum": 0},
        },
    }
    deed = {
        "data": {"values": [{"from": 0}]},
        "mark": {"type": "rule", "strokeDash": [3, 4], "color": "#a11"},
        "encoding": {"x": seconds},
    }
    said = str(BENCHES[figure["bench"]].__doc__).splitlines()[0]
    title = f"{said} {shown['value']:.1f} s."
    return {"title": title, "width": WIDTH, "height": HEIGHT, "layer": [bars, deed]}


if __name__ == "__main__":
    PICTURE.write_text(picture(json.loads(FIGURES.read_text("utf-8"))), "utf-8")
