"""Texts with `{field}` in them. Fields are looked up, nothing is computed: no code gets in by configuration."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

_MISSING = object()
# Control characters, line and paragraph separators, half a surrogate pair.
_CONTROLS = frozenset({"Cc", "Zl", "Zp", "Cs"})
_LEVEL = r"""[^\s.{}\[\]()!:'"]+"""
_NAME = re.compile(rf"{_LEVEL}(?:\.{_LEVEL})*")


def check_template(template: str) -> None:
    """Raises ValueError for what is no template."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"{error} (a brace that is meant is written twice, {{{{)") from None
    for _, name, spec, conversion in parts:
        if name is None:
            continue
        if spec or conversion or not _NAME.fullmatch(name):
            shown = name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            raise ValueError(f"{{{shown}}} must be the name of a field, with dots between levels, and nothing else")


def has_fields(template: str) -> bool:
    """Does anything in it stand for a field? Raises ValueError for what is no template."""
    return any(name is not None for _, name, _, _ in string.Formatter().parse(template))


def names_in(template: str) -> set[str]:
    """The fields that it names. Raises ValueError for what is no template."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def fill(template: str, fields: Mapping[str, Any]) -> str:
    """The text with every `{field}` replaced, by one line of plain text. Raises KeyError with the name of a field that
    is not there.
    """
    filled = []
    for literal, name, _, _ in string.Formatter().parse(template):
        filled.append(literal)
        if name is not None:
            filled.append(_plain(_written(look_up(fields, name))))
    return "".join(filled)


def fill_all(value: Any, fields: Mapping[str, Any]) -> Any:
    """Plain data with every text in it filled. Raises KeyError as `fill` does."""
    if isinstance(value, str):
        return fill(value, fields)
    if isinstance(value, Mapping):
        return {name: fill_all(each, fields) for name, each in value.items()}
    if isinstance(value, list):
        return [fill_all(each, fields) for each in value]
    return value


def texts_in(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every text in plain data, with its dotted path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from texts_in(each, f"{path}.{name}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from texts_in(each, f"{path}.{number}")


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
        return f"{round(value, 6):.15g}"
    if isinstance(value, list):
        return ", ".join(_written(each) for each in value)
    if isinstance(value, Mapping):
        return msgspec.json.encode(value).decode()
    return str(value)


def _plain(text: str) -> str:
    """On one line, without control characters: whoever may publish a field must not press Enter or Escape by it."""
    return "".join(" " if unicodedata.category(sign) in _CONTROLS else sign for sign in text)
