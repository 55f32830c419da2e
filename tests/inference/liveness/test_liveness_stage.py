"""Which pictures of a face are asked about, when, and what the network says of real ones."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edged.inference.crops import Image
from edged.inference.finder import FoundFace, Scene
from edged.inference.litert_faces import LiteRtFaces
from edged.inference.liveness.spoof import SpoofNet, sharpness
from edged.inference.liveness.stage import LivenessStage
from edged.inference.models import SPOOF_MODEL, ModelStore
from edged.inference.stages import Surroundings
from edged.observations import Box, Face
from edged.settings import InferenceSettings
from tests.data_files import data_file, store_with

NOISE: Image = np.random.default_rng(2).integers(0, 255, (480, 640, 3), np.uint8)
BLURRED: Image = cv2.GaussianBlur(NOISE, (0, 0), 4)  # type: ignore[assignment]
FACE = FoundFace(1, Box(200, 150, 120, 150), 0.9)


@pytest.fixture
def store() -> ModelStore:
    found = store_with(SPOOF_MODEL)
    if found.problem(SPOOF_MODEL) is not None:
        pytest.skip(f"model {SPOOF_MODEL} is not in {found.directory} (edged models pull {SPOOF_MODEL})")
    return found


def stage_of(store: ModelStore, **liveness: Any) -> LivenessStage:
    generous = {"enabled": True, "busy_fraction": 1.0, "motion": False}
    settings = InferenceSettings.model_validate({"liveness": {**generous, **liveness}})
    return LivenessStage(settings, Surroundings(store))


def measured(*faces: FoundFace, yaw: float = 0.0) -> dict[int, Face]:
    return {face.track: Face(face.track, face.box, face.score, yaw_degrees=yaw, pitch_degrees=0.0) for face in faces}


def asked(stage: LivenessStage, image: Image, face: FoundFace, at: float, *, yaw: float = 0.0) -> bool:
    return bool(stage.look(image, [face], measured(face, yaw=yaw), at))


def test_a_new_face_is_looked_at_a_few_times_quickly_and_then_rarely(store: ModelStore) -> None:
    stage = stage_of(store, first_looks=3, first_seconds=0.3, interval_seconds=2.0)
    times = [frame for frame in range(80) if asked(stage, NOISE, FACE, frame / 10)]
    assert times == [0, 3, 6, 26, 46, 66]


def test_small_faces_and_faces_that_look_away_are_not_asked_about(store: ModelStore) -> None:
    stage = stage_of(store, smallest_face_pixels=64, largest_turn_degrees=35.0)
    small = FoundFace(2, Box(10, 10, 40, 50), 0.9)
    assert not asked(stage, NOISE, small, 0.0)
    assert not asked(stage, NOISE, FACE, 0.1, yaw=50)
    assert asked(stage, NOISE, FACE, 0.2, yaw=20)


def test_a_blurred_picture_waits_for_a_sharp_one_but_not_for_ever(store: ModelStore) -> None:
    stage = stage_of(store, first_looks=1, interval_seconds=2.0)
    assert sharpness(BLURRED) < 0.5 * sharpness(NOISE)
    times = [frame for frame in range(70) if asked(stage, NOISE if frame in {0, 25} else BLURRED, FACE, frame / 10)]
    # Due at 20, it waits for 25; due at 45, it has waited for as long as it may at 65.
    assert times == [0, 25, 65]


def test_one_face_a_frame_is_asked_about_and_none_is_forgotten(store: ModelStore) -> None:
    stage = stage_of(store, first_looks=1, interval_seconds=5.0)
    faces = [FoundFace(track, Box(200 + track, 150, 120, 150), 0.9) for track in (1, 2, 3)]
    answers = [list(stage.look(NOISE, faces, measured(*faces), frame / 30)) for frame in range(5)]
    assert sorted(track for answer in answers for track in answer) == [1, 2, 3]
    assert max(map(len, answers)) == 1


def test_a_slow_board_asks_more_rarely(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = stage_of(store, first_looks=50, first_seconds=0.1, busy_fraction=0.1)
    # Processor time as it would pass on a board where each look takes a tenth of a second.
    clock = iter(index * 0.1 for index in range(1000))
    monkeypatch.setattr("edged.inference.liveness.stage.time.thread_time", lambda: next(clock))
    times = [frame for frame in range(35) if asked(stage, NOISE, FACE, frame / 10)]
    # A tenth of a core: a second of rest after each.
    assert len(times) == 4
    assert all(10 <= after - before <= 11 for before, after in itertools.pairwise(times))


def test_a_stream_that_begins_anew_is_looked_at_at_once(store: ModelStore) -> None:
    stage = stage_of(store)
    assert asked(stage, NOISE, FACE, 900.0)
    assert asked(stage, NOISE, FACE, 0.0)


def test_it_is_switched_on_and_off_while_it_runs(store: ModelStore) -> None:
    stage = stage_of(store, enabled=False)
    running = [stage.running]
    stage.adopt(InferenceSettings.model_validate({"liveness": {"enabled": True}}))
    running.append(stage.running)
    assert asked(stage, NOISE, FACE, 0.0)
    stage.adopt(InferenceSettings())
    assert [*running, stage.running] == [False, True, False]


def test_a_missing_model_is_named_and_everything_else_goes_on(tmp_path: Path) -> None:
    stage = stage_of(ModelStore(tmp_path))
    assert not stage.running
    assert stage.missing_models == [SPOOF_MODEL]


def looked_at(name: str, store: ModelStore, models: Path) -> tuple[float, float, float]:
    """What the stage says of the face of a still picture."""
    picture = cv2.imread(str(data_file(name)))
    assert picture is not None
    finder = LiteRtFaces(InferenceSettings(max_faces=1), ModelStore(models))
    stage = stage_of(store)
    found: list[FoundFace] = []
    for frame in range(4):
        found = finder.find(picture, Scene(frame / 10, True, False))  # type: ignore[arg-type]
    assert found
    answer = stage.look(picture, found, measured(*found), 0.0)[found[0].track]  # type: ignore[arg-type]
    finder.close()
    return answer.live, answer.printed, answer.replayed


@pytest.mark.data
def test_a_live_face_is_live(store: ModelStore, models_directory: Path) -> None:
    assert looked_at("spoof/live_T1.jpg", store, models_directory)[0] > 0.9


@pytest.mark.data
def test_a_print_is_a_print(store: ModelStore, models_directory: Path) -> None:
    assert looked_at("spoof/print_F1.jpg", store, models_directory)[1] > 0.9


@pytest.mark.data
def test_a_face_on_a_screen_is_not_live(store: ModelStore, models_directory: Path) -> None:
    live, printed, replayed = looked_at("spoof/screen_rgb_fake.jpg", store, models_directory)
    assert live < 0.1
    assert printed + replayed > 0.9


def test_probabilities_sum_to_one(store: ModelStore) -> None:
    net = SpoofNet(store.path(SPOOF_MODEL))
    assert sum(net.ask(net.cut(NOISE, FACE.box))) == pytest.approx(1)
    # A face at the edge of the picture: what is outside is black, and no error.
    assert sum(net.ask(net.cut(NOISE, Box(-60, -50, 120, 150)))) == pytest.approx(1)
