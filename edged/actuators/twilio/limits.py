"""May this recipient be disturbed now? Pure."""

from __future__ import annotations

from edged.actuators.twilio.hours import quiet
from edged.actuators.twilio.settings import RecipientSettings, TwilioSettings


def refusal(settings: TwilioSettings, name: str, *, emergency: bool, recent: int, now: float) -> str:
    """Why not; empty if so. recent: what was sent to them within their limit_seconds, of the same urgency. now: Unix
    seconds.
    """
    recipient = settings.recipients[name]
    if settings.emergency_only and not emergency:
        return "nothing goes out but emergencies (twilio.emergency_only); this is not marked emergency"
    if not emergency and quiet(recipient.quiet_hours, recipient.time_zone, now):
        return f"{name} has quiet hours {recipient.quiet_hours}{_zone(recipient)}; only emergencies go out then"
    if recent >= recipient.limit:
        kind = "emergencies" if emergency else "messages and calls"
        return (
            f"rate limit: {recent} {kind} went to {name} within {recipient.limit_seconds:g} s "
            f"(twilio.recipients.{name}.limit)"
        )
    return ""


def _zone(recipient: RecipientSettings) -> str:
    return f" ({recipient.time_zone})" if recipient.time_zone else ""
