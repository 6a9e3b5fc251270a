"""What a batch business is: where items come from, and what becomes of the results (R-10).

A business is one class. The ones of this house and those of other packages are found the same way, through the entry
point group `kanjo.businesses`; their code runs when a run is loaded and when it is closed, never on the posting path.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec

from kanjo.centercut.run import RunRow, Totals
from kanjo.errors import WrongUsage

if TYPE_CHECKING:
    from kanjo.centercut.load import Loading

GROUP = "kanjo.businesses"


class Payment(msgspec.Struct, frozen=True):
    """Money that leaves the run's suspense when the run is closed: to an account, or to a code of the chart.

    If the account cannot take it, it goes to suspense (別段) with a line in the run's note (R-7).
    """

    to: int
    amount_yen: int
    purpose: str


class Business(ABC):
    """One kind of batch work. `name` is what users type; `priority` is O-1's default order among runs of a date."""

    name: ClassVar[str]
    priority: ClassVar[int]

    @abstractmethod
    def load(self, source: Path, loading: Loading) -> None:
        """Read the source and register its runs and items through `loading`; raise Refused to leave no trace."""

    @abstractmethod
    def close(self, run: RunRow, totals: Totals) -> list[Payment]:
        """Say where the money in the run's suspense goes now that every item has an outcome; the sum must empty it."""


def businesses() -> dict[str, Business]:
    """All businesses installed, by name."""
    found: dict[str, Business] = {}
    for entry in entry_points(group=GROUP):
        business = entry.load()()
        if not isinstance(business, Business):
            raise TypeError(f"entry point {entry.value} of group {GROUP} is not a Business")
        found[business.name] = business
    return found


def business_named(name: str) -> Business:
    """The business of that name. Errors: WrongUsage `business-unknown`."""
    found = businesses()
    if name not in found:
        raise WrongUsage("business-unknown", f"no business {name!r}; there are {', '.join(sorted(found))}")
    return found[name]
