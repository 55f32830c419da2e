"""Things beside faces."""

from __future__ import annotations

from edged.settings.base import Section, option


class ObjectSettings(Section):
    """The object detector."""

    enabled: bool = option(False, "Look for phones and people.", remote="live")
