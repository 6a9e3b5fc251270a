"""Fingerprints are stored for ever: what tells one content from another today must do so next year (law 2)."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest

from kanjo.ledger import (
    CaptureHold,
    ChangeAccount,
    OpenAccount,
    PlaceHold,
    ReleaseHold,
    Reverse,
    deposit,
    transfer,
    withdrawal,
)
from kanjo.ledger.account import Status
from kanjo.ledger.instruction import Keyed

KEY, OTHER = UUID(int=1), UUID(int=2)
A, B = 110000001, 110000002


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        (deposit("c", KEY, A, 5), "9e10e27e-a690-3259-4b0b-18abb07a4f54"),
        (withdrawal("c", KEY, A, 5), "511adc8a-557b-2b51-bf35-9a4116bf0620"),
        (transfer("c", KEY, A, B, 5), "82fb8d0c-5a15-f028-b1ae-12d64e60bbc8"),
        (Reverse(client="c", key=KEY, original=OTHER), "5ca494c8-be3e-8715-3d5a-1c8373bb49fb"),
        (
            PlaceHold(client="c", key=KEY, account=A, amount_yen=5, expires_on=date(2026, 1, 5)),
            "cb7a32a6-5daf-3b6f-0d16-3a1a94e70633",
        ),
        (CaptureHold(client="c", key=KEY, hold=OTHER), "3f1eff43-e221-b131-3bbf-a8eef0d4b003"),
        (ReleaseHold(client="c", key=KEY, hold=OTHER), "7e8bea96-8a0e-4210-3449-cbad5bfedbe5"),
        (OpenAccount(client="c", key=KEY, account=A, product=1), "640560c3-9b9b-9396-130f-40d505c142ce"),
        (
            ChangeAccount(client="c", key=KEY, account=A, status=Status.CLOSED),
            "2f9bc496-a517-d740-3517-bf445d522a47",
        ),
    ],
)
def test_law_2_what_was_stored_is_still_the_fingerprint(asked: Keyed, stored: str) -> None:
    """Another one would make every honest repeat of an older key `key-reused`."""
    assert asked.fingerprint() == UUID(stored)
