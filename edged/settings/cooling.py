"""Settings of what is done about heat."""

from __future__ import annotations

from edged.settings.base import Section, option


class CoolingSettings(Section):
    """Fewer frames before the board gets so hot that its firmware slows everything down."""

    enabled: bool = option(True, "Take fewer frames while the board is hot.", remote="live")
    limit_celsius: float | None = option(
        None,
        "Where the board begins to slow itself down; none means what its thermal zones say, else 80 °C (60 °C on a "
        "Raspberry Pi 3B+ and 3A+).",
        unit="°C",
        ge=40,
        le=120,
    )
    margin_celsius: float = option(
        5.0, "Nearer than this to the limit, fewer frames are taken, a fifth less at a time.", unit="°C", remote="live",
        ge=1, le=30,
    )  # fmt: skip
    least_frames_per_second: float = option(2.0, "Never fewer than this.", unit="1/s", remote="live", gt=0, le=120)
