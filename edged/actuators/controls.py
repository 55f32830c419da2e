"""What `cancel`, `confirm`, `stop` and `reset` are asked with."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edged.actuators.job import Order
from edged.errors import RequestRefused

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
