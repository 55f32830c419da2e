"""The attempt at a job that is under way: how long it may take, and what becomes of it when it is told to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# How long a performer may take to stop once it is told to.
GRACE_SECONDS = 5.0


@dataclass
class Attempt:
    """One attempt, or a turn of it. end: what it becomes when the worker stops because we told it to. ending: we did so
    only because the actuator ends. woken: what it may be waiting for has come. Seconds called steady are of a clock that
    is never set.
    """

    job_id: str
    timeout_steady: float
    end: Literal["cancelled", "failed"] = "cancelled"
    halt_reason: str = ""
    halted_steady: float | None = None
    ending: bool = False
    woken: bool = False

    @property
    def halted(self) -> bool:
        """It was told to stop."""
        return self.halted_steady is not None

    @property
    def due_steady(self) -> float:
        """When something is to be done about it: it takes too long, or it does not stop."""
        return self.timeout_steady if self.halted_steady is None else self.halted_steady + GRACE_SECONDS

    def halt(self, end: Literal["cancelled", "failed"], reason: str, steady: float) -> None:
        """It is told to stop now."""
        self.end, self.halt_reason, self.halted_steady = end, reason, steady
