"""Settings are sized to the machine, and safety never is."""

from __future__ import annotations

import pytest

from kanjo.db import settings
from kanjo.db.settings import GIB, MIB


@pytest.mark.parametrize(
    ("memory", "buffers"), [(256 * MIB, "64MB"), (2 * GIB, "512MB"), (16 * GIB, "4096MB"), (512 * GIB, "4096MB")]
)
def test_shared_buffers_are_a_quarter_of_the_memory_within_bounds(memory, buffers):
    """A quarter, at least 64 MB and at most 4 GB."""

    assert buffers == settings.sized(memory, 100 * GIB)["shared_buffers"]


@pytest.mark.parametrize(("free", "wal"), [(GIB, "1024MB"), (50 * GIB, "5120MB"), (1000 * GIB, "16384MB")])
def test_the_write_ahead_log_is_a_tenth_of_the_free_disk_within_bounds(free, wal):
    """Generous, but never what fills the disk."""

    assert wal == settings.sized(8 * GIB, free)["max_wal_size"]


@pytest.mark.parametrize("memory", [128 * MIB, 64 * GIB])
def test_safety_does_not_depend_on_the_machine(memory):
    """fsync, synchronous commit and full pages are on everywhere."""
    sized = settings.sized(memory, GIB)

    assert {"on"} == {sized[name] for name in ("fsync", "synchronous_commit", "full_page_writes")}


def test_statements_and_rows_never_reach_the_servers_log():
    """Names of customers stand in them."""
    sized = settings.sized(GIB, GIB)

    assert (sized["log_min_error_statement"], sized["log_error_verbosity"]) == ("panic", "terse")


def test_a_name_with_signs_is_quoted_in_the_map_of_users():
    """Whatever a user is called, the map lets in that user and nobody else."""

    assert settings.ident({"root", 'a "b"'}) == 'kanjo "a ""b""" kanjo\nkanjo "root" kanjo\n'


def test_the_memory_of_this_machine_is_known():
    """It is a number of bytes that a machine can have."""

    assert 64 * MIB < settings.memory_bytes() < (1 << 50)
