"""The life of one job. Pure: no clock, no threads, no disk.

::

    accepted ─▶ countdown ─▶ running ─▶ succeeded · failed · cancelled
        │           │           ├─▶ running    (it waits for something outside)
        │           │           └─▶ accepted   (a durable job that is tried again)
        └───────────┴─▶ cancelled · expired · failed
    rejected            (never accepted)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from edged.actuators.effects import Now
from edged.actuators.performer import ActionSpec, Confirm, Wish
from edged.actuators.sensitive import Text
from edged.events import iso_utc
from edged.jobs import FINAL, JobState, State

_NEXT: dict[str, frozenset[str]] = {
    "accepted": frozenset({"accepted", "countdown", "running", "cancelled", "expired", "failed"}),
    "countdown": frozenset({"countdown", "running", "cancelled", "expired", "failed"}),
    "running": frozenset({"running", "accepted", "succeeded", "failed", "cancelled", "expired"}),
}


@dataclass(frozen=True)
class Order:
    """A wish that may be trusted: signed, of an owner's binding, or unsigned where the owner allows it.

    digest: of what it asks for (signing.py), to tell a repetition from another wish with the same id; empty: not known.
    """

    id: str
    action: str
    text: Text | None
    options: Mapping[str, Any]
    issued_at: float
    expires_at: float
    nonce: str
    source: str = "request"
    digest: str = ""


@dataclass(frozen=True)
class Job:
    """An order on its way. Seconds called steady are of a clock that is never set; the others are Unix seconds.

    confirm: as it counts for this job. expires_steady: the end of its time as it was when it came: a clock that is set back
    makes no request live longer. due_steady: not begun before. confirm_by_steady, countdown_ends_steady: set when
    it is this job's turn. interrupted: an attempt was cut off when the actuator ended.
    """

    order: Order
    spec: ActionSpec
    confirm: Confirm
    state: State = "accepted"
    reason: str = ""
    changed_at: float = 0.0
    attempt: int = 1
    interrupted: bool = False
    due_steady: float = 0.0
    expires_steady: float = math.inf
    confirmed: bool = False
    confirm_by_steady: float | None = None
    countdown_ends_steady: float | None = None
    remaining_seconds: float | None = None

    @property
    def id(self) -> str:
        """The order's."""
        return self.order.id

    def left_seconds(self, now: Now) -> float:
        """Until its time is over, by whichever clock says so first."""
        return min(self.order.expires_at - now.unix, self.expires_steady - now.steady)

    @property
    def final(self) -> bool:
        """Nothing comes after."""
        return self.state in FINAL

    def become(self, state: State, reason: str, now: float, **changes: Any) -> Job:
        """The job in its next state. Raises ValueError when there is no such way."""
        if state not in _NEXT.get(self.state, frozenset()):
            raise ValueError(f"a job that is {self.state} cannot become {state}")
        remaining = changes.pop("remaining_seconds", None)
        return replace(self, state=state, reason=reason, changed_at=now, remaining_seconds=remaining, **changes)

    def wish(self) -> Wish:
        """As the performer sees it."""
        order = self.order
        return Wish(
            order.id, order.action, order.text, order.options, order.issued_at, order.expires_at, self.attempt,
            self.interrupted,
        )  # fmt: skip

    def told(self, actuator: str) -> JobState:
        """As the world sees it."""
        return JobState(
            id=self.id,
            actuator=actuator,
            action=self.order.action,
            state=self.state,
            at=iso_utc(int(self.changed_at * 1e9)),
            reason=one_line(self.reason),
            source=self.order.source,
            text=None if self.order.text is None else repr(self.order.text),
            remaining_seconds=self.remaining_seconds,
            waits_for_confirmation=self.state == "accepted" and self.remaining_seconds is not None,
            attempt=self.attempt,
        )


def rejected(actuator: str, job_id: str, action: str, reason: str, now: float, source: str = "request") -> JobState:
    """What is told of a wish that never became a job."""
    return JobState(
        job_id, actuator, one_line(action, 64), "rejected", iso_utc(int(now * 1e9)), one_line(reason), source=source
    )


def one_line(sentence: str, most_characters: int = 1000) -> str:
    """What may come from a stranger, fit for a log: no line breaks, no control characters, not endless."""
    shown = "".join(each if each.isprintable() else " " for each in sentence[: most_characters + 1])
    return shown if len(shown) <= most_characters else shown[: most_characters - 1] + "…"
