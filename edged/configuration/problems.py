"""What is wrong with settings, in plain words: where, what was given, why, and the cure. Never a secret."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from edged.configuration.options import entry_choice, entry_model, field_at, kinds_of, leaves, section_of, shown
from edged.configuration.words import plain_reason
from edged.errors import SettingProblem
from edged.settings import Settings


class Origin(NamedTuple):
    """Where a value came from; name is the file, the variable or `command line`."""

    kind: str
    name: str


def problem_of(
    details: Any, values: Mapping[str, Any], origins: Mapping[str, Origin], root: type[BaseModel] = Settings
) -> SettingProblem:
    """One of pydantic's complaints in our words."""
    location = tuple(details["loc"])
    names = [str(part) for part in location]
    # Branches of a union and positions in a list follow the setting's own path.
    known = next((names[:length] for length in range(len(names), 0, -1) if field_at(names[:length], root)), [])
    outer = field_at(known, root)
    if outer is not None and len(location) > len(known) and entry_model(outer) is not None:
        return _problem_of_entry(details, value_in(values, known), known, location[len(known) :], outer)
    if details["type"] == "extra_forbidden":
        return unknown_setting(names, origins, root)
    path = ".".join(known or names) or "settings"
    field = field_at(known, root)
    value = value_in(values, known)
    reason, cure = plain_reason(details, field)
    position = [part for part in location[len(known) :] if isinstance(part, int)]
    if position:
        reason = f"number {position[0] + 1} {reason}"
    secret = field is not None and SecretStr in kinds_of(field)
    is_section = field is not None and section_of(field) is not None
    # A table may hold secrets anywhere, and the whole tree does.
    tables = isinstance(value, Mapping) or (
        isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value)
    )
    visible = None if secret or tables or (is_section and isinstance(value, Mapping)) else shown(value)
    return SettingProblem(path, visible, reason, "; ".join(filter(None, (_place(path, origins), cure))))


def beside_the_point(details: Any, values: Mapping[str, Any], root: type[BaseModel] = Settings) -> bool:
    """A complaint that an entry is not what it was never meant to be: a text, where a section was given."""
    names = [str(part) for part in details["loc"]]
    known = next((names[:length] for length in range(len(names), 0, -1) if field_at(names[:length], root)), [])
    outer = field_at(known, root)
    rest = names[len(known) :]
    if outer is None or (model := entry_model(outer)) is None or not entry_choice(outer) or len(rest) < 2:
        return False
    given = value_in(values, [*known, rest[0]])
    return isinstance(given, Mapping) != (model.__name__ in rest[1])


def _problem_of_entry(
    details: Any, entries: Any, known: list[str], rest: tuple[Any, ...], outer: FieldInfo
) -> SettingProblem:
    """As `problem_of`, for a list or table of sections. rest: where in it. Only the one value that is wrong is shown, for
    what stands beside it may be nobody's business.
    """
    entry = _at(entries, rest[0])
    name = entry.get("name") if isinstance(entry, Mapping) else None
    path = [*known, name if isinstance(rest[0], int) and isinstance(name, str) else _label(rest[0])]
    model = entry_model(outer)
    assert model is not None
    value, field = entry, None
    left = list(rest[2:] if entry_choice(outer) else rest[1:])
    while left and isinstance(value, Mapping):
        part = left.pop(0)
        path.append(_label(part))
        value, field = _at(value, part), model.model_fields.get(str(part))
        if field is None:
            near = difflib.get_close_matches(str(part), model.model_fields, n=1)
            cure = f"did you mean {near[0]}?" if near else f"there are: {', '.join(model.model_fields)}"
            return SettingProblem(".".join(path), None, "is not a setting", cure)
        if left and entry_model(field) is not None:
            return _problem_of_entry(details, value, path, tuple(left), field)
    reason, cure = plain_reason(details, field)
    if positions := [part for part in left if isinstance(part, int)]:
        reason = f"number {positions[0] + 1} {reason}"
    secret = field is not None and SecretStr in kinds_of(field)
    hidden = secret or isinstance(value, Mapping | list) or (isinstance(entry, Mapping) and entry.get("sensitive"))
    visible = None if hidden or details["type"] == "string_too_long" else shown(value)
    return SettingProblem(".".join(path), visible, reason, cure)


def _label(part: Any) -> str:
    """People count from one."""
    return str(part + 1) if isinstance(part, int) else str(part)


def _at(values: Any, part: Any) -> Any:
    try:
        return values[part]
    except (KeyError, IndexError, TypeError):
        return None


def _place(path: str, origins: Mapping[str, Origin]) -> str:
    """Says where a value stands, unless that is the file, which the error as a whole names."""
    origin = origins.get(path)
    if origin is None or origin.kind == "file":
        return ""
    return f"set by {origin.name}" if origin.kind == "environment" else "given on the command line"


def value_in(values: Mapping[str, Any], path: Sequence[str]) -> Any:
    """What stands at a path; None where nothing does."""
    value: Any = values
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return value


def unknown_setting(
    names: list[str], origins: Mapping[str, Origin], root: type[BaseModel] = Settings
) -> SettingProblem:
    """A key that is no setting: what might have been meant, here or in another section."""
    path = ".".join(names)
    sections = {leaf.path.rsplit(".", 1)[0] for leaf in leaves(root) if "." in leaf.path}
    sections |= {section.rsplit(".", 1)[0] for section in sections}
    siblings = [leaf.path for leaf in leaves(root)] + sorted(sections)
    parent = path.rpartition(".")[0]
    here = [candidate for candidate in siblings if candidate.rpartition(".")[0] == parent]
    last = {candidate.rpartition(".")[2]: candidate for candidate in here}
    # A small slip, else the very name in another section, else whatever is like it.
    near = [last[name] for name in difflib.get_close_matches(names[-1], last, n=1, cutoff=0.8)]
    near = near or [candidate for candidate in siblings if candidate.rpartition(".")[2] == names[-1]][:1]
    near = near or [last[name] for name in difflib.get_close_matches(names[-1], last, n=1, cutoff=0.6)]
    near = near or difflib.get_close_matches(path, siblings, n=1, cutoff=0.7)
    cure = f"did you mean {near[0]}?" if near else "remove it; edged config schema lists all settings"
    place = _place(path, origins)
    return SettingProblem(path, None, "is not a setting", f"{place}; {cure}" if place else cure)
