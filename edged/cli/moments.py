"""Moments as people give them on the command line."""

from __future__ import annotations

import re
import time
from datetime import datetime

import typer

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def moment_ms(text: str, option: str) -> int:
    """Unix milliseconds of `2h` (ago), `2026-07-01`, `2026-07-01 14:30`; local time unless it names another zone.

    Raises typer.BadParameter, naming the option.
    """
    if ago := _AGO.fullmatch(text.strip()):
        return round((time.time() - float(ago[1]) * _SECONDS[ago[2]]) * 1000)
    try:
        # Python 3.10 does not read the Z.
        return round(datetime.fromisoformat(text.strip().replace("Z", "+00:00")).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is no moment: 90s, 30m, 2h, 7d or 4w ago, 2026-07-01, or 2026-07-01T14:30", param_hint=option
        ) from None


def local_time(wall_ms: int) -> str:
    """For people, to the second."""
    return datetime.fromtimestamp(wall_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
