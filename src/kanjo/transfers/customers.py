"""Customer numbers (顧客番号) in columns, as the mandate list has them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kanjo.ledger import normal_customer


def normal_customers(customer: NDArray[np.bytes_]) -> NDArray[np.bytes_] | list[str]:
    """`normal_customer` for a column of 20 bytes each; those of digits only, all under strict, are normal already."""
    column = np.ascontiguousarray(customer)
    digits = column.view(np.uint8)
    if not len(column) or (digits.min() >= ord("0") and digits.max() <= ord("9")):
        return column
    return [normal_customer(text.decode("cp932")) for text in column.tolist()]
