"""Settings that are called live take effect from the next frame, though they were otherwise at the start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edged.capture.opening import open_source
from edged.inference.finder import FoundFace, Scene
from edged.inference.litert_faces import LiteRtFaces
from edged.inference.models import ModelStore
from edged.inference.pacing import Pacer
from edged.settings import CaptureSettings, InferenceSettings, StageSettings

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


def test_what_a_stage_said_before_it_was_switched_off_is_not_repeated(models_directory: Path) -> None:
    source = open_source(CaptureSettings(source="sitter:", pace="fast", frames_per_second=1.0))
    source.open()
    finder = LiteRtFaces(InferenceSettings(), ModelStore(models_directory))
    try:
        pictures = [captured.image.copy() for captured in (source.read() for _ in range(6)) if captured is not None]
        picture = pictures[-1]  # five seconds in, the sitter is there

        def look(at: float) -> FoundFace:
            (face,) = finder.find(picture, Scene(at, True, False))
            return face

        looks = [look(number / 10) for number in range(5)]
        assert looks[-1].right_eye is not None
        finder.adopt(InferenceSettings(stages=StageSettings(iris=False)))
        face = look(0.5)
        assert face.mesh is not None
        assert (face.right_eye, face.left_eye) == (None, None)
        finder.adopt(InferenceSettings(stages=StageSettings(landmarks=False)))
        face = look(0.6)
        assert (face.mesh, face.right_eye, face.left_eye) == (None, None, None)
        finder.adopt(InferenceSettings())
        assert [look(0.7), look(0.8)][-1].right_eye is not None
    finally:
        finder.close()
        source.close()


def test_the_pace_follows_the_settings_and_keeps_what_a_frame_costs() -> None:
    pacer = Pacer(InferenceSettings(busy_fraction=1.0), 10.0)
    assert pacer.step(0.0, 0.08, empty=False) == 0.0
    pacer.adopt(InferenceSettings(busy_fraction=0.25), 10.0)
    assert pacer.step(0.1, 0.08, empty=False) == pytest.approx(0.32)
    assert pacer.slowed
