"""What Twilio's words for how a message or a call stands mean, and when to ask again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edged.actuators.twilio.settings import Channel

# https://www.twilio.com/docs/messaging/api/message-resource#message-status-values
# https://www.twilio.com/docs/voice/api/call-resource#call-status-values
_REACHED = {"delivered", "read", "received", "partially_delivered", "completed"}
_LOST = {"failed", "undelivered", "canceled", "busy", "no-answer"}
_SHORTEST_SECONDS = 1.0
_LONGEST_SECONDS = 15.0
# Nobody is rung, or talked to, for longer.
CALL_FOLLOW_SECONDS = 1800.0
NAMES: dict[Channel, str] = {"sms": "SMS to", "call": "call to", "whatsapp": "WhatsApp message to"}


@dataclass(frozen=True)
class Standing:
    """How one sending stands. fate: pending: not decided yet, ask again after `seconds`; reached; lost: it will not come.
    words: what and to whom, for people.
    """

    fate: Literal["pending", "reached", "lost"]
    words: str
    seconds: float = 0.0


def over(status: str) -> bool:
    """Nothing will change any more."""
    return status in _REACHED or status in _LOST


def standing(channel: Channel, name: str, status: str, why: str, age_seconds: float, follow_seconds: float) -> Standing:
    """name: SMS to whom. why: of a failure. age_seconds: since Twilio took it."""
    if status in _REACHED:
        return Standing("reached", f"{name}: {status}")
    if status in _LOST:
        return Standing("lost", f"{name}: {status}" + (f" ({why})" if why else ""))
    if age_seconds < (CALL_FOLLOW_SECONDS if channel == "call" else follow_seconds):
        return Standing("pending", f"{name}: {_present(channel, status)}", pause_seconds(age_seconds))
    if status == "sent":  # not every carrier says more
        return Standing("reached", f"{name}: sent, and the carrier has not confirmed it within {follow_seconds:g} s")
    return Standing("lost", f"{name}: still {status} at Twilio after {age_seconds:.0f} s; it may yet go out")


def pause_seconds(age_seconds: float) -> float:
    """Soon at first, then less and less often."""
    return max(_SHORTEST_SECONDS, min(_LONGEST_SECONDS, age_seconds / 2.0))


def _present(channel: Channel, status: str) -> str:
    if channel == "call":
        return "under way"
    return "sent, and its delivery is followed" if status == "sent" else "taken by Twilio, and its delivery is followed"
