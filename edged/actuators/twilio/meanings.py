"""What Twilio's numbers of errors mean, in words that say what to do."""

from __future__ import annotations

# Those that people meet (https://www.twilio.com/docs/api/errors).
_MEANINGS = {
    20003: "the credentials are not good: copy them anew",
    20404: "there is no such thing in this account",
    20429: "too many requests",
    21210: "from_number is not verified or not of this account",
    21211: "the recipient's number does not exist: check it",
    21212: "from_number is no number that can call",
    21214: "the recipient's number cannot be called",
    21215: "calls to that country are not allowed: allow them in the console (Voice, Geo permissions)",
    21219: "a trial account only reaches numbers that were verified in the console",
    21408: "messages to that country are not allowed: allow them in the console (Messaging, Geo permissions)",
    21606: "from_number cannot send messages to this recipient",
    21608: "a trial account only reaches numbers that were verified in the console",
    21610: "the recipient has unsubscribed by answering STOP: they must answer START",
    21612: "this sender and this recipient do not go together",
    21614: "the recipient's number is no mobile number",
    21617: "the text is too long",
    30003: "the telephone is off or out of reach",
    30004: "the recipient or their carrier blocks the message",
    30005: "the number is not in use",
    30006: "a landline, or a carrier that is not reached",
    30007: "the carrier took it for spam",
    30008: "the carrier did not say why",
    63016: "outside of 24 hours WhatsApp takes only approved templates: set content_sid",
}


def meaning(code: int) -> str:
    """Of an error's number; empty for none."""
    if not code:
        return ""
    return f"error {code}: {_MEANINGS.get(code, f'see https://www.twilio.com/docs/api/errors/{code}')}"
