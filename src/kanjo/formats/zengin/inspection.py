"""The data records of one frame: of which kind they are, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kanjo.formats.zengin.checking import checker
from kanjo.formats.zengin.columns import Columns
from kanjo.formats.zengin.description import Description
from kanjo.formats.zengin.digits import Rows
from kanjo.formats.zengin.layout import HEADER, LAYOUTS, RECORD_BYTES, UNKNOWN_KIND, KindLayouts, Layout
from kanjo.formats.zengin.profile import Profile
from kanjo.formats.zengin.refusal import FieldError

_EDI_FLAG = 112

Span = tuple[slice, KindLayouts]
_Part = NDArray[np.int64] | slice | None


def kind_spans(
    kind: str | None,
    layouts: KindLayouts,
    rows: Rows,
    others: NDArray[np.int64],
    numbers: NDArray[np.int64],
) -> list[Span]:
    """Which data records of a frame are of which kind; `kind` and `layouts` are those known before the frame.

    The first header gives the kind of the whole file (Z-13). Before it, and from a header of another kind on, the
    kind is unknown and only what holds for all of them is checked: the same wherever a frame ends.
    """
    cuts = [(0, layouts)]
    for place in others[rows[others, 0] == HEADER].tolist() if len(others) else []:
        found = rows[place, 1:3].tobytes().decode("latin-1")
        if kind is None:
            kind, layouts = found, LAYOUTS.get(found, UNKNOWN_KIND)
        elif found != kind:
            layouts = UNKNOWN_KIND
        if layouts is not cuts[-1][1]:
            cuts.append((place, layouts))
    if len(cuts) == 1:
        return [(slice(None), layouts)]
    starts = np.searchsorted(numbers, [place for place, _ in cuts]).tolist()
    ends = [*starts[1:], len(numbers)]
    return [
        (slice(start, end), layouts) for start, end, (_, layouts) in zip(starts, ends, cuts, strict=True) if start < end
    ]


@dataclass(frozen=True, slots=True)
class Inspection:
    """Looks at the data records of frames; at most a few more than `errors_max` errors are made for one frame."""

    profile: Profile
    describe: Description
    errors_max: int

    def faults(
        self,
        columns: Columns,
        spans: list[Span],
        records: NDArray[np.int64],
        lengths: NDArray[np.int64] | None,
        found: list[FieldError],
    ) -> NDArray[np.bool_] | None:
        """Add what is wrong to `found`; the answer marks the records whose amount or result is not known, if any.

        `records` are the numbers of the records in the file, `lengths` their lengths where not all are 120.
        """
        is_hidden: NDArray[np.bool_] | None = None
        for layout, which in _layout_parts(columns.raw, spans):
            rows = columns.raw if which is None else columns.raw[which]
            amounts = columns.amount_yen if which is None else columns.amount_yen[which]
            part_lengths = lengths if lengths is None or which is None else lengths[which]
            check = checker(layout, self.profile)
            is_overlong = None if part_lengths is None else part_lengths > RECORD_BYTES
            has_zero = self.profile.exact and not amounts.all()
            if not has_zero and (is_overlong is None or not is_overlong.any()) and check.is_lawful(rows):
                continue
            faults = check.faults(rows)
            bad = faults.any(axis=1)
            # Not the zero of ZC-8, which is a fault but a number; byte 112 counts, since it tells what was paid.
            unknown = ((rows[:, 80:90] < 0x30) | (rows[:, 80:90] > 0x39)).any(axis=1) | faults[:, 111]
            if part_lengths is not None and is_overlong is not None:
                bad |= is_overlong
                unknown |= bad & (part_lengths != RECORD_BYTES)
            if is_hidden is None:
                is_hidden = np.zeros(len(records), np.bool_)
            is_hidden[slice(None) if which is None else which] = unknown
            part_records = records if which is None else records[which]
            for place in np.flatnonzero(bad).tolist():
                length = RECORD_BYTES if part_lengths is None else int(part_lengths[place])
                record = int(part_records[place])
                found.extend(self.describe.record_errors(layout, rows[place], faults[place], record, length))
                if len(found) > self.errors_max:
                    break
        return is_hidden


def _layout_parts(data: Rows, spans: list[Span]) -> list[tuple[Layout, _Part]]:
    """The layout of each part of `data`, None for all of it: 21 has another one where byte 113 is Y (EDI)."""
    if len(spans) == 1 and (spans[0][1].data_edi is None or not (data[:, _EDI_FLAG] == ord("Y")).any()):
        return [(spans[0][1].data, None)]
    parts: list[tuple[Layout, _Part]] = []
    for span, layouts in spans:
        if layouts.data_edi is None:
            parts.append((layouts.data, span))
            continue
        has_edi = data[span, _EDI_FLAG] == ord("Y")
        first = span.start or 0
        parts.append((layouts.data, np.flatnonzero(~has_edi) + first))
        parts.append((layouts.data_edi, np.flatnonzero(has_edi) + first))
    return parts
