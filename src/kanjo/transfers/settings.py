"""What is configured in this room: the bank's own code."""

from __future__ import annotations

import os
import re

from kanjo.errors import WrongUsage

BANK_CODE_DEFAULT = "9999"
"""Assigned to no bank (bank-batch A.9)."""

_BANK_CODE = re.compile(r"[0-9]{4}", re.ASCII)


def bank_code() -> int:
    """This bank's code (金融機関コード), from `KANJO_BANK_CODE`. Errors: WrongUsage `bad-bank-code`."""
    text = os.environ.get("KANJO_BANK_CODE") or BANK_CODE_DEFAULT
    if not _BANK_CODE.fullmatch(text):
        raise WrongUsage("bad-bank-code", f"KANJO_BANK_CODE must be the bank's code of 4 digits, found {text!r}")
    return int(text)
