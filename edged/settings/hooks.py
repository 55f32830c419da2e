"""Other people's analysis."""

from __future__ import annotations

from edged.settings.base import Section, option


class HookSettings(Section):
    """Which hooks run, and how."""

    enabled: list[str] = option([], "Names of the entry points (edged.hooks) that run; none: no hook runs.")
