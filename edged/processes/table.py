"""The process table, and how patiently its processes are treated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ProcessSpec:
    """One row of the table.

    target: "module:function" with `child.ChildMain`'s signature. startup_seconds: silence allowed until the first
    word (imports on a small board). heartbeat_seconds: silence allowed until a beacon says otherwise.
    """

    target: str
    startup_seconds: float
    heartbeat_seconds: float


# In the order they are started; they are stopped the other way round.
PROCESSES: dict[str, ProcessSpec] = {
    "capture": ProcessSpec("edged.capture.process:main", startup_seconds=20.0, heartbeat_seconds=2.0),
    "inference": ProcessSpec("edged.inference.process:main", startup_seconds=30.0, heartbeat_seconds=2.0),
}


@dataclass(frozen=True)
class Patience:
    """How a child that dies is treated. All in seconds but jitter, the share of a pause left to chance."""

    pauses: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # after 1, 2, … deaths in a row
    final: float = 30.0  # pause after a child said that trying again is useless
    well: float = 10.0  # a child that ran this long ran well: its deaths are counted anew
    jitter: float = 0.25
    doublings: int = 4  # of the time a child may be silent, one for each time in a row that it was killed for it


Cause = Literal["process_died", "process_hung", "process_failed"]


@dataclass(frozen=True)
class Loss:
    """A child ended unasked. reason: a plain sentence. restarts: its losses since the start, this one included.

    in_a_row: losses without a good run in between. pause_seconds: until it is started again.
    """

    name: str
    cause: Cause
    reason: str
    restarts: int
    in_a_row: int
    pause_seconds: float
    final: bool
