"""The owner's key of evidence: 32 random bytes, as 64 hexadecimal digits in a file or a systemd credential."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from edged.errors import SettingProblem, SettingsError
from edged.keys import find_key
from edged.settings.keeping import EvidenceSettings

CREDENTIAL = "evidence_key"


def evidence_key(settings: EvidenceSettings, environment: Mapping[str, str] = os.environ) -> bytes:
    """The key. Raises SettingsError, which names the file and never its content, also where there is none."""
    try:
        key = find_key(settings.key_file, CREDENTIAL, environment, at="evidence.key_file")
    except SettingsError as error:
        problems = [
            replace(
                problem,
                path=problem.path.replace("signing.credential", f"systemd credential {CREDENTIAL}"),
                cure=problem.cure.replace("actuator keygen", "evidence keygen"),
            )
            for problem in error.problems
        ]
        raise SettingsError(problems, "the key of evidence") from None
    if key is None:
        cure = f"edged evidence keygen FILE, then evidence.key_file; or a systemd credential named {CREDENTIAL}"
        raise SettingsError([SettingProblem("evidence.key_file", None, "is not set", cure)], "the key of evidence")
    return key
