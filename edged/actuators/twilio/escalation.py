"""When an escalation chain goes on to its next step. Pure: the caller says what time it is (Unix seconds)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edged.actuators.twilio.settings import StepSettings


@dataclass(frozen=True)
class Tried:
    """How the present step stands. again: it was not sent, and may be in `seconds`."""

    how: Literal["pending", "reached", "lost", "again"]
    words: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """wait: look again after `seconds`. next: begin the next step. over: nobody will acknowledge."""

    what: Literal["wait", "next", "over"]
    words: str
    seconds: float = 0.0


def judge(
    steps: Sequence[StepSettings], step: int, began_at: float, expires_at: float, tried: Tried, now: float
) -> Verdict:
    """step: the present one, from 0; it began at began_at. Nothing is begun after expires_at.

    A step that cannot reach anybody is left at once. One that could not be sent is tried until its time is over, the
    last one until the alert expires.
    """
    wait_seconds = steps[step].wait_seconds
    # A clock that was set back must not hold an alert up for longer than the step.
    left = min(wait_seconds, began_at + wait_seconds - now)
    last = step == len(steps) - 1
    if tried.how == "again" and last:
        if now + tried.seconds >= expires_at:
            return Verdict("over", f"{tried.words}; the alert expires before it can be tried again")
        return Verdict("wait", tried.words, tried.seconds)
    if tried.how != "lost" and left > 0:
        seconds = left if tried.how == "reached" else min(left, tried.seconds)
        waits = "" if tried.how == "again" else f"; waits {wait_seconds:g} s for an acknowledgement"
        return Verdict("wait", f"step {step + 1} of {len(steps)}, {tried.words}{waits}", seconds)
    if last:
        return Verdict("over", tried.words)
    if now >= expires_at:
        return Verdict("over", f"{tried.words}; the alert expired before step {step + 2}")
    return Verdict("next", tried.words)


def needed_seconds(steps: Sequence[StepSettings]) -> float:
    """How long a chain may take until its last step begins."""
    return sum(step.wait_seconds for step in steps[:-1])
