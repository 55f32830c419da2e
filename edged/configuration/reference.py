"""`docs/configuration.md`: every setting with type, range, unit, default, sentence, and who may change it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from edged.configuration.loading import variable_of
from edged.configuration.options import entry_choice, entry_model, section_of
from edged.configuration.text import entry_heading
from edged.configuration.words import choices_of, range_words, toml_value, unit_of
from edged.settings import Settings

_HEAD = """\
# Settings

<!-- Generated from edged/settings: scripts/generate-docs -->

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
    return _HEAD.format(variable=variable_of("capture.width")) + "".join(sections(Settings))


def sections(model: type[BaseModel], *, remote: bool = True, at: str = "", heading: str = "Top level") -> Iterator[str]:
    """A heading and a table for each section of a tree, entries of its lists and tables included.

    remote: with a column that says what may be changed from afar. at: the path of the tree, with a dot behind.
    """
    own, below = [], []
    for name, field in model.model_fields.items():
        entry = entry_model(field)
        if (section := section_of(field)) is not None:
            below.append((section, f"{at}{name}.", f"`[{at}{name}]`"))
        elif entry is None or entry_choice(field):
            own.append((name, field))
        if entry is not None:
            title = entry_heading(f"{at}{name}", field)
            below.append((entry, f"{title.strip('[]')}.", f"`{title}`"))
    yield f"\n## {heading}\n\n{_first_paragraph(model)}\n"
    if own:
        afar = " from afar |" if remote else ""
        yield f"\n| setting | type and range | unit | default |{afar} |\n|---|---|---|---|{'---|' if remote else ''}---|\n"
    for name, field in own:
        row = _row(at + name, field)
        yield "| " + " | ".join(_cell(each) for each in (row if remote else [*row[:4], row[5]])) + " |\n"
    for section, path, title in below:
        yield from sections(section, remote=remote, at=path, heading=title)


def _first_paragraph(model: type[BaseModel]) -> str:
    return " ".join(inspect.cleandoc(model.__doc__ or "edged").split("\n\n", maxsplit=1)[0].split())


def _row(path: str, field: FieldInfo) -> list[str]:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    if isinstance(default, SecretStr):
        default = default.get_secret_value() or None
    told = "must be given" if field.is_required() else "none" if default is None else f"`{toml_value(default)}`"
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
