"""Settings for people to read: the commented example file, the effective values, the JSON Schema."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from edged.configuration.loading import Loaded
from edged.configuration.options import entry_model, kinds_of, leaves, section_of, shown, value_at
from edged.configuration.problems import Origin
from edged.configuration.words import choices_of, range_words, toml_value, unit_of
from edged.settings import Settings

WIDTH = 110
# What nearly everybody sets stands without a comment sign.
_ACTIVE = {"camera", "capture.source", "mqtt.host", "mqtt.port"}
# Shown for settings whose default is nothing; a line that is not TOML would help nobody.
_EXAMPLES: dict[str, Any] = {
    "cooling.limit_celsius": 80.0,
    "mqtt.password": "better: password_file",
    "mqtt.password_file": "/etc/edged/mqtt_password",
    "mqtt.tls.ca_file": "ca.pem",
    "mqtt.tls.certificate_file": "client.pem",
    "mqtt.tls.key_file": "client.key",
    "hooks.NAME.timeout_seconds": 5.0,
    "inference.recognition.threshold": 0.5,
    "models.directory": "/var/lib/edged/models",
    "store.directory": "/var/lib/edged",
}
_REMOTE = {"live": "may be changed from afar", "restart": "may be changed from afar, counts after a restart"}

_HEAD = """\
# Settings of edged for one camera: every option, its meaning, its range and its default.
#
# Lines with a # before the name show the default; take the # away to change one. Anything here may also be set
# by a variable, EDGED_MQTT__HOST for host in [mqtt], and on the command line, --set mqtt.host=broker; the command
# line wins over variables, variables over this file. Relative paths are relative to this file.
# `edged config check FILE` says all that is wrong with a file. This one is written by `edged config example`.
"""


class Row(NamedTuple):
    """One line of `edged config show`: secrets are hidden already."""

    path: str
    value: Any
    origin: str


def effective(loaded: Loaded[Settings]) -> list[Row]:
    """Every setting as it counts now, and where its value came from."""
    default = Origin("default", "default")
    return [
        Row(leaf.path, shown(value_at(loaded.settings, leaf.path)), loaded.origins.get(leaf.path, default).name)
        for leaf in leaves()
    ]


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a settings file; `unit` and `remote` are ours."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Settings.model_json_schema(),
        "title": "edged settings",
    }


def example() -> str:
    """The text of `config/edged.toml`."""
    return "\n".join([_HEAD, *lines(Settings, _ACTIVE, _EXAMPLES)]) + "\n"


def lines(
    model: type[BaseModel],
    active: Mapping[str, Any] | Collection[str],
    examples: Mapping[str, Any],
    *,
    remote: bool = True,
    at: str = "",
) -> Iterator[str]:
    """Every setting of a tree, commented, section by section.

    active: the dotted paths of those that stand without a comment sign; with the value, where the default does not do.
    examples: values for those whose default is nothing. remote: say what may be changed from afar. at: the path of
    the tree, for entries of lists and tables; then nothing is active, nor are the headings.
    """
    later = []
    for name, field in model.model_fields.items():
        path = f"{at}{name}"
        if section_of(field) is not None or entry_model(field) is not None:
            later.append((path, field))
            continue
        yield ""
        yield from textwrap.wrap(str(field.description), WIDTH, initial_indent="# ", subsequent_indent="# ")
        if facts := _facts(field, remote=remote):
            yield f"# {facts}"
        chosen = active.get(path) if isinstance(active, Mapping) else None
        value = _value(path, field, examples) if chosen is None else chosen
        yield f"{'' if path in active else '#'}{name} = {toml_value(value)}"
    for path, field in later:
        section, entry = section_of(field), entry_model(field)
        yield ""
        yield f"{'#' if '.NAME.' in path else ''}[{path}]" if section is not None else f"#{entry_heading(path, field)}"
        yield from textwrap.wrap(str(field.description), WIDTH, initial_indent="# ", subsequent_indent="# ")
        if section is not None:
            yield from lines(section, active, examples, remote=remote, at=f"{path}.")
        elif entry is not None:
            below = entry_heading(path, field).strip("[]")
            yield from lines(entry, frozenset(), examples, remote=remote, at=f"{below}.")


def entry_heading(path: str, field: FieldInfo) -> str:
    """How an entry of a list or table of sections begins in TOML."""
    if get_origin(field.annotation) is list:
        return f"[[{path}]]"
    lists = any(get_origin(kind) is list for kind in get_args(field.annotation))
    return f"[[{path}.NAME]]" if lists else f"[{path}.NAME]"


def _value(path: str, field: FieldInfo, examples: Mapping[str, Any]) -> Any:
    """The default, or something to begin with where that is nothing."""
    if path in examples:
        return examples[path]
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    if isinstance(default, SecretStr):
        default = default.get_secret_value() or None
    if default is not None:
        return default
    if choices := choices_of(field):
        return choices[0]
    kinds = kinds_of(field)
    for kind, value in ((bool, True), (int, 1), (float, 1.0), (Path, Path("file")), (list, []), (dict, {})):
        if kind in kinds:
            return value
    return ""


def _facts(field: FieldInfo, *, remote: bool = True) -> str:
    """Range, choices, unit, and who may change it."""
    extra = field.json_schema_extra
    afar = _REMOTE.get(str(extra.get("remote")), "") if remote and isinstance(extra, dict) else ""
    choices = ", ".join(toml_value(choice) for choice in choices_of(field))
    limits = range_words(field) or unit_of(field)
    told = "; ".join(filter(None, (f"One of {choices}" if choices else limits, afar)))
    return f"{told[:1].upper()}{told[1:]}." if told else ""
