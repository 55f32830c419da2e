"""What only Twilio has: the section `[twilio]`. Credentials are no settings: see credentials.py."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, model_validator

from edged.actuators.templates import check_template
from edged.actuators.twilio.hours import check_hours, check_zone
from edged.actuators.twilio.phone_numbers import check_number
from edged.settings import option

Channel = Literal["sms", "call", "whatsapp"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


def _number(given: SecretStr) -> SecretStr:
    if given.get_secret_value():
        check_number(given.get_secret_value())
    return given


def _template(given: str) -> str:
    check_template(given)
    return given


def _public(given: str) -> str:
    if given:
        parts = urlsplit(given)
        if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("is not like https://home.example.org/twilio: Twilio calls it over TLS")
    return given.rstrip("/")


def _loopback(given: str) -> str:
    """The API over plain HTTP would show the credentials to whoever listens: only this machine may be meant."""
    if not given:
        return given
    parts = urlsplit(given)
    try:
        local = parts.scheme == "http" and ip_address(parts.hostname or "").is_loopback and parts.port is not None
    except ValueError:
        local = False
    if not local or parts.path not in ("", "/"):
        raise ValueError("is only for tests and must be like http://127.0.0.1:8080; leave it out for Twilio itself")
    return given.rstrip("/")


# Secret so that no error, log or dump of settings shows it: numbers are personal.
Number = Annotated[SecretStr, AfterValidator(_number)]
Template = Annotated[str, AfterValidator(_template)]


class RecipientSettings(_Section):
    """Somebody who can be reached."""

    number: Number = option(..., "Telephone number, E.164: +491701234567.")
    whatsapp_number: Number = option(SecretStr(""), "Number on WhatsApp; empty: the same.")
    quiet_hours: Annotated[str, AfterValidator(check_hours)] = option(
        "", "Time of day in which only emergencies go out, e.g. 22:00-07:00; empty: never."
    )
    time_zone: Annotated[str, AfterValidator(check_zone)] = option(
        "", "Where quiet_hours are meant, e.g. Europe/Berlin; empty: the time zone of this machine."
    )
    limit: int = option(
        20,
        "Most messages and calls within limit_seconds. Emergencies are counted apart, so that nothing else uses "
        "theirs up.",
        ge=1,
        le=100_000,
    )
    limit_seconds: float = option(3600.0, "Stretch of time that limit is about.", unit="s", ge=1, le=2_678_400)
    language: str = option("", "Language that calls are spoken in, e.g. de-DE; empty: twilio.language.")

    @model_validator(mode="after")
    def _has_number(self) -> RecipientSettings:
        if not self.number.get_secret_value():
            raise ValueError("number is empty")
        return self


class TemplateSettings(_Section):
    """A text with `{field}` in it, and what WhatsApp has approved for it."""

    text: Template = option(..., "The text; {field} is replaced, {{ is a brace.", min_length=1)
    content_sid: str = option(
        "",
        "Content template of Twilio, HX…: WhatsApp takes nothing else from who has not been written to for 24 hours.",
        pattern=r"^(HX[0-9a-fA-F]{32})?$",
    )
    content_variables: dict[str, Template] = option({}, 'Its variables, e.g. {"1" = "{who}"}.')


class StepSettings(_Section):
    """One step of an escalation chain."""

    do: Channel = option(..., "sms, call or whatsapp.")
    to: str = option(..., "Name of a recipient.", min_length=1)
    wait_seconds: float = option(
        300.0,
        "The next step begins when nobody has acknowledged for so long; at once when this one cannot reach anybody.",
        unit="s",
        ge=1,
        le=86400,
    )


class CallbackSettings(_Section):
    """Where Twilio tells which key was pressed in a call. Off unless public_url is set."""

    public_url: Annotated[str, AfterValidator(_public)] = option(
        "", "Where Twilio reaches us, through a proxy with TLS: https://home.example.org/twilio; empty: off."
    )
    host: str = option("127.0.0.1", "Address that we listen at.", min_length=1)
    port: int = option(8085, "Port that we listen at; 0: any that is free.", ge=0, le=65535)
    digit: str = option("1", "The key that acknowledges.", pattern=r"^[0-9]$")
    prompt: str = option("Press 1 to acknowledge.", "Spoken after the alert.", min_length=1, max_length=500)
    thanks: str = option("Thank you. It is acknowledged.", "Spoken after that key.", min_length=1, max_length=500)
    too_late: str = option(
        "This alert is over already. Thank you.", "Spoken when there is nothing left to acknowledge.", min_length=1,
        max_length=500,
    )  # fmt: skip


class BreakerSettings(_Section):
    """When Twilio is left alone for a while."""

    failures: int = option(5, "So many failures in a row open the circuit: nothing is sent then.", ge=1, le=1000)
    open_seconds: float = option(
        15.0, "It is open for so long before one request tries again; doubles each time.", unit="s", gt=0, le=3600
    )
    longest_seconds: float = option(300.0, "Longest it is open.", unit="s", gt=0, le=86400)


class TwilioSettings(_Section):
    """Who is reached through Twilio, and how."""

    credentials_file: Path | None = option(
        None, "File with TWILIO_ACCOUNT_SID=… and TWILIO_AUTH_TOKEN=…, closed to others; else see docs/twilio.md."
    )
    credential: str = option(
        "twilio",
        "Name of a systemd credential like that file, where credentials_file is not set.",
        pattern=r"^[\w.-]+$",
    )
    from_number: Number = option(SecretStr(""), "The number that messages and calls come from, bought at Twilio.")
    messaging_service_sid: str = option(
        "", "Messaging Service that sends SMS instead of from_number: MG….", pattern=r"^(MG[0-9a-fA-F]{32})?$"
    )
    whatsapp_from: Number = option(SecretStr(""), "The number that WhatsApp messages come from.")
    region: str = option("", "Twilio region, e.g. ie1; empty: us1.", pattern=r"^([a-z]{2}[0-9])?$")
    edge: str = option("", "Twilio edge, e.g. dublin; empty: Twilio's choice.", pattern=r"^[a-z-]{0,32}$")
    emergency_only: bool = option(False, "Nothing goes out but what is marked emergency.")
    timeout_seconds: float = option(10.0, "Longest time Twilio may take to answer.", unit="s", ge=0.1, le=25)
    settle_seconds: float = option(
        10.0,
        "When no answer came, wait so long before looking whether the message has arrived at Twilio all the same.",
        unit="s",
        ge=0.1,
        le=600,
    )
    follow_seconds: float = option(300.0, "How long the delivery of a message is followed.", unit="s", ge=1, le=86400)
    language: str = option(
        "en-GB", "Language that calls are spoken in.", pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,4})*$"
    )
    voice: str = option("", "Twilio's name of a voice, e.g. Polly.Vicki; empty: Twilio's choice.")
    say_times: int = option(2, "How often the text of a call is said.", ge=1, le=10)
    recipients: dict[str, RecipientSettings] = option({}, "Who can be reached: [twilio.recipients.NAME].")
    templates: dict[str, Template | TemplateSettings] = option(
        {}, 'Texts by name: NAME = "… {field} …", or [twilio.templates.NAME].'
    )
    chains: dict[str, list[StepSettings]] = option({}, "Escalation chains: [[twilio.chains.NAME]] for each step.")
    callback: CallbackSettings = option(CallbackSettings(), "Acknowledgement by keypad.")
    breaker: BreakerSettings = option(BreakerSettings(), "When Twilio is left alone for a while.")
    api_url: Annotated[str, AfterValidator(_loopback)] = option(
        "", "For tests only: a stand-in on the loopback, such as http://127.0.0.1:8080, instead of Twilio."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> TwilioSettings:
        for name, steps in self.chains.items():
            if not steps:
                raise ValueError(f"chains.{name} has no steps")
            for number, step in enumerate(steps, 1):
                if step.to not in self.recipients:
                    known = ", ".join(self.recipients) or "none are set"
                    raise ValueError(
                        f"chains.{name}, step {number}: to = {step.to!r} is no recipient (there are: {known})"
                    )
                if missing := self.missing_sender(step.do):
                    raise ValueError(f"chains.{name}, step {number}: {missing}")
        return self

    def missing_sender(self, channel: Channel) -> str:
        """What must be set before something can be sent this way; empty: nothing."""
        if channel == "whatsapp":
            return "" if self.whatsapp_from.get_secret_value() else "a WhatsApp message needs whatsapp_from"
        if self.from_number.get_secret_value() or (channel == "sms" and self.messaging_service_sid):
            return ""
        return "a call needs from_number" if channel == "call" else "an SMS needs from_number or messaging_service_sid"
