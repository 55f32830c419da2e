"""Which events matter more than others: the only place that says so."""

from __future__ import annotations

# When there is no room the oldest of the lowest goes first. What is not named here (a kind of a later version, or of
# the owner's own making) is worth as much as presence.
_IMPORTANCE = {
    "blink": 0,
    "gaze": 1,
    "dwell": 2,
    "drowsy": 3,
    "presence": 3,
    "object": 3,
    "health": 4,
    "config": 4,
    "challenge": 4,
    "identity": 5,
    "liveness": 5,
    "job_progress": 1,
    "job": 5,
    "security": 6,
}
_USUAL = 3
# From here on an event is on the disk, and not only on its way there, before it is published.
_SYNCED = 4


def importance(kind: str) -> int:
    """Larger matters more."""
    return _IMPORTANCE.get(kind, _USUAL)


def must_survive_power_cut(kind: str) -> bool:
    """The event may not be lost even when the plug is pulled at this moment."""
    return importance(kind) >= _SYNCED
