"""pydantic's complaints in plain words: what a value must be, and what would do."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

_KINDS = {
    "int": "must be a whole number",
    "float": "must be a number",
    "bool": "must be true or false",
    "string": "must be text in quotes",
    "path": "must be a path in quotes",
    "tuple": "must be a list",
    "list": "must be a list",
    "dict": "must be a table of names and values",
    "model": "must be a section of settings",
    "secret": "must be text in quotes",
}
_RANGE_TYPES = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}


def plain_reason(details: Mapping[str, Any], field: FieldInfo | None) -> tuple[str, str]:
    """Reason and cure for one entry of `ValidationError.errors()`; field is the setting it is about, if known."""
    kind = str(details["type"])
    context = details.get("ctx") or {}
    default = default_words(field)
    if kind == "value_error":
        return str(context.get("error", details["msg"])), default
    if kind == "literal_error":
        choices = [str(choice) for choice in choices_of(field)] if field is not None else []
        near = difflib.get_close_matches(str(details.get("input")), choices, n=1)
        told = f"must be one of {', '.join(choices)}" if choices else f"must be {context.get('expected')}"
        return told, f"did you mean {near[0]}?" if near else default
    if kind in _RANGE_TYPES or kind == "finite_number":
        return f"must be {range_words(field) or limit_words(context)}", default
    if kind == "string_pattern_mismatch":
        return f"must be {_pattern_words(str(context.get('pattern')))}", default
    if kind == "string_too_long":
        return f"must have at most {context.get('max_length')} characters", default
    if kind == "string_too_short":
        return "must not be empty", default
    if kind == "missing":
        return "is missing", default
    if kind in {"too_long", "too_short"}:
        return f"must have {context.get('max_length', context.get('min_length'))} values", default
    if kind == "int_from_float":
        return "must be a whole number", default
    for name, words in _KINDS.items():
        if kind.startswith(f"{name}_"):
            limits = range_words(field)
            return (f"{words}, {limits}" if limits and name in {"int", "float"} else words), default
    return str(details["msg"]), default


def default_words(field: FieldInfo | None) -> str:
    """`the default is 15.0`, or nothing where there is none worth telling."""
    if field is None:
        return ""
    default = field.get_default(call_default_factory=True)
    plain = isinstance(default, str | int | float | bool | Path | tuple)
    return f"the default is {toml_value(default)}" if plain and default not in ("", ()) else ""


def range_words(field: FieldInfo | None) -> str:
    """`from 1 to 65535`, `above 0 and at most 120 1/s`, … from a setting's own limits."""
    if field is None:
        return ""
    low = high = ""
    rules = list(field.metadata)
    # A fraction keeps its limits in the type of its items.
    for argument in get_args(field.annotation):
        rules += [rule for item in getattr(argument, "__metadata__", ()) for rule in getattr(item, "metadata", ())]
    for rule in rules:
        if isinstance(rule, Ge):
            low = f"from {_number(rule.ge)}"
        elif isinstance(rule, Gt):
            low = f"above {_number(rule.gt)}"
        elif isinstance(rule, Le):
            high = f"to {_number(rule.le)}" if low.startswith("from") else f"at most {_number(rule.le)}"
        elif isinstance(rule, Lt):
            high = f"below {_number(rule.lt)}"
    joint = " " if high.startswith("to") else " and "
    told = joint.join(filter(None, (low, high)))
    unit = unit_of(field)
    return f"{told} {unit}" if told and unit else told


def limit_words(context: Mapping[str, Any]) -> str:
    """The same from the complaint alone."""
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return " and ".join(f"{words[key]} {_number(value)}" for key, value in context.items() if key in words) or "finite"


def unit_of(field: FieldInfo) -> str:
    """The unit a setting was declared with, or nothing."""
    extra = field.json_schema_extra
    unit = str(extra.get("unit", "")) if isinstance(extra, dict) else ""
    return "per second" if unit == "1/s" else unit


def choices_of(field: FieldInfo) -> tuple[Any, ...]:
    """The values of a setting that has a fixed list of them, also where it may be left open."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if get_origin(kind) is Literal:
            return get_args(kind)
    return ()


def _pattern_words(pattern: str) -> str:
    known = {
        r"^[a-z0-9_-]{1,64}$": "1 to 64 of the characters a-z, 0-9, - and _",
        r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$": "letters, digits, - and _, in levels separated by single slashes",
        r"^[^.]+(\.[^.]+)*$": "names separated by single dots",
    }
    return known.get(pattern, f"text that matches {pattern}")


def toml_value(value: Any) -> str:
    """A value as TOML writes it. Texts of JSON are texts of TOML."""
    if isinstance(value, dict):
        # TOML has no word for nothing.
        given = [f"{key} = {toml_value(item)}" for key, item in value.items() if item is not None]
        return "{ " + ", ".join(given) + " }" if given else "{}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, bool | str | Path):
        return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)
    return repr(value)


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
