"""What Twilio can be asked for, and what a request may say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from edged.actuators.performer import ActionSpec

# One turn of a job asks Twilio two things at most, each of which takes as long as timeout_seconds twice (connecting,
# answering), and that is 25 s at most.
_TURN_SECONDS = 120.0
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class SendOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """to: name of a recipient. template: name of a text in the settings, with `fields` in it, instead of a text.
    emergency: goes out in quiet hours too, and when nothing else does.
    """

    to: _Name
    template: _Name | None = None
    fields: dict[str, Any] = {}
    emergency: bool = False


class AlertOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """chain: name of an escalation chain in the settings. The rest as for a message."""

    chain: _Name
    template: _Name | None = None
    fields: dict[str, Any] = {}
    emergency: bool = False


class AcknowledgeOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """job: id of the alert; without it all that wait. by: who acknowledges, for people to read."""

    job: _Name | None = None
    by: Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


ACTIONS: Mapping[str, ActionSpec] = {
    spec.name: spec
    for spec in (
        ActionSpec(
            "sms", "Sends an SMS.", durable=True, resumes=True, timeout_seconds=_TURN_SECONDS, options=SendOptions
        ),
        ActionSpec(
            "call", "Calls and says the text.", durable=True, resumes=True, timeout_seconds=_TURN_SECONDS,
            options=SendOptions,
        ),
        ActionSpec(
            "whatsapp", "Sends a WhatsApp message.", durable=True, resumes=True, timeout_seconds=_TURN_SECONDS,
            options=SendOptions,
        ),
        ActionSpec(
            "alert", "Goes through an escalation chain until somebody acknowledges.", durable=True, resumes=True,
            timeout_seconds=_TURN_SECONDS, options=AlertOptions,
        ),
        ActionSpec(
            "acknowledge", "Ends the escalation of an alert.", durable=True, resumes=True, urgent=True,
            options=AcknowledgeOptions,
        ),
    )
}  # fmt: skip
