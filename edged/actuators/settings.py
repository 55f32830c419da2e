"""Every option all actuators have. What only one kind has is in the settings of that kind (`[typing]`, …)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from edged.actuators.performer import Confirm
from edged.actuators.templates import check_template, texts_in
from edged.settings import HomeAssistantSettings, LogSettings, MqttSettings, StoreSettings, option
from edged.settings.metrics import CAMERA_PORT, MetricsSettings

Scalar = str | bool | int | float
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class SigningSettings(_Section):
    """Who may ask."""

    required: bool = option(
        True, "Refuse what is not signed. Off is possible only with a broker on the loopback (localhost)."
    )
    key_file: Path | None = option(None, "File with the key, written by `edged actuator keygen FILE`.")
    credential: str = option(
        "actuator_key",
        "Name of a systemd credential that is the key; where there is one it is taken instead of key_file.",
        pattern=r"^[\w.-]+$",
    )
    clock_tolerance_seconds: float = option(
        10.0, "A sender's clock may be ahead of ours by this much.", unit="s", ge=0, le=3600
    )
    longest_life_seconds: float = option(
        86400.0, "Longest time from issued_at to expires_at of a request.", unit="s", ge=1, le=604800
    )
    unsigned_stop: bool = option(
        True, "The emergency stop works without a signature. Resetting it never does, while signing is required."
    )


class PolicySettings(_Section):
    """How one action is treated; what is not set is as the action's own default."""

    enabled: bool | None = option(None, "Is it done at all; some actions are off until this is true.")
    confirm: Confirm | None = option(
        None, "none: at once; countdown: told each second, can be cancelled; confirm: only when somebody confirms."
    )
    countdown_seconds: float | None = option(None, "Length of the countdown.", unit="s", ge=0, le=3600)
    confirm_seconds: float = option(30.0, "A confirmation must come within this time.", unit="s", ge=1, le=86400)
    timeout_seconds: float | None = option(None, "Longest time the action may take.", unit="s", gt=0, le=86400)
    limit: int | None = option(None, "Most jobs of this action within limit_seconds.", ge=1, le=1_000_000)
    limit_seconds: float = option(3600.0, "Stretch of time that limit is about.", unit="s", ge=1, le=2_678_400)


class RetrySettings(_Section):
    """How a durable job that failed for now is tried again."""

    first_seconds: float = option(2.0, "First pause, about; it doubles each time.", unit="s", gt=0, le=3600)
    longest_seconds: float = option(300.0, "Longest pause.", unit="s", gt=0, le=86400)


class CancelSettings(_Section):
    """What the sitter of a camera does to cancel the job at hand."""

    camera: str = option("", "The camera that watches the sitter; empty: none.", pattern=r"^[a-z0-9_-]{0,64}$")
    gestures: list[str] = option(["long"], "Blinks that cancel: single, double, triple, long, wink_left, wink_right.")
    zones: list[str] = option([], "Gaze zones that cancel, e.g. away; empty: looking away cancels nothing.")
    while_running: bool = option(True, "Also when the job has begun, not only during its countdown.")
    event_age_seconds: float = option(3.0, "An older event cancels nothing.", unit="s", gt=0, le=60)

    @model_validator(mode="after")
    def _known(self) -> CancelSettings:
        gestures = {"single", "double", "triple", "long", "wink_left", "wink_right"}
        zones = {"at_screen", "left", "right", "up", "down", "away", "eyes_closed"}
        for name, given, known in (("gestures", self.gestures, gestures), ("zones", self.zones, zones)):
            if unknown := sorted(set(given) - known):
                raise ValueError(f"{name}: {', '.join(unknown)} is none of {', '.join(sorted(known))}")
        return self


class ConditionSettings(_Section):
    """One condition on a field of the payload. Of equals, one_of, at_least and at_most at least one is given."""

    field: str = option(..., "Name of the field; levels are separated by dots.", pattern=r"^[^.]+(\.[^.]+)*$")
    equals: Scalar | None = option(None, "The field is exactly this.")
    one_of: list[Scalar] = option([], "The field is one of these.")
    at_least: float | None = option(None, "The field is a number, this or more.")
    at_most: float | None = option(None, "The field is a number, this or less.")
    for_seconds: float = option(0.0, "It has been so for at least this long.", unit="s", ge=0, le=86400)

    @model_validator(mode="after")
    def _says_something(self) -> ConditionSettings:
        if self.equals is None and not self.one_of and self.at_least is None and self.at_most is None:
            raise ValueError("needs one of equals, one_of, at_least, at_most")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("at_least is more than at_most: no number is both")
        return self


