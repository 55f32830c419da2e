"""`docs/configuration.md`: every setting with type, range, unit, default, sentence, and who may change it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from edged.configuration.loading import variable_of
from edged.configuration.options import section_of
from edged.configuration.words import choices_of, range_words, toml_value, unit_of
from edged.settings import Settings

_HEAD = """\
# Settings

<!-- Generated from edged/settings.py: scripts/generate-docs -->

Settings come from a TOML file (`-c FILE`), then `EDGED_*` environment variables, then the command line
(`--set NAME=VALUE`); the later wins. `edged config example` prints a commented file with every default,
`edged config check FILE` says all that is wrong at once, `edged config show` what counts and where it came from.

A variable is the dotted name in capitals, with two underscores between the levels: `capture.width` is
`{variable}`.

**From afar** says what may change over MQTT ([remote-configuration.md](remote-configuration.md)): *live* is swapped in between two frames,
*restart* awaits a restart of the daemon, *never* can only be set on the device (paths, addresses, secrets).
"""
_NAMES = {
    bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path", SecretStr: "secret text",
    dict: "table of texts", tuple: "list", list: "list",
}  # fmt: skip


def markdown() -> str:
    """The whole document."""
    return _HEAD.format(variable=variable_of("capture.width")) + "".join(_sections(Settings, "", "edged"))


def _sections(model: type[BaseModel], prefix: str, title: str) -> Iterator[str]:
    own = [(name, field) for name, field in model.model_fields.items() if section_of(field) is None]
    heading = "Top level" if not prefix else f"`[{prefix[:-1]}]`"
    yield f"\n## {heading}\n\n{(model.__doc__ or title).strip().splitlines()[0]}\n"
    if own:
        yield "\n| setting | type and range | unit | default | from afar | |\n|---|---|---|---|---|---|\n"
    for name, field in own:
        yield "| " + " | ".join(map(_cell, _row(prefix + name, field))) + " |\n"
    for name, field in model.model_fields.items():
        if (section := section_of(field)) is not None:
            yield from _sections(section, f"{prefix}{name}.", str(field.description))


def _row(path: str, field: FieldInfo) -> list[str]:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    default = field.get_default(call_default_factory=True)
    told = "none" if default is None else f"`{toml_value(default)}`"
    return [
        f"`{path}`",
        type_words(field),
        unit_of(field),
        told,
        str(extra.get("remote", "never")),
        str(field.description),
    ]


def type_words(field: FieldInfo) -> str:
    """`whole number from 1 to 65535`, ``one of `auto`, `mjpg` ``, `path or none`, …"""
    if choices := choices_of(field):
        return "one of " + ", ".join(f"`{toml_value(choice)}`" for choice in choices)
    limits = range_words(field)
    unit = unit_of(field)
    if unit and limits.endswith(f" {unit}"):
        limits = limits[: -len(unit) - 1]
    return f"{_kind(field.annotation)} {limits}".strip()


def _kind(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return " or ".join("none" if each is type(None) else _kind(each) for each in get_args(annotation))
    if origin is Literal:
        return "choice"
    if origin is tuple:
        return f"list of {len(get_args(annotation))} numbers"
    return _NAMES.get(origin or annotation, "text")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
