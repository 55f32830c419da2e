"""Whether a wish for other settings is granted: as a whole, or not at all with everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_origin

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from edged.configuration.options import field_at, guarded, kinds_of, leaves, remote_of, section_of, value_at
from edged.configuration.problems import problem_of, unknown_setting
from edged.errors import SettingProblem
from edged.remote.patch import laid_over, leaves_of, merged
from edged.remote.payload import read_patch
from edged.settings import Settings

Door = Literal["config/set", "config/change"]
_LONGEST = 120


@dataclass(frozen=True)
class Accepted:
    """overlay: all that differs from the file by wish. settings: what the daemon would run with after a restart."""

    overlay: dict[str, Any]
    settings: Settings


@dataclass(frozen=True)
class Rejected:
    """Everything that is wrong; nothing changes."""

    problems: tuple[SettingProblem, ...]


def judge(file: Settings, overlay: Mapping[str, Any], payload: bytes, door: Door) -> Accepted | Rejected:
    """Judge what came through a door.

    file: the settings without wishes. overlay: the wishes that count now. `config/set` replaces all wishes,
    `config/change` is laid over them and takes back what is null in it.
    """
    patch = read_patch(payload)
    if isinstance(patch, SettingProblem):
        return Rejected((patch,))
    return judge_overlay(file, merged(overlay if door == "config/change" else {}, patch), patch)


def judge_overlay(
    file: Settings, overlay: dict[str, Any], asked: Mapping[str, Any] | None = None
) -> Accepted | Rejected:
    """Judge a whole set of wishes. asked: what of it is new, nulls included; None: all of it."""
    problems: dict[str, SettingProblem] = {}
    for path, _ in leaves_of(overlay if asked is None else asked):
        if (problem := _forbidden(path)) is not None:
            problems.setdefault(problem.path, problem)
    if asked is not None and not problems:
        for path, _ in leaves_of(overlay):
            if (problem := _forbidden(path)) is not None:
                problems.setdefault(problem.path, problem)
    known = _without(overlay, problems)
    merged_values = laid_over(file.model_dump(), _tuples(known))
    try:
        settings = Settings.model_validate(merged_values, strict=True)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            problem = problem_of(details, merged_values, {})
            problems.setdefault(problem.path, _short(problem))
        return Rejected(tuple(problems.values()))
    for changed in differing(file, settings):
        if guarded(file, changed):
            problems.setdefault(changed, _guarded(changed, value_at(settings, changed)))
    if problems:
        return Rejected(tuple(problems.values()))
    return Accepted(overlay, settings)


def differing(before: Settings, after: Settings) -> list[str]:
    """Dotted paths of the settings that differ."""
    return [leaf.path for leaf in leaves() if value_at(before, leaf.path) != value_at(after, leaf.path)]


def awaiting_restart(running: Settings, wanted: Settings) -> list[str]:
    """Of those that differ, the ones that only a restart can bring into effect."""
    return [path for path in differing(running, wanted) if not _is_live(path)]


def taken_over(running: Settings, wanted: Settings) -> Settings:
    """What runs once the live settings have been swapped: the others stay as they are until a restart.

    Falls back to `running` where a mixture would not be valid: then all of it waits for the restart.
    """
    values = wanted.model_dump()
    for path in awaiting_restart(running, wanted):
        *sections, name = path.split(".")
        place = values
        for section in sections:
            place = place[section]
        place[name] = value_at(running, path)
    try:
        return Settings.model_validate(values)
    except ValidationError:
        return running


def _is_live(path: str) -> bool:
    field = field_at(path.split("."))
    return field is not None and remote_of(field) == "live"


def _forbidden(path: tuple[str, ...]) -> SettingProblem | None:
    """Unknown, or not to be set from afar."""
    dotted = _dotted(path)
    field = field_at(path)
    if field is None:
        for length in range(len(path) - 1, 0, -1):
            above = field_at(path[:length])
            if above is not None and section_of(above) is None:
                # A table where a value belongs; or an entry of a table, which nobody may set from afar anyhow.
                return _not_from_afar(".".join(path[:length]), above) if remote_of(above) == "never" else None
        if field_at(dotted.split(".")) is not None:
            return SettingProblem(dotted, None, "is written as one name", f"nest it: {_nested(dotted.split('.'))}")
        problem = unknown_setting([name[:_LONGEST] for name in path], {})
        return SettingProblem(dotted, None, problem.reason, problem.cure)
    if section_of(field) is not None:
        return None  # an empty section, or nonsense in its place: validation says which
    if remote_of(field) == "never":
        return _not_from_afar(dotted, field)
    return None


def _dotted(path: tuple[str, ...]) -> str:
    """For people: a key without letters can be seen, one without end is cut."""
    return ".".join(name[:_LONGEST] or '""' for name in path)


def _nested(path: list[str]) -> str:
    """How JSON says a path: {"judgement": {"gaze": {"dwell_seconds": …}}}."""
    return "".join(f'{{"{name}": ' for name in path) + "…" + "}" * len(path)


def _not_from_afar(path: str, field: FieldInfo) -> SettingProblem:
    if SecretStr in kinds_of(field) or path.startswith("mqtt."):
        why = "belongs to the broker's address and secrets"
    elif any(getattr(kind, "__name__", "").endswith("Path") for kind in kinds_of(field)):
        why = "names a file or folder of the device"
    elif path.startswith(("snapshot.", "stream.")):
        why = "decides what leaves the device"
    else:
        why = "is for the owner of the device alone"
    return SettingProblem(path, None, f"cannot be set from afar: it {why}", "set it in the settings file")


def _guarded(path: str, value: Any) -> SettingProblem:
    return _short(
        SettingProblem(
            path, value, "cannot be set from afar while judgement.security.enabled: the seat's policy sees by it",
            "set it in the settings file",
        )
    )  # fmt: skip


def _without(overlay: Mapping[str, Any], problems: Mapping[str, SettingProblem]) -> dict[str, Any]:
    """What is left to be validated: pydantic would complain of the forbidden ones in other words."""
    kept: dict[str, Any] = {}
    for path, value in leaves_of(overlay):
        dotted = _dotted(path)
        if any(dotted == wrong or dotted.startswith(f"{wrong}.") for wrong in problems):
            continue
        place = kept
        for section in path[:-1]:
            place = place.setdefault(section, {})
        place[path[-1]] = value
    return kept


def _tuples(values: Mapping[str, Any], at: tuple[str, ...] = ()) -> dict[str, Any]:
    """JSON knows lists only; strict validation, which reads no number out of a text, wants tuples where they are meant."""
    read: dict[str, Any] = {}
    for name, value in values.items():
        field = field_at((*at, name))
        if isinstance(value, Mapping):
            read[name] = _tuples(value, (*at, name))
        elif isinstance(value, list) and field is not None and get_origin(field.annotation) is tuple:
            read[name] = tuple(value)
        else:
            read[name] = value
    return read


def _short(problem: SettingProblem) -> SettingProblem:
    shown = problem.value
    if shown is not None and len(repr(shown)) > _LONGEST:
        shown = repr(shown)[:_LONGEST] + "…"
    return SettingProblem(problem.path, shown, problem.reason[:500], problem.cure)
