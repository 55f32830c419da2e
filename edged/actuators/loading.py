"""The settings of one actuator, from its file, `EDGED_ACTUATOR_*` variables and the command line."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edged.actuators.settings import ActuatorSettings
from edged.actuators.table import KINDS, settings_model
from edged.configuration.loading import ACTUATOR_PREFIX, Loaded, load_model
from edged.errors import SettingProblem, SettingsError
from edged.toml_file import read_toml


def load_actuator(
    name: str | None,
    path: Path | None,
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Loaded[ActuatorSettings]:
    """name: the actuator's, over what the file says; it is also its kind where nothing else says what it is.

    Raises SettingsError with all that is wrong.
    """
    given = read_toml(path) if path is not None else {}
    wanted = dict(overrides or {})
    if name is not None:
        wanted["actuator"] = name
    variables = os.environ if environment is None else environment
    kind = (
        wanted.get("kind")
        or variables.get(f"{ACTUATOR_PREFIX}KIND")
        or given.get("kind")
        or wanted.get("actuator")
        or given.get("actuator", "typing")
    )
    known_kind(str(kind), str(path) if path is not None else "settings")
    wanted["kind"] = kind
    model: type[ActuatorSettings] = settings_model(str(kind))
    return load_model(model, path, wanted, environment, ACTUATOR_PREFIX)


def known_kind(kind: str, origin: str) -> str:
    """The kind, if there is one of that name. Raises SettingsError."""
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        cure = f"did you mean {near[0]}?" if near else f"kind is one of {', '.join(KINDS)}"
        raise SettingsError([SettingProblem("kind", kind, "there is no such kind of actuator", cure)], origin)
    return kind


def load_asker(name: str, path: Path | None, overrides: Mapping[str, Any]) -> ActuatorSettings:
    """What whoever asks an actuator must know of it: broker and key. File and variables may be the actuator's own."""
    kind = str(overrides.get("kind") or os.environ.get(f"{ACTUATOR_PREFIX}KIND") or name)
    if path is None and kind not in KINDS:
        return load_model(ActuatorSettings, None, {**overrides, "actuator": name}, None, ACTUATOR_PREFIX).settings
    return load_actuator(name, path, overrides).settings