class BindingSettings(_Section):
    """What the actuator does by itself when something happens. `{field}` stands for a field of the payload."""

    name: str = option(..., "Name of the binding.", pattern=r"^[a-z0-9_-]{1,64}$")
    topic: str = option(..., "Topic filter, with + and #.", min_length=1, max_length=1000)
    when: list[ConditionSettings] = option([], "All of these must hold; none: every message counts.")
    every_message: bool = option(
        False, "Every message for which all holds counts, not only the first; of events that is always so."
    )
    action: str = option(..., "The action.", min_length=1)
    text: str | None = option(None, "Its text; {field} is replaced, {{ is a brace.")
    options: dict[str, Any] = option({}, "Its options; {field} is replaced in texts.")
    expires_seconds: float = option(30.0, "Not begun later than this.", unit="s", ge=1, le=604800)
    event_age_seconds: float = option(10.0, "An event older than this does nothing.", unit="s", gt=0, le=604800)
    cooldown_seconds: float = option(1.0, "Pause before it fires again.", unit="s", ge=0, le=2_678_400)
    limit: int | None = option(None, "Most firings within limit_seconds.", ge=1, le=100_000)
    limit_seconds: float = option(3600.0, "Stretch of time that limit is about.", unit="s", ge=1, le=2_678_400)
    hours: str = option("", "Time of day, local, e.g. 08:00-22:00 or 22:00-06:00; empty: always.")

    @field_validator("topic")
    @classmethod
    def _is_a_filter(cls, topic: str) -> str:
        levels = topic.split("/")
        for position, level in enumerate(levels):
            if level == "#" and position < len(levels) - 1:
                raise ValueError("# stands for all further levels: nothing comes after it")
            if level not in ("+", "#") and ("+" in level or "#" in level):
                raise ValueError(f"{level!r}: + and # stand alone between slashes")
        if levels[0] == "$share":
            raise ValueError(
                "a shared subscription gets only some of the messages: give the filter without $share/NAME/"
            )
        if "\x00" in topic:
            raise ValueError("a topic has no zero character")
        return topic

    @field_validator("text")
    @classmethod
    def _text_is_a_template(cls, text: str | None) -> str | None:
        if text is not None:
            check_template(text)
        return text

    @field_validator("options")
    @classmethod
    def _options_are_templates(cls, options: dict[str, Any]) -> dict[str, Any]:
        for path, text in texts_in(options, "options"):
            try:
                check_template(text)
            except ValueError as error:
                raise ValueError(f"{path.partition('.')[2]}: {error}") from None
        return options

    @field_validator("hours")
    @classmethod
    def _hours_read(cls, hours: str) -> str:
        found = _TIME.fullmatch(hours)
        if hours and not found:
            raise ValueError("must be like 08:00-22:00")
        if found and found.group(1, 2) == found.group(3, 4):
            raise ValueError("begins when it ends: it would be never (leave it empty for always)")
        return hours

    def minutes(self) -> tuple[int, int] | None:
        """Begin and end of the time of day in minutes after midnight; None: always."""
        found = _TIME.fullmatch(self.hours)
        if found is None:
            return None
        first_hour, first_minute, last_hour, last_minute = (int(each) for each in found.groups())
        return first_hour * 60 + first_minute, last_hour * 60 + last_minute


class AuditSettings(_Section):
    """The chained record, shared with the cameras of the same folder."""

    enabled: bool = option(True, "Record how jobs ended in the audit trail of store.directory (edged audit).")


class ActuatorMetricsSettings(MetricsSettings):
    """Figures and health over HTTP: /metrics for Prometheus, /health for everybody else."""

    port: int = option(
        CAMERA_PORT + 10,
        "Port to listen on: by default 17720 for typing, 17721 for lock_screen, 17722 for twilio. Two of one kind on one "
        "machine need two; 0 takes any, which the log says.",
        ge=0,
        le=65535,
    )


class ActuatorSettings(_Section):
    """All settings that every actuator has."""

    actuator: str = option("typing", "Name of this actuator in topics and logs.", pattern=r"^[a-z0-9_-]{1,64}$")
    kind: str = option("typing", "What it is: typing, lock_screen or twilio.", pattern=r"^[a-z0-9_]{1,64}$")
    dry_run: bool = option(False, "Do everything but the last step: jobs run their course and nothing is done.")
    queue_length: int = option(
        16, "Most jobs that wait or run; one more is rejected as busy. For twilio the default is 200.", ge=1, le=10_000
    )
    text_characters: int = option(10_000, "Longest text.", unit="characters", ge=1, le=1_000_000)
    health_seconds: float = option(
        10.0, "Health is told on every change and at least this often.", unit="s", ge=1, le=3600
    )
    mqtt: MqttSettings = option(MqttSettings(), "The broker.")
    signing: SigningSettings = option(SigningSettings(), "Who may ask.")
    home_assistant: HomeAssistantSettings = option(
        HomeAssistantSettings(), "How Home Assistant finds this actuator; it can ask only where signing is off."
    )
    retry: RetrySettings = option(RetrySettings(), "How durable jobs are tried again.")
    cancel: CancelSettings = option(CancelSettings(), "What the sitter does to cancel.")
    store: StoreSettings = option(StoreSettings(), "What is kept on disk.")
    audit: AuditSettings = option(AuditSettings(), "The audit trail.")
    metrics: ActuatorMetricsSettings = option(ActuatorMetricsSettings(), "Figures and health over HTTP.")
    log: LogSettings = option(LogSettings(), "The log.")
    policy: dict[str, PolicySettings] = option({}, "How each action is treated: [policy.ACTION].")
    bindings: list[BindingSettings] = option([], "What it does by itself: [[bindings]].")

    @model_validator(mode="after")
    def _safe(self) -> ActuatorSettings:
        if not self.signing.required and self.mqtt.host not in {"localhost", "127.0.0.1", "::1"}:
            raise ValueError(
                f"signing.required = false is only possible with a broker on the loopback, and mqtt.host is "
                f"{self.mqtt.host}: anybody who reaches that broker could act here"
            )
        names = [binding.name for binding in self.bindings]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"bindings: the name {twice[0]} is given twice")
        return self
