"""Telephone numbers: how one must look, and how much of it may be seen."""

from __future__ import annotations

import re

# ITU-T E.164: a country code, which never begins with 0, and at most 15 digits in all.
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SHOWN_DIGITS = 3


def check_number(number: str) -> str:
    """The number itself. Raises ValueError, without the number, for what is no E.164."""
    if not _E164.fullmatch(number):
        raise ValueError(
            "is no telephone number like +491701234567: a plus sign, the country code, digits only (E.164)"
        )
    return number


def masked(number: str) -> str:
    """The last three digits, for people who know whose it is."""
    return f"…{number[-_SHOWN_DIGITS:]}"
