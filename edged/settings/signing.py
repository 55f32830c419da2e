"""Signed commands over MQTT."""

from __future__ import annotations

from pathlib import Path

from edged.settings.base import Section, option


class SigningSettings(Section):
    """Who may release a block, enrol and forget: whoever has the key."""

    key_file: Path | None = option(
        None,
        "Key of signed commands (edged actuator keygen FILE); none: the systemd credential `credential`, and without "
        "one no signed command is taken.",
    )
    credential: str = option("command_key", "Name of the systemd credential that has the key.", pattern=r"^[\w.-]*$")
    clock_tolerance_seconds: float = option(
        5.0, "A signed command may be issued this much ahead of the clock here.", unit="s", ge=0, le=300
    )
    longest_life_seconds: float = option(
        120.0, "A signed command that is good for longer than this is refused.", unit="s", ge=5, le=3600
    )
