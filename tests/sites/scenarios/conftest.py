"""A lab for scenarios: brought up, broken, moved, and gone afterwards whatever happens."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from runbook import Runbook

from kanjo.sites.lab import Lab


@contextmanager
def _brought_up() -> Iterator[Runbook]:
    if shutil.which("etcd") is None:
        pytest.skip("the scenarios of two sites need etcd (Debian: etcd-server); `make test-sites` installs it")
    folder = Path(tempfile.mkdtemp(prefix="kanjo-lab-"))
    folder.chmod(0o711)
    lab = Lab(folder / "lab")
    try:
        with lab.while_used(lambda _: None):
            yield Runbook(lab)
    finally:
        lab.down()
        shutil.rmtree(folder)


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
