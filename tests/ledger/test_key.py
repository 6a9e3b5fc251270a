"""Keys that grow with time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

from kanjo.ledger import new_key
from kanjo.ledger.key import uuid_of

AT = datetime(2026, 1, 5, 9, 0, 0, 123_000, tzinfo=UTC)


def test_a_key_is_a_uuid_of_version_7() -> None:
    """Its first 48 bits are the milliseconds of Unix's time."""
    key = new_key(AT)
    assert (key.version, key.variant) == (7, RFC_4122)
    assert key.int >> 80 == 1_767_603_600_123


def test_a_later_key_is_a_greater_one() -> None:
    """By the microsecond, across seconds too, whatever is drawn."""
    moments = [AT + timedelta(microseconds=step) for step in (0, 1, 2, 998, 999, 1000, 876_999, 877_000, 10**9)]
    highest = new_key(moments[0], bits=lambda count: (1 << count) - 1)
    keys = [highest, *(new_key(at, bits=lambda count: 0) for at in moments[1:])]
    assert keys == sorted(set(keys))


def test_keys_of_one_moment_differ() -> None:
    """62 bits are drawn."""
    assert len({new_key(AT) for _ in range(1000)}) == 1000


def test_a_uuid_is_made_of_16_bytes() -> None:
    """As the constructor makes it."""
    content = bytes(range(100, 116))
    assert uuid_of(content) == UUID(bytes=content)
