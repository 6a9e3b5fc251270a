"""What a batch business is: where items come from, and what becomes of the results (R-10).

A business is one class. The ones of this house and those of other packages are found the same way, through the entry
point group `kanjo.businesses`; one that is a class in a file is named by its place. Their code runs when a run is
loaded and when it is closed, never on the posting path.
"""

from __future__ import annotations

import re
import sys
from abc import ABC, abstractmethod
from hashlib import blake2b
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar

import msgspec

from kanjo.centercut.run import RunRow, Totals
from kanjo.errors import WrongUsage

if TYPE_CHECKING:
    from kanjo.centercut.load import Loading

GROUP = "kanjo.businesses"

_IN_FILE = re.compile(r"(.+\.py):([A-Za-z_][A-Za-z0-9_]*)")


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
    """The business of that name, or the class in one file that `path/to/file.py:ClassName` names.

    Errors: WrongUsage `business-unknown`.
    """
    in_file = _IN_FILE.fullmatch(name)
    if in_file is not None:
        return _business_in_file(Path(in_file[1]), in_file[2])
    found = businesses()
    if name not in found:
        raise WrongUsage(
            "business-unknown",
            f"no business {name!r}; there are {', '.join(sorted(found))}, and path/to/file.py:ClassName for one of "
            "your own",
        )
    return found[name]


def _business_in_file(path: Path, class_name: str) -> Business:
    """The business is called by its file's absolute path, which its runs keep: a worker finds it there again.

    A worker on another machine needs the file in the same place; a package's entry point does without.
    """
    path = path.expanduser().resolve()
    place = f"{path}:{class_name}"
    module = _module(path)
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Business)):
        raise WrongUsage("business-unknown", f"{path} has no class {class_name} that is a kanjo.centercut.Business")
    try:
        business = type(class_name, (found,), {"name": place, "__module__": module.__name__})()
    except TypeError as error:  # a method of Business is missing, or its __init__ wants something
        raise WrongUsage("business-unknown", f"{place}: {error}") from error
    if not isinstance(getattr(business, "priority", None), int):
        raise WrongUsage("business-unknown", f"{place} has no priority, its place among the runs of a date (O-1)")
    assert isinstance(business, Business)
    return business


def _module(path: Path) -> ModuleType:
    """The file run as a module of its own; not cached, so that a worker that runs for days sees what is corrected."""
    name = f"kanjo_business_{blake2b(bytes(path), digest_size=8).hexdigest()}"
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, "a name that ends in .py has a loader"
    module = module_from_spec(spec)
    sys.modules[name] = module  # classes look themselves up there while they are made
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise WrongUsage("business-unknown", f"cannot load {path}: {type(error).__name__}: {error}") from error
    return module
