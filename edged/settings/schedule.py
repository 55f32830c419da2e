"""Hours of the week in which the seat's policy works otherwise, as one writes them: `mon-fri 08:00-18:00 enforce`."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, get_args

Mode = Literal["enforce", "watch", "off"]
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60
_SHAPE = re.compile(
    r"(?P<days>[a-z,-]+) +(?P<h1>[01]\d|2[0-3]):(?P<m1>[0-5]\d)-(?P<h2>[01]\d|2[0-4]):(?P<m2>[0-5]\d) +(?P<mode>[a-z]+)"
)


class Schedule(NamedTuple):
    """days: 0 Monday .. 6 Sunday, on which it begins. first, last: minutes after local midnight."""

    days: frozenset[int]
    first: int
    last: int
    mode: Mode

    def covers(self, weekday: int, minute: int) -> bool:
        """Is a local moment within it?"""
        if self.first < self.last:
            return self.first <= minute < self.last and weekday in self.days
        # What began yesterday evening runs into this morning.
        return (minute >= self.first and weekday in self.days) or (
            minute < self.last and (weekday - 1) % len(DAYS) in self.days
        )


def read_schedule(text: str) -> Schedule:
    """Raises ValueError with what is wrong."""
    found = _SHAPE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text[:60]!r} is not of the kind `mon-fri 08:00-18:00 enforce` (days, hours, mode)")
    first = int(found["h1"]) * 60 + int(found["m1"])
    last = int(found["h2"]) * 60 + int(found["m2"])
    if last > _DAY_MINUTES:
        raise ValueError(f"{text!r}: 24:00 is the latest end")
    if first == last:
        raise ValueError(f"{text!r}: begins and ends at the same time (00:00-24:00 is all day)")
    mode = found["mode"]
    for known in get_args(Mode):
        if mode == known:
            return Schedule(_days(found["days"], text), first, last, known)
    raise ValueError(f"{text!r}: the mode is one of {', '.join(get_args(Mode))}")


def _days(words: str, text: str) -> frozenset[int]:
    if words == "daily":
        return frozenset(range(len(DAYS)))
    days: set[int] = set()
    for word in words.split(","):
        ends = word.split("-")
        if not 1 <= len(ends) <= 2 or any(end not in DAYS for end in ends):
            raise ValueError(f"{text!r}: days are daily, or of {', '.join(DAYS)}, as in mon-fri or sat,sun")
        first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
        days |= {(first + step) % len(DAYS) for step in range((last - first) % len(DAYS) + 1)}
    return frozenset(days)
