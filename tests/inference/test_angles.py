"""Head pose and gaze: signs and sizes as `observations` documents them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from edged.inference import gaze
from edged.inference.head_pose import _INDEX, _REFERENCE, head_pose


def mesh(yaw: float, pitch: float, roll: float, scale: float = 12.0) -> NDArray[np.float32]:
    """The reference face, turned (degrees: to the sitter's left, up, to the left shoulder), as a mesh finds it."""
    y, p, r = (math.radians(angle) for angle in (yaw, pitch, roll))
    # x to the viewer's right, y up, z towards the viewer; the nose points along z, the crown along y.
    to_left = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    upwards = np.array([[1, 0, 0], [0, math.cos(p), math.sin(p)], [0, -math.sin(p), math.cos(p)]])
    to_shoulder = np.array([[math.cos(r), math.sin(r), 0], [-math.sin(r), math.cos(r), 0], [0, 0, 1]])
    turned = _REFERENCE @ (to_left @ upwards @ to_shoulder).T * scale
    points = np.zeros((468, 3), np.float32)
    points[_INDEX] = turned * [1, -1, -1] + [320, 240, 0]
    return points


@pytest.mark.parametrize(
    "angles",
    [
        (0, 0, 0),
        (30, 0, 0),
        (-30, 0, 0),
        (0, 20, 0),
        (0, -20, 0),
        (0, 0, 25),
        (0, 0, -25),
        (40, -15, 10),
        (-55, 10, 35),
    ],
)
@pytest.mark.parametrize("scale", [3.0, 40.0])
def test_a_turned_face_has_the_angles_it_was_turned_by(angles: tuple[float, float, float], scale: float) -> None:
    assert head_pose(mesh(*angles, scale)) == pytest.approx(angles, abs=1)


def test_signs_are_the_sitters_own() -> None:
    nose, crown, cheek = 1, 10, 234
    ahead, left, up, tipped = mesh(0, 0, 0), mesh(20, 0, 0), mesh(0, 20, 0), mesh(0, 0, 20)
    assert left[nose, 0] > ahead[nose, 0], "turned to the sitter's left, the nose goes to the viewer's right"
    assert up[nose, 1] < ahead[nose, 1], "turned up, the nose goes up, where y is less"
    assert tipped[crown, 0] > ahead[crown, 0], "the crown goes to the viewer's right, where the left shoulder is"
    assert ahead[cheek, 0] < ahead[nose, 0], "the sitter's right cheek is on the viewer's left"


def test_noise_of_a_pixel_is_a_matter_of_two_degrees() -> None:
    noise = np.random.default_rng(3).normal(0, 1, (468, 3)).astype(np.float32)
    assert head_pose(mesh(15, -10, 5) + noise) == pytest.approx((15, -10, 5), abs=2)


def test_gaze_straight_ahead_is_nought() -> None:
    assert gaze.gaze_yaw_degrees(0, 0) == 0
    assert gaze.gaze_pitch_degrees(gaze.REST_HEIGHT, 1.0, 0, 0) == pytest.approx(0)


def rises(values: list[float]) -> bool:
    return all(one < other for one, other in itertools.pairwise(values))


@pytest.mark.parametrize("head", [-30, 0, 30])
def test_gaze_grows_with_the_iriss_place(head: float) -> None:
    offsets = [number / 100 for number in range(-6, 11)]
    assert rises([gaze.gaze_yaw_degrees(offset, head) for offset in offsets])
    assert rises([gaze.gaze_pitch_degrees(offset, 1.0, 0, head) for offset in offsets])


def test_signs_of_gaze_are_the_sitters_own() -> None:
    assert gaze.gaze_yaw_degrees(0.1, 0) > 10, "an iris towards the sitter's left looks left"
    assert gaze.gaze_yaw_degrees(-0.1, 0) == pytest.approx(-gaze.gaze_yaw_degrees(0.1, 0))
    assert gaze.gaze_pitch_degrees(0.1, 1.0, 0, 0) > 0
    assert gaze.gaze_pitch_degrees(0.0, 1.0, 0, 0) < 0


def test_lids_go_with_the_eye() -> None:
    pitches = [gaze.gaze_pitch_degrees(0.05, opened, 0, 0) for opened in (0.5, 0.7, 0.9, 1.1)]
    assert rises(pitches)
    # What a blink does to the lids is no gaze: beyond a look's range they say no more.
    assert gaze.gaze_pitch_degrees(0.05, 0.0, 0, 0) == gaze.gaze_pitch_degrees(0.05, 0.5, 0, 0)
    assert gaze.gaze_pitch_degrees(0.05, 1.5, 0, 0) == gaze.gaze_pitch_degrees(0.05, 1.2, 0, 0)


def test_a_head_that_turns_takes_eyes_that_rest_in_it_along() -> None:
    assert 5 < gaze.gaze_yaw_degrees(0, 30) < 30
    assert -30 < gaze.gaze_yaw_degrees(0, -30) < -5
    assert 5 < gaze.gaze_pitch_degrees(gaze.REST_HEIGHT, 1.0, 30, 0) < 30


def test_impossible_places_are_the_end_of_the_scale() -> None:
    assert gaze.gaze_yaw_degrees(5.0, 0) == 90
    assert gaze.gaze_pitch_degrees(-5.0, 1.0, 0, 0) == -90
