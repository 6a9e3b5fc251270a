"""A lab for scenarios: brought up, broken, moved, and gone afterwards whatever happens."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from folders import open_folder
from runbook import NO_ETCD, Runbook

from kanjo.sites.lab import Lab


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without etcd one of the scenarios stands for all of them, and says once why none is run."""
    scenarios = [item for item in items if item.get_closest_marker("sites")]
    if scenarios and shutil.which("etcd") is None:
        scenarios[0].add_marker(pytest.mark.skip(reason=NO_ETCD))
        config.hook.pytest_deselected(items=scenarios[1:])
        items[:] = [item for item in items if item not in scenarios[1:]]


@contextmanager
def _brought_up() -> Iterator[Runbook]:
    with open_folder() as folder:
        lab = Lab(folder / "lab")
        try:
            with lab.while_used(lambda _: None):
                yield Runbook(lab)
        finally:
            lab.down()


@pytest.fixture
def runbook() -> Iterator[Runbook]:
    """Both sites up, in mode required, and what an operator does with them; of this test alone."""
    with _brought_up() as found:
        yield found


@pytest.fixture(scope="module")
def shared() -> Iterator[Runbook]:
    """The same for scenarios that leave both sites well."""
    with ExitStack() as stack:
        yield stack.enter_context(_brought_up())
