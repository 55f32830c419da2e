"""The motion gate: what moves, what does not, and what is a cut."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edged.inference.motion import MotionGate
from edged.observations import Box

Image = NDArray[np.uint8]
THRESHOLD = 6.0


def room(seed: int = 1, brightness: float = 90.0, height: int = 480, width: int = 640) -> Image:
    """Blotches of light and dark with structure at the size of furniture."""
    noise = np.random.default_rng(seed)
    coarse = noise.normal(0, 40, (6, 8)).astype(np.float32)
    grey = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) + brightness
    levels: Image = np.clip(grey, 0, 255).astype(np.uint8)
    return cv2.merge([levels] * 3)  # type: ignore[return-value]


def noisy(image: Image, levels: float, seed: int) -> Image:
    noise = np.random.default_rng(seed).normal(0, levels, image.shape)
    found: Image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return found


def lit(image: Image, gain: float, offset: float = 0.0) -> Image:
    found: Image = np.clip(image * gain + offset, 0, 255).astype(np.uint8)
    return found


def with_person(image: Image, x: int, width: int = 80, height: int = 200, brightness: int = 160) -> Image:
    found = image.copy()
    found[480 - height :, max(0, x) : x + width] = brightness
    return found


def looked(images: list[Image], fps: float = 7.0) -> list[tuple[bool, bool]]:
    gate = MotionGate(THRESHOLD)
    return [gate.look(image, number / fps) for number, image in enumerate(images)]


def test_the_first_frame_moves() -> None:
    assert looked([room()]) == [(True, False)]


@pytest.mark.parametrize("levels", [2, 10, 20])
def test_sensor_noise_does_not_move(levels: float) -> None:
    told = looked([noisy(room(), levels, seed) for seed in range(40)])
    # How noisy it is must be found out first.
    assert told[20:] == [(False, False)] * 20


def test_through_noise_a_person_still_moves() -> None:
    images = [noisy(room(), 10, seed) for seed in range(30)]
    images += [noisy(with_person(room(), 10 * step - 60), 10, 100 + step) for step in range(5)]
    told = looked(images)
    assert not any(moves for moves, _ in told[20:30])
    assert any(moves for moves, _ in told[30:33])


def test_noise_in_the_dark_is_no_cut() -> None:
    told = looked([noisy(room(brightness=8) // 8, 6, seed) for seed in range(10)])
    assert not any(cut for _, cut in told)


@pytest.mark.parametrize("size", [(640, 480), (1920, 1080), (320, 240), (64, 64)])
def test_a_person_who_walks_in_moves(size: tuple[int, int]) -> None:
    empty, entered = room(), with_person(room(), -20, width=80)
    told = looked([cv2.resize(image, size) for image in (empty, empty, empty, entered)])  # type: ignore[misc]
    assert told[1:] == [(False, False), (False, False), (True, False)]


def test_a_face_at_the_far_wall_moves() -> None:
    far = room()
    far[200:240, 300:332] = lit(far[200:240, 300:332], 1, 45)
    assert looked([room(), room(), far])[-1] == (True, False)


def test_what_came_and_stays_is_taken_for_the_scene_in_the_end() -> None:
    told = looked([room()] * 3 + [with_person(room(), 300)] * 120)
    assert all(moves for moves, _ in told[3:15])
    assert told[-1] == (False, False)


def test_evening_does_not_move() -> None:
    told = looked([lit(room(), 1 - number / 800) for number in range(400)])
    assert sum(moves for moves, _ in told[1:]) == 0


@pytest.mark.parametrize("gain", [0.4, 0.6, 1.6])
def test_a_light_that_is_switched_moves_and_is_no_cut(gain: float) -> None:
    told = looked([room()] * 3 + [lit(room(), gain)] * 3)
    assert told[3] == (True, False)
    assert not any(cut for _, cut in told)


def test_a_lamp_on_one_side_is_no_cut() -> None:
    lamp = np.clip(room() + np.linspace(0, 70, 640)[None, :, None], 0, 255).astype(np.uint8)
    told = looked([room()] * 3 + [lamp] * 3)
    assert told[3] == (True, False)


def test_another_scene_is_a_cut() -> None:
    told = looked([room(1)] * 3 + [room(2)] * 3)
    assert told[3] == (True, True)
    assert told[4:] == [(False, False)] * 2, "the new scene is the reference now"


def test_somebody_who_fills_half_of_the_picture_is_no_cut() -> None:
    told = looked([room()] * 3 + [with_person(room(), 200, width=260, height=420)])
    assert told[3] == (True, False)


def test_the_threshold_is_a_setting() -> None:
    dim = room()
    dim[200:300, 200:300] = lit(dim[200:300, 200:300], 1, 10)
    for threshold, moves in ((6.0, True), (20.0, False)):
        gate = MotionGate(threshold)
        gate.look(room(), 0.0)
        assert gate.look(dim, 0.1)[0] is moves


def test_time_that_runs_back_is_survived() -> None:
    gate = MotionGate(THRESHOLD)
    gate.look(room(), 10.0)
    assert gate.look(room(), 1.0) == (False, False)
    assert gate.look(with_person(room(), 100), 1.1) == (True, False)


def test_who_is_followed_does_not_move_beside_themselves_but_somebody_else_does() -> None:
    gate = MotionGate(THRESHOLD)
    followed = Box(120.0, 280.0, 80.0, 90.0)
    for frame in range(5):
        gate.look(room(), frame / 15)
    gate.look(with_person(room(), x=120), 5 / 15)
    assert gate.moves_beside([]), "somebody came"
    assert not gate.moves_beside([followed])
    gate.look(with_person(with_person(room(), x=120), x=480), 6 / 15)
    assert gate.moves_beside([followed])
    assert not gate.moves_beside([followed, Box(480.0, 280.0, 80.0, 90.0)])


def test_noise_does_not_move_beside_anybody() -> None:
    gate = MotionGate(THRESHOLD)
    for frame in range(60):
        gate.look(noisy(room(), 10.0, frame), frame / 15)
    assert not gate.moves_beside([])
