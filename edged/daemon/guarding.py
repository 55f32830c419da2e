"""What the seat's policy must know beside the pictures: the hour, the camera, the models, the broker; and its memory."""

from __future__ import annotations

import time

from edged.daemon.health import Verdict
from edged.judgement.security import Blocked, Surroundings
from edged.messages import InferenceReport
from edged.settings import Settings
from edged.store.kept import KeptFile

_DETECTION = "detection"


def around(
    settings: Settings, health: Verdict, inference: InferenceReport | None, *, broker: bool, local: time.struct_time
) -> Surroundings:
    """As it is now. health: of the pipeline; local: the time on the wall."""
    if not settings.judgement.security.enabled:
        return Surroundings()
    # Also while it starts: nobody has looked, so nobody can say that nobody is there. And a camera that comes for a moment
    # and goes again is gone all the while.
    blind = health.status in ("no_camera", "stalled", "paused", "starting")
    return Surroundings(
        weekday=local.tm_wday,
        minute=local.tm_hour * 60 + local.tm_min,
        camera=(health.reasons[0] if health.reasons else "no fresh pictures") if blind else "",
        missing=() if inference is None else missing_stages(settings, inference),
        broker=broker,
    )


def missing_stages(settings: Settings, inference: InferenceReport) -> tuple[str, ...]:
    """Those that the policy needs, or the owner switched on for it, and that do not run."""
    wanted = {
        _DETECTION: True,
        "recognition": settings.judgement.security.require == "known",
        "liveness": settings.inference.liveness.enabled,
        "objects": settings.inference.objects.enabled,
    }
    return tuple(name for name, needed in wanted.items() if needed and name not in inference.stages)


def block_from_before(settings: Settings, kept: KeptFile, wall_ns: int) -> Blocked | None:
    """The block that was in force when the daemon ended.

    Where that cannot be known any more, and there are verdicts that block, there is one: who damages a file, or takes
    the disk away, must not be able to end a block by it.
    """
    policy = settings.judgement.security
    if not policy.enabled:
        return None
    if policy.blocks() and kept.now.blocked is None and (kept.damage or not kept.lasting):
        kept.replace(blocked=Blocked("a damaged memory" if kept.damage else "a memory that is not there", wall_ns))
    return kept.now.blocked
