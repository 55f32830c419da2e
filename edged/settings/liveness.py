"""Whether a face is of flesh: the networks' part, and judgement's."""

from __future__ import annotations

from edged.settings.base import Section, option


class LivenessSettings(Section):
    """The print and replay detector."""

    enabled: bool = option(False, "Look for printed and replayed faces.", remote="live")


class LivenessJudgementSettings(Section):
    """When a face counts as live, or as a spoof."""
