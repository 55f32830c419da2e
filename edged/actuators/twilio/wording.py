"""From a wish to what is sent: texts, templates and speech, checked before anything is promised. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edged.actuators.performer import Text, Wish
from edged.actuators.templates import fill
from edged.actuators.twilio.client import LONGEST_TWIML, Keypad, spoken
from edged.actuators.twilio.settings import Channel, TemplateSettings, TwilioSettings
from edged.errors import RequestRefused

# https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource
LONGEST_MESSAGE_CHARACTERS = 1600


@dataclass(frozen=True)
class Wording:
    """What one job says. content: an approved template of WhatsApp with its variables."""

    text: Text
    content_sid: str = ""
    content_variables: Mapping[str, str] = field(default_factory=dict, repr=False)


def wording(settings: TwilioSettings, wish: Wish) -> Wording:
    """Raises RequestRefused unless there is either a text, or a template with all of its fields."""
    name: str | None = wish.options.get("template")
    if (wish.text is None) == (name is None):
        raise RequestRefused(f"{wish.action} needs either a text or options.template")
    if name is None:
        assert wish.text is not None
        made = Wording(wish.text)
    else:
        made = _filled(settings, name, wish.options.get("fields") or {})
    if not made.text.value.strip():
        raise RequestRefused("the text is empty: there is nothing to say")
    try:
        made.text.value.encode()
    except UnicodeEncodeError:
        problem = "the text has half a character in it (a lone surrogate), which cannot be sent"
    else:
        return made
    raise RequestRefused(problem)  # away from the exception, which carries the text


def twiml(settings: TwilioSettings, recipient: str, text: str, keypad: Keypad | None) -> str:
    """What a call to somebody says."""
    language = settings.recipients[recipient].language or settings.language
    return spoken(text, language=language, voice=settings.voice, times=settings.say_times, keypad=keypad)


def check_length(settings: TwilioSettings, channel: Channel, recipient: str, text: str, keypad: Keypad | None) -> None:
    """Raises RequestRefused for what Twilio would not take."""
    if channel != "call":
        if len(text) > LONGEST_MESSAGE_CHARACTERS:
            raise RequestRefused(
                f"the text has {len(text)} characters; a message takes {LONGEST_MESSAGE_CHARACTERS} at most"
            )
        return
    length = len(twiml(settings, recipient, text, keypad))
    if length > LONGEST_TWIML:
        raise RequestRefused(
            f"the text is too long to be said {settings.say_times} times: {length} characters of TwiML, and Twilio takes "
            f"{LONGEST_TWIML} (shorten it, or set twilio.say_times lower)"
        )


def _filled(settings: TwilioSettings, name: str, fields: Mapping[str, Any]) -> Wording:
    if name not in settings.templates:
        known = ", ".join(settings.templates) or "none are set"
        raise RequestRefused(f"there is no template {name!r} (there are: {known})")
    template = settings.templates[name]
    try:
        if not isinstance(template, TemplateSettings):
            return Wording(Text(fill(template, fields)))
        variables = {number: fill(each, fields) for number, each in template.content_variables.items()}
        return Wording(Text(fill(template.text, fields)), template.content_sid, variables)
    except KeyError as error:
        missing = error.args[0]
    raise RequestRefused(f"template {name!r} needs options.fields.{missing}")
