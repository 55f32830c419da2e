"""What acts in the world, as the engine sees it: the contract between the life of a job and the one who does it.

A performer is built by `table.py`, from the settings of its kind. The engine asks it, for each wish::

    performer.check(wish)                       # before anything is promised
    performer.perform(wish, control)            # on the worker thread, one at a time

and `release` whenever everything must be let go of at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from edged.actuators.sensitive import Text

__all__ = ["ActionSpec", "Confirm", "Control", "Performer", "TakesTurns", "Text", "Wish"]

Confirm = Literal["none", "countdown", "confirm"]


class Control(Protocol):
    """Given to a performer for one job. Safe for any thread."""

    def stopping(self) -> bool:
        """The job was cancelled, its time is over, or the emergency stop was pressed."""
        ...

    def wait(self, seconds: float) -> bool:
        """Sleep for so long; true at once when the job must stop, as `threading.Event.wait` does."""
        ...


@dataclass(frozen=True)
class Wish:
    """What somebody wants done, once. Times are Unix seconds.

    options: plain data, as the action's `options` type reads it, with the defaults filled in.
    attempt: 1 for the first; a durable job that failed with `retry` is tried again with the next number.
    interrupted: the attempt before was cut off when the actuator died, and may have been done in part or in full.
    ended: the job was ended between its turns; all that is left to do is to let go of what it has begun.
    """

    id: str
    action: str
    text: Text | None
    options: Mapping[str, Any]
    issued_at: float
    expires_at: float
    attempt: int = 1
    interrupted: bool = False
    ended: bool = False


class NoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For actions that take no options."""


@dataclass(frozen=True)
class ActionSpec:
    """One thing a performer can do, and what the engine must know of it.

    confirm, countdown_seconds, timeout_seconds are defaults the owner may change in `[policy.ACTION]`.
    durable: a job outlives restart and power cut and is retried until it succeeds or expires (an alert to a human);
    else it dies with its moment (typing). A durable job may not carry sensitive text, for it is kept on disk.
    resumes: of a durable action: when the actuator dies in the middle, `perform` is called again with
    `wish.interrupted` set, and sees to it itself that nothing is done twice, and that nothing new is begun after
    `expires_at`. Without it such a job has failed.
    urgent: its jobs go before others that wait.
    needs_text, takes_text: a text must, or may, come with it.
    options: a msgspec struct or pydantic model that reads the request's `options`; it should forbid unknown fields.
    enabled: false for what the owner must turn on in `[policy.ACTION]` first.
    """

    name: str
    summary: str
    confirm: Confirm = "none"
    countdown_seconds: float = 3.0
    durable: bool = False
    timeout_seconds: float = 60.0
    needs_text: bool = False
    takes_text: bool = True
    options: type[Any] = field(default=NoOptions)
    enabled: bool = True
    resumes: bool = False
    urgent: bool = False


class Performer(Protocol):
    """One kind of actuator. `perform` runs on the worker thread; the other methods may be called beside it."""

    @property
    def kind(self) -> str:
        """The name in `table.py`."""
        ...

    @property
    def actions(self) -> Mapping[str, ActionSpec]:
        """All it can do, by name."""
        ...

    def check(self, wish: Wish) -> None:
        """Raises RequestRefused, with the reason, when this can't be done. Does nothing else; is quick."""
        ...

    def sensitive(self, wish: Wish) -> bool:
        """What would be done is for nobody's eyes, though the wish itself is not: it must be confirmed. Is quick."""
        ...

    def perform(self, wish: Wish, control: Control) -> str:
        """Do it and return one plain sentence on what was done; blocks until done.

        Raises ActionFailed, or Cancelled when `control` said stop before the work was complete, or Later: the job stays
        `running`, others have their turns, and `perform` is called again. From then on the performer itself honours
        `expires_at`. When such a job is ended between its turns, or raised Later when told to stop, `perform` is called
        a last time with `wish.ended` set; what comes of that is not told.
        """
        ...

    def release(self) -> None:
        """Emergency: keys up, lines down. Safe from any state and any thread, in bounded time; raises nothing."""
        ...

    def problems(self) -> list[str]:
        """What keeps it from working, plain sentences with cures; empty when ready."""
        ...

    def close(self) -> None:
        """Let go of everything for good. Asked again it does nothing."""
        ...


@runtime_checkable
class TakesTurns(Protocol):
    """A performer whose jobs wait for something outside."""

    def attach(self, wake: Callable[[str], None]) -> None:
        """wake: gives the job with an id its next turn now; safe for any thread that holds no lock of the performer."""
        ...
