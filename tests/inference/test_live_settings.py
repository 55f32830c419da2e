"""Settings that are called live take effect from the next frame, though they were otherwise at the start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edged.inference.finder import Scene
from edged.inference.litert_faces import LiteRtFaces
from edged.inference.models import ModelStore
from edged.inference.pacing import Pacer
from edged.settings import InferenceSettings, StageSettings

SHORT, FULL = "face_detection_short_range", "face_detection_full_range_sparse"
EMPTY = np.zeros((120, 160, 3), np.uint8)


def asked(finder: LiteRtFaces, at: float) -> set[str]:
    """Which detectors one frame of a scene where something moves asks."""
    before = finder.invocations()
    finder.find(EMPTY, Scene(at, True, False))
    return {name for name, count in finder.invocations().items() if count > before.get(name, 0)}


@pytest.mark.parametrize(
    ("first", "then", "expected"), [("short", "full", {FULL}), ("full", "short", {SHORT}), ("auto", "short", {SHORT})]
)
def test_the_detector_is_exchanged(models_directory: Path, first: str, then: str, expected: set[str]) -> None:
    finder = LiteRtFaces(InferenceSettings.model_validate({"detector": first}), ModelStore(models_directory))
    asked(finder, 0.0)
    finder.adopt(InferenceSettings.model_validate({"detector": then}))
    assert asked(finder, 100.0) == expected
    finder.close()


def test_stages_are_switched_on_and_off(models_directory: Path) -> None:
    finder = LiteRtFaces(InferenceSettings(stages=StageSettings(iris=False)), ModelStore(models_directory))
    assert finder.stages == ["detection", "landmarks"]
    finder.adopt(InferenceSettings())
    assert finder.stages == ["detection", "landmarks", "iris"]
    finder.adopt(InferenceSettings(stages=StageSettings(landmarks=False)))
    assert finder.stages == ["detection"]
    finder.close()


def test_the_pace_follows_the_settings_and_keeps_what_a_frame_costs() -> None:
    pacer = Pacer(InferenceSettings(busy_fraction=1.0), 10.0)
    assert pacer.step(0.0, 0.08, empty=False) == 0.0
    pacer.adopt(InferenceSettings(busy_fraction=0.25), 10.0)
    assert pacer.step(0.1, 0.08, empty=False) == pytest.approx(0.32)
    assert pacer.slowed
