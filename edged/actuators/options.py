"""A request's options, read by the type its action declares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

import msgspec
from pydantic import BaseModel, ValidationError

from edged.actuators.performer import ActionSpec
from edged.errors import RequestRefused


def read_options(spec: ActionSpec, options: Mapping[str, Any]) -> dict[str, Any]:
    """Plain data with the defaults filled in. Raises RequestRefused, naming what is wrong and never a value."""
    if issubclass(spec.options, BaseModel):
        try:
            return spec.options.model_validate(dict(options)).model_dump(mode="json")
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "options"
            problem = f"{where}: {first['msg']}"
    else:
        try:
            read: dict[str, Any] = msgspec.to_builtins(msgspec.convert(_texts(spec, options), spec.options))
            return read
        except msgspec.ValidationError as error:
            problem = _plainly(str(error), spec)
    raise RequestRefused(f"the options of {spec.name} are wrong: {problem}")


def _texts(spec: ActionSpec, options: Mapping[str, Any]) -> dict[str, Any]:
    """A number where a text belongs is that text: the key 5, the session 3."""
    texts = {
        field.encode_name
        for field in msgspec.structs.fields(spec.options)
        if isinstance(msgspec.inspect.type_info(field.type), msgspec.inspect.StrType)
    }
    return {
        name: str(value) if name in texts and isinstance(value, int) and not isinstance(value, bool) else value
        for name, value in options.items()
    }


def _plainly(problem: str, spec: ActionSpec) -> str:
    """The library's words for a missing or unknown option, and for a word that is none of those there are, in ours."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(spec.options)}
    if found := re.fullmatch(r"Object missing required field `(\w+)`", problem):
        return f"{spec.name} needs the option {found[1]!r} (edged act … -o {found[1]}=…)"
    if found := re.fullmatch(r"Object contains unknown field `(.{1,100})`", problem):
        return f"there is no option {found[1]!r} ({'there are ' + ', '.join(fields) if fields else 'it takes none'})"
    if (found := re.fullmatch(r"Invalid enum value .* - at `\$\.(\w+)`", problem)) and found[1] in fields:
        return f"{found[1]} must be one of {', '.join(map(str, get_args(fields[found[1]].type)))}"
    return problem


def check_names(spec: ActionSpec, options: Mapping[str, Any]) -> None:
    """Raises RequestRefused for an option that there is not, and for one that is missing; the values are not read."""
    if issubclass(spec.options, BaseModel):
        required = {name: field.is_required() for name, field in spec.options.model_fields.items()}
    else:
        required = {field.encode_name: field.required for field in msgspec.structs.fields(spec.options)}
    for name in options:
        if name not in required:
            known = f"there are {', '.join(required)}" if required else "it takes none"
            raise RequestRefused(f"{spec.name} has no option {name!r} ({known})")
    for name, is_required in required.items():
        if is_required and name not in options:
            raise RequestRefused(f"{spec.name} needs the option {name!r}")
