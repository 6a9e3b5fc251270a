"""One layout under one profile, compiled: is a matrix of records lawful (fast), and if not, where (exact).

The fast look compares every byte with an interval and one other value, over blocks that stay in the processor's cache.
Only bytes outside both are looked up one by one in the tables of their class. The exact look is taken only when the
fast one found something, and goes field by field, never record by record.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kanjo.formats.zengin.digits import Rows, ten_digits
from kanjo.formats.zengin.layout import DATA, RECORD_BYTES, TEXTS, Class, Field, Layout
from kanjo.formats.zengin.profile import (
    HA_ROW,
    HALF_VOICED_MARK,
    SPACE,
    VOICED_AFTER,
    VOICED_MARK,
    Profile,
)

# Records looked at together: tiles and temporaries of this many bytes stay in the second-level cache.
_BLOCK_RECORDS = 2_048
_BLOCK_BYTES = _BLOCK_RECORDS * RECORD_BYTES

Faults = NDArray[np.bool_]
"""True where a byte of a record may not stand (n x 120)."""


def _table(allowed: bytes) -> NDArray[np.bool_]:
    table = np.zeros(256, np.bool_)
    table[list(allowed)] = True
    return table


_MARK_MAY_FOLLOW = {VOICED_MARK: _table(VOICED_AFTER), HALF_VOICED_MARK: _table(HA_ROW)}
# The same for words of two bytes: the mark above, the byte before it below.
_IS_PAIR_LAWFUL = np.zeros(65_536, np.bool_)
for _mark, _may_follow in _MARK_MAY_FOLLOW.items():
    _IS_PAIR_LAWFUL[_mark << 8 : (_mark + 1) << 8] = _may_follow

_TRANSITION_FREE, _TRANSITION_PADDING, _TRANSITION_NONE = 255, 1, 0


class Checker:
    """The rules of one layout under one profile (ZC-3, ZC-4; ZC-8 for amounts of data records)."""

    def __init__(self, layout: Layout, profile: Profile) -> None:
        self.layout = layout
        self.profile = profile
        self._tables = np.zeros((RECORD_BYTES, 256), np.bool_)
        low = np.zeros(RECORD_BYTES, np.uint8)
        span = np.zeros(RECORD_BYTES, np.uint8)
        other = np.zeros(RECORD_BYTES, np.uint8)
        transition = np.full(RECORD_BYTES, _TRANSITION_FREE, np.uint8)
        for field in layout:
            allowed = profile.allowed(field)
            part = slice(field.start, field.stop)
            self._tables[part] = _table(allowed)
            low[part], span[part] = _widest_interval(allowed)
            other[part] = SPACE if SPACE in allowed else low[field.start]
            # From the second byte on: where a change between space and another byte is not allowed.
            if profile.all_or_nothing(field):
                transition[field.start + 1 : field.stop] = _TRANSITION_NONE
            elif profile.exact and field.holds is Class.BANK_NAME:
                transition[field.start + 1 : field.stop] = _TRANSITION_PADDING
        self._low = np.tile(low, _BLOCK_RECORDS)
        self._span = np.tile(span, _BLOCK_RECORDS)
        self._other = np.tile(other, _BLOCK_RECORDS)
        self._transition = np.tile(transition, _BLOCK_RECORDS)
        self._has_transitions = bool((transition != _TRANSITION_FREE).any())
        self._has_marks = profile.exact and any(field.holds in TEXTS for field in layout)
        self._amount = next(
            (field for field in layout if field.name == "amount" and layout[0].choices[0] == DATA), None
        )

    def is_lawful(self, rows: Rows) -> bool:
        """True when every byte of `rows` may stand where it stands; amounts above zero are asked for elsewhere."""
        flat = rows.reshape(-1)
        # Scratch is made once a call: checkers are shared, and may be so between threads.
        scratch = np.empty((3, min(len(flat), _BLOCK_BYTES)), np.uint8)
        return all(
            self._is_block_lawful(flat[start : start + _BLOCK_BYTES], scratch)
            for start in range(0, len(flat), _BLOCK_BYTES)
        )

    def _is_block_lawful(self, flat: NDArray[np.uint8], scratch: NDArray[np.uint8]) -> bool:
        size = len(flat)
        distance = scratch[0, :size]
        outside, not_other = scratch[1, :size].view(np.bool_), scratch[2, :size].view(np.bool_)
        np.subtract(flat, self._low[:size], out=distance)
        np.greater(distance, self._span[:size], out=outside)
        np.not_equal(flat, self._other[:size], out=not_other)
        np.logical_and(outside, not_other, out=outside)
        if outside.view(np.uint64).any():
            places = np.flatnonzero(outside)
            if not self._tables[places % RECORD_BYTES, flat[places]].all():
                return False
        if self._has_transitions:
            np.equal(flat, SPACE, out=outside)
            is_space = outside.view(np.uint8)
            np.subtract(is_space[1:], is_space[:-1], out=distance[1:])
            np.greater(distance[1:], self._transition[1:size], out=not_other[1:])
            if not_other[1:].any():
                return False
        if self._has_marks:
            np.greater_equal(flat, VOICED_MARK, out=outside)
            places = np.flatnonzero(outside)
            if len(places):
                # A mark is never a record's first byte here, so there is always one before it.
                pairs = (flat.take(places).astype(np.uint16) << 8) | flat.take(places - 1)
                if not _IS_PAIR_LAWFUL.take(pairs).all():
                    return False
        return True

    def faults(self, rows: Rows) -> Faults:
        """Where the bytes are that may not stand; an amount of zero (ZC-8, strict) is a fault of its first byte."""
        bad = np.empty(rows.shape, np.bool_)
        for place in range(RECORD_BYTES):
            bad[:, place] = ~self._tables[place][rows[:, place]]
        for field in self.layout:
            self._field_faults(rows, field, bad)
        return bad

    def _field_faults(self, rows: Rows, field: Field, bad: Faults) -> None:
        text = rows[:, field.start : field.stop]
        part = bad[:, field.start : field.stop]
        is_space = text == SPACE
        if self.profile.all_or_nothing(field):
            # The rarer reading is the fault: a space among digits, or a digit among spaces where the field began blank.
            mixed = is_space.any(axis=1) & ~is_space.all(axis=1)
            part |= mixed[:, None] & (is_space != is_space[:, :1])
        if not self.profile.exact:
            return
        if field.holds is Class.BANK_NAME:
            part[:, 1:] |= is_space[:, :-1] & ~is_space[:, 1:]
        if field.holds in TEXTS and field.holds is not Class.CUSTOMER:
            for mark in (VOICED_MARK, HALF_VOICED_MARK):
                may_follow = np.zeros(text.shape, np.bool_)
                may_follow[:, 1:] = _MARK_MAY_FOLLOW[mark][text[:, :-1]]
                part |= (text == mark) & ~may_follow
        if field is self._amount:
            part[:, 0] |= ~part.any(axis=1) & (ten_digits(rows, field.start) == 0)


def _widest_interval(allowed: bytes) -> tuple[int, int]:
    """The longest run of neighbouring bytes in `allowed`, as its first byte and its length less one."""
    best, run = (allowed[0], 0), (allowed[0], 0)
    values = sorted(set(allowed))
    for before, value in pairwise(values):
        run = (run[0], run[1] + 1) if value == before + 1 else (value, 0)
        best = max(best, run, key=lambda interval: interval[1])
    return best


@cache
def checker(layout: Layout, profile: Profile) -> Checker:
    """The compiled checker of `layout` under `profile`; built once, since the tiles cost a little."""
    return Checker(layout, profile)
