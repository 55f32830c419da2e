"""Times of day such as 22:00-07:00, in which somebody is not to be disturbed. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")


def check_hours(hours: str) -> str:
    """The text itself. Raises ValueError for what is no stretch of the day; empty is none."""
    found = _TIME.fullmatch(hours)
    if hours and found is None:
        raise ValueError("is not like 22:00-07:00")
    if found is not None and found.group(1, 2) == found.group(3, 4):
        raise ValueError("begins and ends at the same time: leave it out for never")
    return hours


def check_zone(zone: str) -> str:
    """The name itself. Raises ValueError for a time zone nobody knows; empty is that of this machine."""
    if zone:
        try:
            ZoneInfo(zone)
        except (ValueError, OSError, KeyError):  # a folder, an absolute path, a name that is not there
            raise ValueError(
                "is no time zone that this machine knows, such as Europe/Berlin (package tzdata)"
            ) from None
    return zone


def quiet(hours: str, zone: str, now: float) -> bool:
    """Is it within these hours? now: Unix seconds. The first minute is, the last is not."""
    found = _TIME.fullmatch(hours)
    if found is None:
        return False
    local = datetime.fromtimestamp(now, ZoneInfo(zone)) if zone else datetime.fromtimestamp(now).astimezone()
    begin_hour, begin_minute, end_hour, end_minute = (int(each) for each in found.groups())
    begin, end, minute = begin_hour * 60 + begin_minute, end_hour * 60 + end_minute, local.hour * 60 + local.minute
    return begin <= minute < end if begin < end else minute >= begin or minute < end
