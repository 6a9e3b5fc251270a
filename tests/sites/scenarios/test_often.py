"""The bank moves from cloud to cloud, again and again."""

from __future__ import annotations

import itertools

import pytest
from runbook import Runbook

pytestmark = [pytest.mark.sites, pytest.mark.long, pytest.mark.xdist_group("sites-lab")]

MOVES = 10


def test_ten_moves_in_a_row_under_load(shared: Runbook) -> None:
    """Every node is well after each, none was rewound, and the same customers and the same cut have gone on."""
    shared.until_well()
    with shared.bank.at_work(items_per_s=25) as customers:
        for site in itertools.islice(itertools.cycle("ba"), MOVES):
            shared.order("switchover", site)
            customers.wait_for_more(20)
            assert shared.serves() == (site, "required")
            shared.until_well()
    assert shared.rewinds() == 0
