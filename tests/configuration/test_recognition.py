"""Settings of recognition that only make sense together."""

from __future__ import annotations

import pytest

from edged.configuration.loading import load
from edged.errors import SettingsError


@pytest.mark.parametrize(("recheck", "memory"), [(120, 600), (5, 29), (100.5, 602)])
def test_a_name_that_would_lapse_between_two_looks_is_refused(recheck: float, memory: float) -> None:
    with pytest.raises(SettingsError) as caught:
        load(None, {"inference.recognition.recheck_seconds": recheck, "judgement.identity.memory_seconds": memory})
    said = str(caught.value)
    assert f"judgement.identity.memory_seconds = {memory:g} is too short" in said
    assert f"inference.recognition.recheck_seconds = {recheck:g}" in said
    assert f"set memory_seconds to {6 * recheck:g} or more, or lower recheck_seconds" in said


@pytest.mark.parametrize(("recheck", "memory"), [(100, 600), (5, 30), (120, 720)])
def test_a_memory_that_just_covers_the_rarest_looks_is_taken(recheck: float, memory: float) -> None:
    load(None, {"inference.recognition.recheck_seconds": recheck, "judgement.identity.memory_seconds": memory})
