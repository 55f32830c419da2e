"""What is kept for later: evidence, the audit trail, history."""

from __future__ import annotations

from edged.settings.base import Section, option


class EvidenceSettings(Section):
    """Pictures around security events, encrypted."""

    enabled: bool = option(False, "Keep pictures around security events.")


class AuditSettings(Section):
    """The chained record of verdicts, actions, changes and accesses."""

    enabled: bool = option(True, "Keep the audit trail, once there is something to write in it.")


class HistorySettings(Section):
    """Past events, for questions."""

    enabled: bool = option(False, "Keep past events for `edged history`.")
