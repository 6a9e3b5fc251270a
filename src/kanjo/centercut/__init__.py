"""The centre cut (センタカット): mass postings beside online, in runs that are loaded, settled, paused, closed.

It brings items to the ledger and workers to the items; it writes no balance and knows no file format. Start reading at
`work.py`, then `load.py` and `close.py`; a new batch business begins at `business.py`.
"""

from kanjo.centercut.business import GROUP, Business, Payment, business_named, businesses
from kanjo.centercut.close import close_if_settled
from kanjo.centercut.crew import Crew, crew_of
from kanjo.centercut.flow import Flow, Pace, first_pace, next_pace
from kanjo.centercut.load import CLIENT, Loaded, Loading, RunLoading, load, run_key
from kanjo.centercut.operate import cancel, fail, pause, resume, retry, start, withdraw
from kanjo.centercut.process import (
    REAL_CLOCK,
    Orders,
    give_way,
    passes,
    run_worker,
    slowest_door_us,
    start_worker,
    stop_with_parent,
)
from kanjo.centercut.run import Items, RunRow, State, Totals
from kanjo.centercut.status import RunStatus, status
from kanjo.centercut.store import Runs, runs_in
from kanjo.centercut.work import Clock, Step, step, work

__all__ = [
    "CLIENT",
    "GROUP",
    "REAL_CLOCK",
    "Business",
    "Clock",
    "Crew",
    "Flow",
    "Items",
    "Loaded",
    "Loading",
    "Orders",
    "Pace",
    "Payment",
    "RunLoading",
    "RunRow",
    "RunStatus",
    "Runs",
    "State",
    "Step",
    "Totals",
    "business_named",
    "businesses",
    "cancel",
    "close_if_settled",
    "crew_of",
    "fail",
    "first_pace",
    "give_way",
    "load",
    "next_pace",
    "passes",
    "pause",
    "resume",
    "retry",
    "run_key",
    "run_worker",
    "runs_in",
    "slowest_door_us",
    "start",
    "start_worker",
    "status",
    "step",
    "stop_with_parent",
    "withdraw",
    "work",
]
