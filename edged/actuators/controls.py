"""What passes the queue by: `cancel`, `confirm`, `stop` and `reset`, and what they are asked with."""

from __future__ import annotations

from typing import Annotated, Protocol

import msgspec

from edged.actuators.effects import Effect, Now
from edged.actuators.job import Order
from edged.errors import RequestRefused

CONTROLS = ("cancel", "confirm", "stop", "reset")
REASON_CHARACTERS = 200


class ControlOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of `cancel` and `confirm`: the job's id. Of `cancel` and `stop`: why, one sentence."""

    job: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    reason: Annotated[str, msgspec.Meta(max_length=REASON_CHARACTERS)] = ""


def control_options(order: Order) -> ControlOptions:
    """Raises RequestRefused for what is wrong, unless it is a stop: whatever else is in that, somebody wants an end."""
    if order.action == "stop":
        return ControlOptions(reason=stop_reason(order.options.get("reason")))
    if order.text is not None:
        raise RequestRefused(f"{order.action} takes no text")
    try:
        return msgspec.convert(dict(order.options), ControlOptions)
    except msgspec.ValidationError as error:
        problem = str(error)
    raise RequestRefused(f"the options of {order.action} are wrong: {problem}")


def stop_reason(given: object) -> str:
    """Why somebody stops it, as far as it can be used."""
    return given[:REASON_CHARACTERS] if isinstance(given, str) and given else "asked for"


class Queue(Protocol):
    """What they do something to. All but `stop` raise RequestRefused where there is nothing to be done."""

    @property
    def current(self) -> str | None:
        """The job whose turn it is."""

    @property
    def running(self) -> bool:
        """The worker is at it."""

    def cancel(self, job_id: str | None, reason: str, now: Now) -> list[Effect]:
        """Cancel a job."""

    def confirm(self, job_id: str, now: Now) -> list[Effect]:
        """Confirm a job."""

    def stop(self, reason: str, now: Now) -> list[Effect]:
        """The emergency stop."""

    def reset(self, now: Now) -> list[Effect]:
        """The emergency stop is over."""


def carry_out(order: Order, queue: Queue, now: Now) -> tuple[list[Effect], str]:
    """Do it; what follows, and what is told of it. Raises RequestRefused, StoreError."""
    wanted = control_options(order)
    if order.action == "stop":
        return queue.stop(wanted.reason, now), "stopped, until reset"
    if order.action == "reset":
        return queue.reset(now), "the emergency stop is over"
    job_id = wanted.job or queue.current or ""
    if order.action == "confirm":
        return queue.confirm(job_id, now), f"job {job_id} is confirmed"
    effects = queue.cancel(job_id, wanted.reason or "cancelled by request", now)
    stops = queue.running and queue.current == job_id
    return effects, f"job {job_id} is told to stop" if stops else f"job {job_id} is cancelled"
