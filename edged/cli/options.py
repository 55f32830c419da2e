"""Options that several commands share, and how they become settings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Optional

import typer

from edged.errors import SettingProblem, SettingsError
from edged.topics import NAME_PATTERN

ConfigFile = Annotated[
    Optional[Path],
    typer.Option("--config", "-c", metavar="FILE", help="Settings file (TOML); without it the defaults count."),
]
Set = Annotated[
    Optional[list[str]],
    typer.Option(
        "--set", metavar="NAME=VALUE", help="One setting, e.g. --set mqtt.host=broker; wins over all else. Repeatable."
    ),
]
# Named where they are used: --host for those who only ask, --mqtt-host for those who are set up by a file.
BrokerHost = Annotated[Optional[str], typer.Option(metavar="HOST", help="The MQTT broker.")]
BrokerPort = Annotated[Optional[int], typer.Option(metavar="PORT", help="Its port.")]
Prefix = Annotated[Optional[str], typer.Option(metavar="TOPIC", help="First level of the topics.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def camera_name(name: str) -> str:
    """As it was given. Raises typer.BadParameter for what cannot be one: it would become part of a topic."""
    if not NAME_PATTERN.fullmatch(name):
        raise typer.BadParameter(f"{name!r} is no camera's name (a-z, 0-9, _ and -, at most 64)")
    return name


def overrides(pairs: Iterable[str] | None) -> dict[str, str]:
    """`["mqtt.host=broker"]` as a dict for `configuration.load`. Raises SettingsError for a text without `=`."""
    read: dict[str, str] = {}
    problems = []
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            problems.append(SettingProblem("--set", pair, "has no name and value", "write --set mqtt.host=broker"))
        read[name.strip()] = value
    if problems:
        raise SettingsError(problems, "command line")
    return read
