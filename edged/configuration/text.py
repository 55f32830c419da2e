"""Settings for people to read: the commented example file, the effective values, the JSON Schema."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from edged.configuration.loading import Loaded
from edged.configuration.options import leaves, section_of, shown, value_at
from edged.configuration.problems import Origin
from edged.configuration.words import choices_of, range_words, toml_value, unit_of
from edged.settings import Settings

WIDTH = 110
# What nearly everybody sets stands without a comment sign.
_ACTIVE = {"camera", "capture.source", "mqtt.host", "mqtt.port"}
# Shown for settings whose default is nothing; a line that is not TOML would help nobody.
_EXAMPLES: dict[str, Any] = {
    "mqtt.password": "better: password_file",
    "mqtt.password_file": "/etc/edged/mqtt_password",
    "mqtt.tls.ca_file": "ca.pem",
    "mqtt.tls.certificate_file": "client.pem",
    "mqtt.tls.key_file": "client.key",
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
    return "\n".join([_HEAD, *_section_lines(Settings, "")]) + "\n"


def _section_lines(model: type[BaseModel], prefix: str) -> Iterator[str]:
    sections = []
    for name, field in model.model_fields.items():
        if section_of(field) is not None:
            sections.append((name, field))
            continue
        yield from _option_lines(f"{prefix}{name}", name, field)
    for name, field in sections:
        section = section_of(field)
        if section is None:
            continue
        yield ""
        yield f"[{prefix}{name}]"
        yield f"# {field.description}"
        yield from _section_lines(section, f"{prefix}{name}.")


def _option_lines(path: str, name: str, field: FieldInfo) -> Iterator[str]:
    yield ""
    yield from textwrap.wrap(str(field.description), WIDTH, initial_indent="# ", subsequent_indent="# ")
    if facts := _facts(field):
        yield f"# {facts}"
    default = field.get_default(call_default_factory=True)
    if default is None or isinstance(default, SecretStr):
        yield f"#{name} = {toml_value(_EXAMPLES[path])}"
    else:
        yield f"{'' if path in _ACTIVE else '#'}{name} = {toml_value(default)}"


def _facts(field: FieldInfo) -> str:
    """Range, choices, unit, and who may change it."""
    extra = field.json_schema_extra
    remote = _REMOTE.get(str(extra.get("remote")), "") if isinstance(extra, dict) else ""
    choices = ", ".join(toml_value(choice) for choice in choices_of(field))
    limits = range_words(field) or unit_of(field)
    told = "; ".join(filter(None, (f"One of {choices}" if choices else limits, remote)))
    return f"{told[:1].upper()}{told[1:]}." if told else ""
