"""A request's options, read by the type its action declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
            read: dict[str, Any] = msgspec.to_builtins(msgspec.convert(dict(options), spec.options))
            return read
        except msgspec.ValidationError as error:
            problem = str(error)
    raise RequestRefused(f"the options of {spec.name} are wrong: {problem}")


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
