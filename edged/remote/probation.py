"""Whether the pipeline bears a change of settings: a pure judge that takes `now`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from edged.events import HealthStatus

# The camera may stand still for this long while it takes new settings over.
GRACE_SECONDS = 5.0
_LOSSES = 2
_WELL: tuple[HealthStatus, ...] = ("ok", "degraded", "paused")


@dataclass(frozen=True)
class Probation:
    """A change on trial. Times are seconds of one monotonic clock.

    well_before: the pipeline ran when the change came; otherwise nothing that happens is blamed on the change.
    camera_concerned: the change is about the camera; otherwise a camera that is unplugged just now is not its fault.
    broken_since: since when it is stalled or without a camera. losses: children that ended unasked since.
    """

    began: float
    seconds: float
    well_before: bool
    camera_concerned: bool = False
    broken_since: float | None = None
    losses: int = 0
    trouble: str = ""


@dataclass(frozen=True)
class Finding:
    """go_on: judge again later. kept: the change has proved itself. failed: take it back, says reason."""

    outcome: Literal["go_on", "kept", "failed"]
    reason: str = ""


def lost(probation: Probation, trouble: str, *, final: bool) -> Probation:
    """A child ended unasked. final: it said that trying again is useless."""
    return replace(probation, losses=probation.losses + (_LOSSES if final else 1), trouble=trouble)


def judge(probation: Probation, status: HealthStatus, reason: str, now: float) -> tuple[Probation, Finding]:
    """Look at it once more. reason: of the status, for people."""
    broken = status == "stalled" or (status == "no_camera" and probation.camera_concerned)
    since = (probation.broken_since if probation.broken_since is not None else now) if broken else None
    after = replace(probation, broken_since=since)
    over = now - probation.began >= probation.seconds
    if not probation.well_before:
        return after, Finding("kept" if over else "go_on")
    if after.losses >= _LOSSES:
        return after, Finding("failed", after.trouble)
    if since is not None and now - since >= GRACE_SECONDS:
        return after, Finding("failed", reason or status)
    if not over:
        return after, Finding("go_on")
    if status in _WELL or (status == "no_camera" and not probation.camera_concerned):
        return after, Finding("kept")
    return after, Finding("failed", after.trouble or reason or f"the pipeline is {status}")
