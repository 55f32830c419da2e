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
class Abandon:
    """A job that waited between its turns has ended: have the worker let go of what it had begun."""

    wish: Wish


@dataclass(frozen=True)
class Release:
    """Let go of everything, now."""


@dataclass(frozen=True)
class Stuck:
    """The worker did not stop: only a new process helps."""

    job_id: str


Effect = Union[Tell, Begin, Halt, Abandon, Release, Stuck]


@dataclass(frozen=True)
class Outcome:
    """How an attempt, or a turn of it, ended. retry: it may work later, not before retry_after_seconds if that is given.
    waiting: it goes on after retry_after_seconds, or when it is woken.
    """

    result: Literal["succeeded", "failed", "cancelled", "waiting"]
    reason: str
    retry: bool = False
    retry_after_seconds: float | None = None
