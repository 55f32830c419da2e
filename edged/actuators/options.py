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
