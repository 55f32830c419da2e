"""Whether this seat is safe: what follows from who is seen, and what is done then."""

from __future__ import annotations

from edged.settings.base import Section, option


class SecuritySettings(Section):
    """The seat's policy."""

    enabled: bool = option(False, "Judge whether the seat is safe, and say so.", remote="restart")
