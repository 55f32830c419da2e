"""Faces that outrun the picture rate: one person stays one track, and is found again where they are."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from edged.capture.opening import open_source
from edged.capture.sitter import load_script
from edged.capture.sitter_script import Script
from edged.frames import FrameStamp
from edged.inference.models import ModelStore
from edged.inference.pipeline import Pipeline
from edged.observations import Face, Observation
from edged.settings import CaptureSettings, InferenceSettings

RATE = 30.0
ARRIVED_FRAME, UNTIL_FRAME = 49, 140


def watch(models: Path, frames: set[int]) -> list[Observation]:
    """The sitter walks in; only these frames are analysed."""
    source = open_source(CaptureSettings(source="sitter:", pace="fast", frames_per_second=RATE))
    source.open()
    pipeline = Pipeline(InferenceSettings(), ModelStore(models))
    seen: list[Observation] = []
    for _ in range(UNTIL_FRAME):
        captured = source.read()
        assert captured is not None
        if captured.frame in frames:
            height, width = captured.image.shape[:2]
            stamp = FrameStamp(len(seen) + 1, captured.frame, 0, 0, captured.at_ms, width, height)
            seen.append(pipeline.analyse(captured.image, stamp))
    source.close()
    pipeline.close()
    return seen


def misplaced(script: Script, frame: int, face: Face) -> float:
    """How far the box's middle is from the face's, in face widths, across."""
    truth = script.truth_at(frame / RATE)
    return abs(face.box.x + face.box.width / 2 - truth.x * 640) / (truth.width * 640)


@pytest.mark.parametrize("kept", [1.0, 0.7, 0.5, 0.33])
@pytest.mark.parametrize("seed", range(3))
def test_somebody_who_walks_in_fast_is_one_person_and_where_they_are(
    models_directory: Path, kept: float, seed: int
) -> None:
    chance = random.Random(seed)
    frames = {frame for frame in range(UNTIL_FRAME) if chance.random() < kept}
    observations = watch(models_directory, frames)
    script = load_script("sitter:")
    # Whoever moves by a whole face between two pictures may be taken for somebody else, but only then.
    tracks = {face.track for one in observations for face in one.faces}
    assert tracks == {1} if kept >= 0.7 else len(tracks) <= 2
    assert max(len(one.faces) for one in observations) == 1
    settled = [one for one in observations if one.frame >= ARRIVED_FRAME + 8]
    assert all(one.faces for one in settled)
    assert max(misplaced(script, one.frame, one.faces[0]) for one in settled) < 0.2
