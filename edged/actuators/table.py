"""The kinds of actuators: which settings each has beside those of all, and what acts."""

from __future__ import annotations

import importlib
from copy import copy
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, create_model

from edged.actuators.agreement import disagreements
from edged.actuators.performer import Performer
from edged.actuators.settings import ActuatorMetricsSettings, ActuatorSettings
from edged.discovery import actuator
from edged.discovery.device import Device
from edged.errors import SettingProblem, SettingsError
from edged.settings import option


@dataclass(frozen=True)
class Kind:
    """settings: `module:class` of the section that bears the kind's name. performer: `module:class`, made from all
    settings. controls: `module:function` that makes of all settings what Home Assistant can ask for. None is imported
    before it is needed: an actuator loads only what it is made of. queue_length: the default, where jobs that wait for
    something outside make it longer. metrics_port: the default, so that one of each kind can live on one machine.
    """

    summary: str
    settings: str
    performer: str
    controls: str = ""
    queue_length: int | None = None
    metrics_port: int | None = None


KINDS: dict[str, Kind] = {
    "typing": Kind(
        "Types text, snippets and keys.",
        "edged.actuators.typing.settings:TypingSettings",
        "edged.actuators.typing.performer:TypingPerformer",
        "edged.actuators.typing.controls:controls",
    ),
    "lock_screen": Kind(
        "Locks screens, and keeps them locked.",
        "edged.actuators.lock_screen.settings:LockScreenSettings",
        "edged.actuators.lock_screen.performer:LockScreenPerformer",
        "edged.actuators.lock_screen.controls:controls",
        metrics_port=17721,
    ),
    "twilio": Kind(
        "Sends messages, calls, and goes on until somebody acknowledges.",
        "edged.actuators.twilio.settings:TwilioSettings",
        "edged.actuators.twilio.performer:TwilioPerformer",
        "edged.actuators.twilio.controls:controls",
        queue_length=200,
        metrics_port=17722,
    ),
}


def own_settings(kind: str) -> type[BaseModel]:
    """The section that only this kind has."""
    section: type[BaseModel] = _found(KINDS[kind].settings)
    return section


def settings_model(kind: str) -> type[ActuatorSettings]:
    """All settings of an actuator of this kind."""
    section = own_settings(kind)
    declared: dict[str, Any] = {kind: (section, option(section(), (section.__doc__ or "").strip().splitlines()[0]))}
    if (length := KINDS[kind].queue_length) is not None:
        field = copy(ActuatorSettings.model_fields["queue_length"])
        field.default = length
        declared["queue_length"] = (int, field)
    if (port := KINDS[kind].metrics_port) is not None:
        declared["metrics"] = _metrics_at(port)
    return create_model(f"{section.__name__}File", __base__=ActuatorSettings, __module__=__name__, **declared)


def _metrics_at(port: int) -> tuple[type[ActuatorMetricsSettings], Any]:
    field = copy(ActuatorMetricsSettings.model_fields["port"])
    field.default = port
    section = create_model(
        "KindMetricsSettings", __base__=ActuatorMetricsSettings, __module__=__name__, port=(int, field)
    )
    section.__doc__ = ActuatorMetricsSettings.__doc__
    return section, option(section(), ActuatorSettings.model_fields["metrics"].description or "")


def build(settings: ActuatorSettings) -> Performer:
    """What acts. Raises SettingsError for settings that do not go together, or not with what it can do."""
    try:
        make = _found(KINDS[settings.kind].performer)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("", "edged"):
            raise
        extra = settings.kind.replace("_", "-")
        problem = SettingProblem(
            "kind", settings.kind, f"needs the library {error.name}", f"scripts/add {extra}, in edged's folder"
        )
        raise SettingsError([problem], f"the settings of {settings.actuator}") from None
    performer: Performer = make(settings)
    if problems := disagreements(settings, performer.actions):
        performer.close()
        raise SettingsError(problems, f"the settings of {settings.actuator}")
    return performer


def device(settings: ActuatorSettings) -> Device:
    """What Home Assistant shows of it."""
    kind = KINDS[settings.kind]
    return actuator.device(
        settings.home_assistant,
        settings.mqtt.prefix,
        settings.actuator,
        kind.summary.rstrip("."),
        signed=settings.signing.required,
        unsigned_stop=settings.signing.unsigned_stop,
        controls=_found(kind.controls)(settings) if kind.controls else (),
    )


def _found(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
