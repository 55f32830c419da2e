"""Who somebody is: the networks' part, and judgement's."""

from __future__ import annotations

from edged.settings.base import Section, option


class RecognitionSettings(Section):
    """Embedding faces and looking them up in the gallery."""

    enabled: bool = option(False, "Recognise people who are enrolled.", remote="live")


class IdentitySettings(Section):
    """When a name is given to a face, and taken back."""
