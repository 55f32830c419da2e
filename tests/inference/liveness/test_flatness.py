"""A print that is turned before the camera moves as a plane, and a head does not."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edged.inference.crops import Image
from edged.inference.finder import Scene
from edged.inference.litert_faces import LiteRtFaces
from edged.inference.liveness.flatness import FlatnessWatch, Turn, _turn
from edged.inference.models import ModelStore
from edged.settings import InferenceSettings
from tests.data_files import data_file
from tests.inference.liveness.planes import held_print, rotation

FOCAL, DISTANCE = 500.0, 6.0


def seen(points: NDArray[np.float64], yaw: float, pitch: float) -> NDArray[np.float32]:
    """Points (n x 3, a face's half width is 1) turned, before a pinhole camera."""
    turned = points @ rotation(yaw, pitch).T + [0, 0, DISTANCE]
    return (turned[:, :2] / turned[:, 2:] * FOCAL).astype(np.float32)


def cloud(depth: float) -> NDArray[np.float64]:
    """Corners on a face whose nose stands out by so much of its half width."""
    random = np.random.default_rng(3)
    across, down = random.uniform(-1, 1, (2, 40))
    return np.stack([across, down, -depth * np.exp(-3 * (across**2 + down**2))], axis=1)


@pytest.mark.parametrize(("yaw", "pitch"), [(25, 0), (0, 25), (-20, 15)])
def test_points_of_a_plane_are_flat_and_points_of_a_head_are_not(yaw: float, pitch: float) -> None:
    noise = np.random.default_rng(1).normal(0, 0.15, (40, 2)).astype(np.float32)
    flat, head = (_turn(seen(cloud(depth), 0, 0), seen(cloud(depth), yaw, pitch) + noise) for depth in (0.0, 0.8))
    assert flat is not None
    assert flat.flatness > 0.9
    assert head is not None
    assert head.flatness < 0.1


@pytest.mark.parametrize("turn", [0, 2, 30])
def test_what_only_moves_nearer_and_tips_tells_nothing(turn: float) -> None:
    before = seen(cloud(0.8), 0, 0)
    cosine, sine = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    after = 1.3 * before @ np.array([[cosine, sine], [-sine, cosine]], np.float32) + np.float32(40)
    assert _turn(before, after.astype(np.float32)) is None


def test_flatness_falls_as_the_plane_explains_less() -> None:
    values = [Turn(ratio, 30).flatness for ratio in (0.0, 0.2, 0.3, 0.42, 1.2)]
    assert values == sorted(values, reverse=True)
    assert (values[0], values[-1]) == (1.0, 0.0)


def flatness_of(frames: Iterable[Image], models: Path) -> list[float]:
    finder = LiteRtFaces(InferenceSettings(max_faces=1), ModelStore(models))
    watch = FlatnessWatch()
    told: list[float] = []
    for number, image in enumerate(frames):
        at = number / 30
        meshes = [face.mesh for face in finder.find(image, Scene(at, True, number == 0)) if face.mesh is not None]
        turns = [watch.look(image, mesh, at) for mesh in meshes]
        told += [turn.flatness for turn in turns if turn is not None]
    finder.close()
    return told


@pytest.mark.data
@pytest.mark.parametrize("name", ["Tony_Blair/Tony_Blair_0006.jpg", "Hugo_Chavez/Hugo_Chavez_0001.jpg"])
def test_a_photo_that_is_turned_before_the_camera_is_flat(models_directory: Path, name: str) -> None:
    photo = cv2.imread(str(data_file(f"faces/{name}")))
    assert photo is not None
    enlarged = cv2.resize(photo, (500, 500), interpolation=cv2.INTER_CUBIC)
    told = flatness_of(held_print(enlarged, 120), models_directory)  # type: ignore[arg-type]
    assert len(told) >= 2
    assert np.median(told) > 0.9


@pytest.mark.data
@pytest.mark.parametrize("clip", ["d3.mp4", "d9.mp4"])
def test_a_head_that_turns_is_not_flat(models_directory: Path, clip: str) -> None:
    capture = cv2.VideoCapture(str(data_file(f"video/{clip}")))

    def frames() -> Iterable[Image]:
        for _ in range(240):
            there, image = capture.read()
            if not there:
                return
            yield image  # type: ignore[misc]

    told = flatness_of(frames(), models_directory)
    capture.release()
    assert len(told) >= 2
    assert max(told) < 0.5
