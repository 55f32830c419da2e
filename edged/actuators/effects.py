"""What an engine asks of the world, and what the world tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Union

from edged.actuators.performer import Wish
from edged.jobs import JobState


class Now(NamedTuple):
    """One moment on two clocks: Unix seconds, and seconds of a clock that is never set."""

    unix: float
    steady: float


@dataclass(frozen=True)
class Tell:
    """Publish how a job stands."""

    state: JobState


@dataclass(frozen=True)
class Begin:
    """Have the worker do it."""

    wish: Wish


@dataclass(frozen=True)
class Halt:
    """Tell the worker to stop."""

    job_id: str


@dataclass(frozen=True)
class Release:
    """Let go of everything, now."""


@dataclass(frozen=True)
class Stuck:
    """The worker did not stop: only a new process helps."""

    job_id: str


Effect = Union[Tell, Begin, Halt, Release, Stuck]


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended. retry: it may work later, not before retry_after_seconds if that is given."""

    result: Literal["succeeded", "failed", "cancelled"]
    reason: str
    retry: bool = False
    retry_after_seconds: float | None = None
