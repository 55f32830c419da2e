"""What comes before a job begins when it is its turn: a confirmation or a countdown. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edged.actuators.effects import Now
from edged.actuators.job import Job
from edged.actuators.settings import PolicySettings
from edged.jobs import State


@dataclass(frozen=True)
class Step:
    """What a job comes to. job: with what is set for it from now on. remaining_seconds: None where nothing is waited for."""

    job: Job
    state: State
    reason: str
    remaining_seconds: float | None = None


def before_it_begins(job: Job, policy: PolicySettings, actuator: str, now: Now) -> Step | None:
    """The next step of the job whose turn it is; None: it waits on, and there is nothing to tell.

    "running": it begins now; the reason is left to whoever begins it. actuator: its name.
    """
    if job.confirmed or job.confirm == "none":
        return Step(job, "running", "")
    if job.confirm == "confirm":
        return _confirmation(job, policy, actuator, now)
    return _countdown(job, policy, now)


def _confirmation(job: Job, policy: PolicySettings, actuator: str, now: Now) -> Step | None:
    if job.confirm_by_steady is None:
        # Never longer than the request is good for.
        left = min(policy.confirm_seconds, job.left_seconds(now))
        job = replace(job, confirm_by_steady=now.steady + left)
        reason = f"waits for a confirmation (edged act {actuator} confirm {job.id})"
        return Step(job, "accepted", reason, round(left, 1))
    if now.steady >= job.confirm_by_steady:
        return Step(job, "expired", f"nobody confirmed it within {policy.confirm_seconds:g} s")
    return None


def _countdown(job: Job, policy: PolicySettings, now: Now) -> Step | None:
    ends_steady = job.countdown_ends_steady
    if ends_steady is None:
        seconds = job.spec.countdown_seconds if policy.countdown_seconds is None else policy.countdown_seconds
        ends_steady = now.steady + seconds
        job = replace(job, countdown_ends_steady=ends_steady)
    left = ends_steady - now.steady
    if left <= 0:
        return Step(job, "running", "")
    if job.remaining_seconds is None or left <= job.remaining_seconds - 1.0:
        shown = float(-int(-left // 1))
        return Step(job, "countdown", f"begins in {shown:g} s", shown)
    return None


def expiry_words(job: Job) -> str:
    """Why a job that has not begun is not done any more."""
    waited = {"countdown": "during its countdown"}.get(job.state, "before its turn came")
    if job.confirm_by_steady is not None:
        waited = "before anybody confirmed it"
    return (
        f"expires_at passed {waited}: nothing was done" if job.attempt == 1 else "expired; the last attempt had failed"
    )
