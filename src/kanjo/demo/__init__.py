"""The demonstration: a town's bank lives through one day, and proves afterwards that nobody was served out of order.

It uses the other rooms as their users do, on a database of its own, and posts nothing by itself. Start reading at
`banking_day.py`; `town.py` makes accounts and files, `customers.py` is the process that keeps drawing money.
"""

from kanjo.demo.banking_day import DayPlan, Figures, Glimpse, live_through
from kanjo.demo.report import write_report
from kanjo.demo.town import EMPLOYER, Town

__all__ = ["EMPLOYER", "DayPlan", "Figures", "Glimpse", "Town", "live_through", "write_report"]
