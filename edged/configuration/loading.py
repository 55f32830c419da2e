"""Where settings come from: defaults, then a TOML file, then `EDGED_*` variables, then the command line.

`load` either returns settings that are right as a whole or raises one SettingsError that names everything that
is wrong, each with its place, the reason in plain words and the cure. Secrets never appear in it.
"""

from __future__ import annotations

import copy
import difflib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from edged.capture.source import kind_of
from edged.configuration.options import entry_choice, entry_model, field_at, is_section, kinds_of, leaves, section_of
from edged.configuration.problems import Origin, beside_the_point, problem_of, value_in
from edged.configuration.words import choices_of
from edged.errors import EdgedError, SettingProblem, SettingsError
from edged.settings import Settings
from edged.toml_file import read_toml

PREFIX = "EDGED_"
# Variables of actuators begin with it: an actuator must not take the camera's for its own.
ACTUATOR_PREFIX = "EDGED_ACTUATOR_"
LEVEL = "__"
COMMAND_LINE = "command line"
# Variables that begin like settings and are none: they serve commands and tests.
OTHER_VARIABLES = {
    "EDGED_MODELS_DIR": "folder of model files",
    "EDGED_STATE_DIR": "folder for what edged keeps",
    "EDGED_MODELS_INDEX": "package index that `edged models pull` asks",
    "EDGED_MODELS_MIRROR": "folder or URL that `edged models pull` takes files from",
    "EDGED_TEST_DATA": "folder of test data",
    "EDGED_BACKUP_PASSPHRASE": "passphrase of `edged backup` and `edged restore`",
}


Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Loaded(Generic[Model]):
    """Settings and, for each dotted path that is not at its default by omission, where the value came from."""

    settings: Model
    origins: Mapping[str, Origin]


