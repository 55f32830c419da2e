"""A covered lens is told from a scene, in light and in noise."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edged.capture.opening import open_source
from edged.inference.crops import Image
from edged.inference.finder import FoundFace
from edged.inference.lens import LensStage, detail
from edged.inference.models import ModelStore
from edged.inference.stages import Surroundings
from edged.observations import Box
from edged.settings import CaptureSettings, InferenceSettings
from edged.settings.objects import LensSettings
from tests.data_files import data_file

LEAST = LensSettings().least_detail


def cover(level: float, noise: float) -> Image:
    """A hand before the lens: one colour, brighter to one side, and the sensor's noise."""
    random = np.random.default_rng(1)
    down, across = np.mgrid[0:480, 0:640]
    light = level * (1 - 0.5 * ((across - 200) / 640) ** 2 - 0.4 * ((down - 300) / 480) ** 2)
    picture = light[..., None] * np.array([0.5, 0.6, 1.0]) + random.normal(0, noise, (480, 640, 3))
    covered: Image = np.clip(picture, 0, 255).astype(np.uint8)
    return covered


def stage_of(**lens: object) -> LensStage:
    return LensStage(InferenceSettings.model_validate({"lens": lens}), Surroundings(ModelStore(Path("/nowhere"))))


@pytest.mark.parametrize("level", [0, 20, 90, 180, 250])
@pytest.mark.parametrize("noise", [0, 3, 10])
def test_a_hand_before_the_lens_shows_nothing(level: float, noise: float) -> None:
    assert detail(cover(level, noise)) < LEAST / 2


def test_an_empty_room_is_not_a_covered_lens() -> None:
    source = open_source(CaptureSettings(source="sitter:", pace="fast", frames_per_second=1.0))
    source.open()
    try:
        empty = source.read()
        assert empty is not None
        assert detail(empty.image) > 2 * LEAST
    finally:
        source.close()


@pytest.mark.data
@pytest.mark.parametrize("clip", ["d9.mp4", "classroom.mp4", "street_1080p.mp4", "head_pose_male.gif", "s32.mp4"])
def test_a_real_scene_is_not_a_covered_lens_and_a_blurred_one_is(clip: str) -> None:
    capture = cv2.VideoCapture(str(data_file(f"video/{clip}")))
    there, picture = capture.read()
    capture.release()
    assert there
    assert detail(picture) > 3 * LEAST  # type: ignore[arg-type]
    # What is left of it through a jacket.
    small = cv2.resize(picture, (64, 48), interpolation=cv2.INTER_AREA)
    covered = cv2.resize(cv2.GaussianBlur(small, (0, 0), 10), (640, 480), interpolation=cv2.INTER_CUBIC)
    assert detail((covered * 0.4).astype(np.uint8)) < LEAST


def test_it_looks_now_and_then() -> None:
    stage = stage_of(interval_seconds=0.5)
    answers = [stage.look(cover(90, 3), [], frame / 10, False) for frame in range(11)]
    assert [at for at, answer in enumerate(answers) if answer is not None] == [0, 5, 10]
    assert answers[0] is True


def test_who_sees_a_face_is_not_covered() -> None:
    face = FoundFace(1, Box(100, 100, 50, 60), 0.9)
    assert stage_of().look(cover(90, 3), [face], 0.0, False) is False


def test_it_is_switched_off_from_afar() -> None:
    stage = stage_of()
    running = [stage.running]
    stage.adopt(InferenceSettings(lens=LensSettings(enabled=False)))
    assert [*running, stage.running] == [True, False]


def test_a_picture_smaller_than_the_grid_is_looked_at_too() -> None:
    assert detail(np.zeros((48, 64, 3), np.uint8)) == 0.0
