"""What is configured in this room: the bank's own code, and how strictly its files are read."""

from __future__ import annotations

import os
import re

from kanjo.errors import WrongUsage
from kanjo.formats.zengin import LENIENT, STRICT, Profile

BANK_CODE_DEFAULT = "9999"
"""Assigned to no bank (bank-batch A.9)."""

_BANK_CODE = re.compile(r"[0-9]{4}", re.ASCII)


def bank_code() -> int:
    """This bank's code (金融機関コード), from `KANJO_BANK_CODE`. Errors: WrongUsage `bad-bank-code`."""
    text = os.environ.get("KANJO_BANK_CODE") or BANK_CODE_DEFAULT
    if not _BANK_CODE.fullmatch(text):
        raise WrongUsage("bad-bank-code", f"KANJO_BANK_CODE must be the bank's code of 4 digits, found {text!r}")
    return int(text)


def zengin_profile() -> Profile:
    """The character profile that files are read under (A.8), from `KANJO_ZENGIN_PROFILE`; strict when unset (R-6).

    Errors: WrongUsage `bad-profile`.
    """
    text = os.environ.get("KANJO_ZENGIN_PROFILE") or STRICT.name
    for profile in (STRICT, LENIENT):
        if profile.name == text:
            return profile
    raise WrongUsage("bad-profile", f"KANJO_ZENGIN_PROFILE must be strict or lenient, found {text!r}")