def load(
    path: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Settings from all sources, checked as a whole.

    overrides: from the command line, nested or with dotted keys (`{"mqtt.host": "broker"}`).
    environment: os.environ if None. Raises SettingsError with every problem there is.
    """
    return load_with_origins(path, overrides, environment).settings


def load_with_origins(
    path: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Loaded[Settings]:
    """As `load`, and where each value came from."""
    return load_model(Settings, path, overrides, environment)


def load_model(
    root: type[Model],
    path: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    prefix: str = PREFIX,
) -> Loaded[Model]:
    """As `load_with_origins`, for any tree of settings; prefix is that of its variables."""
    variables = dict(os.environ if environment is None else environment)
    problems: list[SettingProblem] = []
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    if path is not None:
        from_file = _resolved(root, read_toml(path), path.absolute().parent)
        _lay(root, values, from_file, Origin("file", str(path)), origins)
    from_environment, names = _from_environment(root, prefix, variables, problems)
    _lay(root, values, from_environment, Origin("environment", ""), origins)
    for dotted, name in names.items():
        # A variable may hold a whole section as JSON, or one entry of a table.
        for known in [key for key in origins if f"{key}.".startswith(f"{dotted}.") or dotted.startswith(f"{key}.")]:
            if origins[known].kind == "environment":
                origins[known] = Origin("environment", name)
    _lay(root, values, _read_texts(root, _nested(overrides or {})), Origin(COMMAND_LINE, COMMAND_LINE), origins)
    settings = _validated(root, values, origins, problems)
    if problems or settings is None:
        raise SettingsError(problems, str(path) if path is not None else "settings")
    return Loaded(settings, origins)


def _validated(
    root: type[Model], values: dict[str, Any], origins: Mapping[str, Origin], problems: list[SettingProblem]
) -> Model | None:
    """The settings, or None and all that is wrong added to problems.

    pydantic does not look at how the settings of a section go together while one key of it is unknown, so what
    is left without the unknown keys is looked at once more.
    """
    try:
        return root.model_validate(values)
    except ValidationError as error:
        complaints = error.errors(include_url=False)
    unknown = [details for details in complaints if details["type"] == "extra_forbidden"]
    if unknown:
        rest = copy.deepcopy(values)
        for details in unknown:
            *sections, name = details["loc"]
            # What is in a list or table of sections has been looked at with its entry.
            if isinstance(section := value_in(rest, [str(section) for section in sections]), dict):
                section.pop(name, None)
        try:
            root.model_validate(rest)
        except ValidationError as error:
            known = {(details["type"], details["loc"]) for details in complaints}
            again = error.errors(include_url=False)
            complaints += [details for details in again if (details["type"], details["loc"]) not in known]
    complaints = [details for details in complaints if not beside_the_point(details, values, root)]
    problems += [problem_of(details, values, origins, root) for details in complaints]
    return None


def variable_of(path: str, prefix: str = PREFIX) -> str:
    """The environment variable of a dotted path."""
    return prefix + path.upper().replace(".", LEVEL)


# --- the layers ---------------------------------------------------------------------------------------------------


def _lay(
    root: type[BaseModel],
    below: dict[str, Any],
    above: Mapping[str, Any],
    origin: Origin,
    origins: dict[str, Origin],
    at: str = "",
) -> None:
    """Merge `above` over `below`, in place, remembering where each leaf came from."""
    for name, value in above.items():
        path = f"{at}{name}"
        field = field_at(path.split("."), root)
        if isinstance(value, Mapping) and isinstance(below.get(name, {}), dict) and is_section(path, root):
            _lay(root, below.setdefault(name, {}), value, origin, origins, path + ".")
        elif isinstance(value, Mapping) and isinstance(below.get(name), dict) and field and entry_model(field):
            # One entry set from elsewhere must not make the others vanish: they may be what keeps somebody safe.
            _merge(below[name], value)
            origins[path] = origin
        else:
            below[name] = value
            origins[path] = origin


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for name, value in above.items():
        if isinstance(value, Mapping) and isinstance(below.get(name), dict):
            _merge(below[name], value)
        else:
            below[name] = value


def _nested(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys opened up into sections."""
    nested: dict[str, Any] = {}
    for key, value in overrides.items():
        *sections, name = key.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})
        if isinstance(value, Mapping) and isinstance(place.get(name), dict):
            place[name].update(value)
        else:
            place[name] = value
    return nested


def _read_texts(root: type[BaseModel], values: Mapping[str, Any], at: tuple[str, ...] = ()) -> dict[str, Any]:
    """Texts of variables and of the command line read as JSON where a setting is no text itself."""
    read = dict(values)
    for name, value in values.items():
        field = field_at((*at, name), root)
        if field is None:
            continue
        if isinstance(value, Mapping) and section_of(field) is not None:
            read[name] = _read_texts(root, value, (*at, name))
        elif isinstance(value, Mapping) and (entry := entry_model(field)) is not None and not entry_choice(field):
            each = {key: _json_or_text(one) if isinstance(one, str) else one for key, one in value.items()}
            read[name] = {
                key: _read_texts(entry, one) if isinstance(one, Mapping) else one for key, one in each.items()
            }
        elif isinstance(value, str) and _is_no_text(field):
            read[name] = _json_or_text(value)
    return read


def _is_no_text(field: FieldInfo) -> bool:
    """Lists, tables, sections, and choices among numbers: pydantic does not read these from text."""
    numbers = any(not isinstance(choice, str) for choice in choices_of(field))
    return numbers or get_origin(field.annotation) in (tuple, list, dict) or section_of(field) is not None


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text  # validation will say what is wrong with it


