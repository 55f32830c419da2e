"""What becomes of a job that an actuator left without an end when it ended. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edged.actuators.durable import Unfinished
from edged.actuators.job import Job
from edged.actuators.performer import ActionSpec, Wish
from edged.actuators.rules import Rules
from edged.jobs import State


@dataclass(frozen=True)
class Ended:
    """It is not taken up again. abandon: the worker is to let go of what it had begun."""

    state: State
    reason: str
    abandon: Wish | None = None


def taken_up(left: Unfinished, spec: ActionSpec | None, rules: Rules, stopped: str) -> Job | Ended:
    """The job as it goes on, or its end. spec: of its action, None: there is no such action any more. stopped: since when
    and why the emergency stop is on.
    """
    if left.order is None or spec is None or (left.interrupted and not spec.resumes):
        if stopped and not left.interrupted:
            return Ended("cancelled", f"emergency stop: {stopped}")
        cut = (
            "in the middle: it may have been done in part" if left.interrupted else "before it began: nothing was done"
        )
        return Ended("failed", f"the actuator was ended {cut}")
    again = left.told.state == "running"
    job = Job(
        left.order, spec, rules.confirm(left.order, spec), attempt=left.attempt + again, interrupted=left.interrupted
    )
    if stopped or not rules.enabled(spec):
        words = f"emergency stop: {stopped}" if stopped else f"{spec.name} has been turned off"
        return Ended("cancelled", words, job.wish() if left.interrupted else None)
    # Who was asked once is not asked again for another attempt.
    return replace(job, confirmed=job.attempt > 1)
