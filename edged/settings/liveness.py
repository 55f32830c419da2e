"""Whether a face is of flesh: the networks' part. Judgement's is in verdicts.py."""

from __future__ import annotations

from edged.settings.base import Section, option


class LivenessSettings(Section):
    """The print and replay detector."""

    enabled: bool = option(False, "Look for printed and replayed faces.", remote="live")