def _resolved(root: type[BaseModel], values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Relative paths of a file made relative to the file, so that it means the same wherever edged is started."""

    def resolve(model: type[BaseModel], table: dict[str, Any]) -> dict[str, Any]:
        resolved = dict(table)
        for name, value in table.items():
            field = model.model_fields.get(name)
            if field is None:
                continue
            section = section_of(field)
            if section is not None and isinstance(value, dict):
                resolved[name] = resolve(section, value)
            elif (entry := entry_model(field)) is not None and isinstance(value, dict):
                resolved[name] = {
                    each: resolve(entry, one) if isinstance(one, dict) else one for each, one in value.items()
                }
            elif entry is not None and isinstance(value, list):
                resolved[name] = [resolve(entry, one) if isinstance(one, dict) else one for one in value]
            elif isinstance(value, str) and Path in kinds_of(field):
                resolved[name] = str(folder / Path(value).expanduser())
            elif isinstance(value, str) and name == "source":
                resolved[name] = _resolved_source(value, folder)
        return resolved

    return resolve(root, values)


def _resolved_source(source: str, folder: Path) -> str:
    """A picture source whose path is relative: a bare path or the script of a sitter."""
    if source.startswith("sitter:") and source != "sitter:":
        return "sitter:" + str(folder / Path(source.removeprefix("sitter:")).expanduser())
    try:
        is_path = kind_of(source) in {"file", "images"} and not source.startswith("file:")
    except EdgedError:
        return source  # opening it will say what is wrong
    if not source or not is_path:
        return source
    return str(folder / Path(source).expanduser())


# --- the environment ----------------------------------------------------------------------------------------------


class _Environment(EnvSettingsSource):
    """Variables of any mapping, not only of this process; what is no JSON is left for validation to refuse."""

    def __init__(self, root: type[BaseModel], prefix: str, variables: Mapping[str, str]) -> None:
        self._variables = {name.lower(): value for name, value in variables.items()}
        # The settings as pydantic-settings wants them.
        config = SettingsConfigDict(frozen=True, extra="forbid")
        declared = type("_Declared", (root, BaseSettings), {"model_config": config, "__module__": __name__})
        super().__init__(declared, case_sensitive=False, env_prefix=prefix, env_nested_delimiter=LEVEL)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._variables

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        return _json_or_text(value)


def _from_environment(
    root: type[BaseModel], prefix: str, variables: Mapping[str, str], problems: list[SettingProblem]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Values of the variables with this prefix, and the variable of each dotted path. Unknown ones become problems."""
    mine: dict[str, str] = {}
    names: dict[str, str] = {}
    for name, value in variables.items():
        if not name.upper().startswith(prefix) or name.upper() in OTHER_VARIABLES:
            continue
        if prefix == PREFIX and name.upper().startswith(ACTUATOR_PREFIX):
            continue
        path = name.upper().removeprefix(prefix).lower().split(LEVEL)
        if _names_setting(root, path):
            mine[name] = value
            names[".".join(path)] = name
        else:
            candidates = [variable_of(leaf.path, prefix) for leaf in leaves(root)] + list(OTHER_VARIABLES)
            near = difflib.get_close_matches(name.upper(), candidates, n=1, cutoff=0.75)
            cure = f"did you mean {near[0]}?" if near else "unset it, or see edged config schema"
            problems.append(SettingProblem(name, None, "is not a setting's variable", cure))
    values = _read_texts(root, _Environment(root, prefix, mine)())
    # EDGED_MODELS_DIR is the short name of a camera's setting; the long one wins.
    if (
        "models" in root.model_fields
        and (directory := variables.get("EDGED_MODELS_DIR"))
        and "models.directory" not in names
    ):
        values.setdefault("models", {})
        if isinstance(values["models"], dict):
            values["models"].setdefault("directory", directory)
            names["models.directory"] = "EDGED_MODELS_DIR"
    return values, names


def _names_setting(root: type[BaseModel], path: Sequence[str]) -> bool:
    for length in range(1, len(path) + 1):
        field = field_at(path[:length], root)
        if field is None:
            return False
        if section_of(field) is None:
            return length == len(path) or get_origin(field.annotation) is dict
    return True
