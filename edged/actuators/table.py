"""The kinds of actuators: which settings each has beside those of all, and what acts."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, create_model

from edged.actuators.agreement import disagreements
from edged.actuators.performer import Performer
from edged.actuators.settings import ActuatorSettings
from edged.errors import SettingsError
from edged.settings import option


@dataclass(frozen=True)
class Kind:
    """settings: `module:class` of the section that bears the kind's name. performer: `module:class`, made from all
    settings. Neither is imported before it is needed: an actuator loads only what it is made of.
    """

    summary: str
    settings: str
    performer: str


KINDS: dict[str, Kind] = {
    "typing": Kind(
        "Types text, snippets and keys.",
        "edged.actuators.typing.settings:TypingSettings",
        "edged.actuators.typing.performer:TypingPerformer",
    ),
    "lock_screen": Kind(
        "Locks screens, and keeps them locked.",
        "edged.actuators.lock_screen.settings:LockScreenSettings",
        "edged.actuators.lock_screen.performer:LockScreenPerformer",
    ),
}


def settings_model(kind: str) -> type[ActuatorSettings]:
    """All settings of an actuator of this kind."""
    section: type[BaseModel] = _found(KINDS[kind].settings)
    declared: Any = (section, option(section(), (section.__doc__ or "").strip().splitlines()[0]))
    return create_model(f"{section.__name__}File", __base__=ActuatorSettings, __module__=__name__, **{kind: declared})


def build(settings: ActuatorSettings) -> Performer:
    """What acts. Raises SettingsError for settings that do not go together, or not with what it can do."""
    performer: Performer = _found(KINDS[settings.kind].performer)(settings)
    if problems := disagreements(settings, performer.actions):
        performer.close()
        raise SettingsError(problems, f"the settings of {settings.actuator}")
    return performer


def _found(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
