"""Other people's analysis."""

from __future__ import annotations

from typing import Any

from edged.settings.base import Section, option


class HookSettings(Section):
    """One hook, by the name of its entry point in the group `edged.hooks`. A table of its own makes it run."""

    enabled: bool = option(True, "Run it.")
    events: list[str] = option([], "Kinds of events it is called with; none: those that it asks for.")
    observations: bool = option(True, "It may be called with observations, if it asks for them.")
    cooldown_seconds: float | None = option(
        None,
        "Least time between two calls with events of the same kind, or with observations; none: as the hook says, else "
        "1 for observations and 0 for events.",
        unit="s",
        ge=0,
        le=86400,
    )
    timeout_seconds: float | None = option(
        None,
        "A call that takes longer ends with the hook's process, which is started anew; none: as the hook says, else 5.",
        unit="s",
        gt=0,
        le=3600,
    )
    memory_megabytes: int = option(512, "Most memory its process may take.", unit="MB", ge=32, le=1_048_576)
    options: dict[str, Any] = option(
        {},
        "Handed to the hook, which knows what they mean. They are not published; keep a secret in a file nevertheless.",
    )
