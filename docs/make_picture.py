"""Draw the picture of the README: `python docs/make_picture.py kanjo-demo.html docs/images/demo.svg`.

The charts are those of the report that `kanjo demo` wrote, so the picture shows a real run and nothing else. It needs
the extra `report`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

CHART = re.compile(r'^vegaEmbed\("#(\w+)", (\{.*\}), options\);$', re.MULTILINE)
TITLES = {"latency": "What the customers waited", "cut": "How the items were settled"}
WIDTH, HEIGHT = 760, 200
FONT = "DejaVu Sans, Verdana, sans-serif"


def charts_in(report: str) -> dict[str, dict[str, Any]]:
    """The report's charts by name, as Vega-Lite objects. Error: ValueError when it is no report of `kanjo demo`."""
    found = {name: json.loads(chart) for name, chart in CHART.findall(report)}
    if found.keys() != TITLES.keys():
        raise ValueError(f"expected the charts {sorted(TITLES)}, found {sorted(found)}: is this kanjo-demo.html?")
    return found


def picture_of(report: str) -> str:
    """Both charts, one below the other, as SVG."""
    import vl_convert

    charts = charts_in(report)
    together: dict[str, Any] = {
        "$schema": charts["cut"]["$schema"],
        "background": "white",
        "datasets": {},
        "vconcat": [],
        "resolve": {"scale": {"color": "independent"}},
        "config": {"font": FONT, "title": {"anchor": "start"}, "view": {"continuousWidth": WIDTH}},
    }
    for name, title in TITLES.items():
        chart = charts[name]
        together["datasets"] |= chart.get("datasets", {})
        body = {key: value for key, value in chart.items() if key not in ("$schema", "config", "datasets")}
        for layer in body.get("layer", ()):
            layer.pop("width", None)
            layer.pop("height", None)
        together["vconcat"].append(body | {"title": title, "width": WIDTH, "height": HEIGHT})
    return str(vl_convert.vegalite_to_svg(json.dumps(together)))


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(picture_of(Path(sys.argv[1]).read_text("utf-8")), "utf-8")
