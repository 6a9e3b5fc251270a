"""The long run: one bank, business day after business day, beside kills, until the time is over; does anything grow?

It uses the other rooms as their users do, on an embedded server of its own that it also kills, and posts nothing by
itself. Start reading at `long_run.py` (a day) and `household.py` (who takes part and is killed); `callers.py` and
`errand.py` are its processes, `verdict.py` says what "flat" means.
"""

from kanjo.soak.long_run import live_on
from kanjo.soak.plan import SoakPlan, Victim, blow_of
from kanjo.soak.report import chart_of, require_charts
from kanjo.soak.soaked import Soaked
from kanjo.soak.verdict import Limit, Series, Trend, judge_growth

__all__ = [
    "Limit",
    "Series",
    "SoakPlan",
    "Soaked",
    "Trend",
    "Victim",
    "blow_of",
    "chart_of",
    "judge_growth",
    "live_on",
    "require_charts",
]
