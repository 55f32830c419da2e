"""Texts with `{field}` in them. Fields are looked up, nothing is computed: no code gets in by configuration."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

_MISSING = object()


def check_template(template: str) -> None:
    """Raises ValueError for what is no template."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"{error} (a brace that is meant is written twice, {{{{)") from None
    for _, name, spec, conversion in parts:
        if name is None:
            continue
        if not name or spec or conversion or any(sign in name for sign in "[]"):
            shown = name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            raise ValueError(f"{{{shown}}} must be the name of a field, with dots between levels, and nothing else")


def fill(template: str, fields: Mapping[str, Any]) -> str:
    """The text with every `{field}` replaced. Raises KeyError with the name of a field that is not there."""
    filled = []
    for literal, name, _, _ in string.Formatter().parse(template):
        filled.append(literal)
        if name is not None:
            filled.append(_written(look_up(fields, name)))
    return "".join(filled)


def look_up(fields: Mapping[str, Any], path: str) -> Any:
    """The value of a field; levels are separated by dots. Raises KeyError with the path."""
    value: Any = fields
    for name in path.split("."):
        value = value.get(name, _MISSING) if isinstance(value, Mapping) else _MISSING
        if value is _MISSING:
            raise KeyError(path)
    return value


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "unknown"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(_written(each) for each in value)
    return str(value)
