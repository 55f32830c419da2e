"""Anchors, boxes and suppression of the face detector, against cases counted by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edged.inference.face_detection import FaceDetector, anchors


class DrawnNetwork:
    """A network whose answer is written down beforehand; keeps what it was asked."""

    def __init__(self, size: int, count: int) -> None:
        self.name = "drawn"
        self.invocations = 0
        self.input = np.empty((1, size, size, 3), np.float32)
        self.outputs = [np.zeros((1, count, 16), np.float32), np.full((1, count, 1), -100, np.float32)]

    def run(self) -> None:
        self.invocations += 1

    def answer(self, anchor: int, score: float, box: tuple[float, float, float, float], *points: float) -> None:
        self.outputs[0][0, anchor] = (*box, *(points or [0.0] * 12))
        self.outputs[1][0, anchor, 0] = math.log(score / (1 - score))


def detector(network: DrawnNetwork) -> FaceDetector:
    stand_in: Any = network
    return FaceDetector(stand_in)


def picture(width: int, height: int) -> NDArray[np.uint8]:
    return np.zeros((height, width, 3), np.uint8)


def test_short_range_anchors() -> None:
    found = anchors(128, ((16, 2), (8, 6)))
    assert found.shape == (896, 2)
    assert found[0].tolist() == found[1].tolist() == [4, 4]
    assert found[2].tolist() == [12, 4]
    assert found[32].tolist() == [4, 12]
    assert found[511].tolist() == [124, 124]
    assert found[512].tolist() == found[517].tolist() == [8, 8]
    assert found[518].tolist() == [24, 8]
    assert found[-1].tolist() == [120, 120]


def test_full_range_anchors() -> None:
    found = anchors(192, ((48, 1),))
    assert found.shape == (2304, 2)
    assert found[0].tolist() == [2, 2]
    assert found[49].tolist() == [6, 6]
    assert found[-1].tolist() == [190, 190]


def test_a_box_is_decoded_into_frame_pixels() -> None:
    network = DrawnNetwork(128, 896)
    # Anchor 2 lies at (12, 4): a box of 20 x 30 whose middle is 8 right and 60 down of it, right eye 1 left and 2 up.
    network.answer(2, 0.9, (8, 60, 20, 30), -1, -2, *[0.0] * 10)
    face = detector(network).detect(picture(640, 640), 0.5)[0]
    assert face.box == pytest.approx((50, 245, 100, 150))
    assert face.points[0] == pytest.approx([55, 10])
    assert face.score == pytest.approx(0.9, abs=1e-5)


@pytest.mark.parametrize(("width", "height", "left", "top"), [(640, 480, 0, 16), (480, 640, 16, 0), (64, 32, 0, 32)])
def test_bars_around_a_picture_are_taken_off_again(width: int, height: int, left: int, top: int) -> None:
    network = DrawnNetwork(128, 896)
    network.answer(0, 0.9, (60, 60, 20, 20))  # its middle in the middle of the input, which is that of the picture
    face = detector(network).detect(picture(width, height), 0.5)[0]
    middle = face.box.x + face.box.width / 2, face.box.y + face.box.height / 2
    assert middle == pytest.approx((width / 2, height / 2))
    assert face.box.width == pytest.approx(20 * max(width, height) / 128)
    assert network.input[0, top, left, 0] == -1
    assert network.input.min() >= -1


def test_the_picture_is_asked_about_as_rgb_from_minus_one_to_one() -> None:
    network = DrawnNetwork(128, 896)
    image = picture(640, 480)
    image[:] = (255, 0, 127)  # blue, green, red
    detector(network).detect(image, 0.5)
    assert network.input[0, 64, 64] == pytest.approx([-0.004, -1, 1], abs=0.01)
    assert network.input[0, 2, 64] == pytest.approx([-1, -1, -1])


def test_overlapping_boxes_are_averaged_by_score() -> None:
    network = DrawnNetwork(128, 896)
    network.answer(0, 0.8, (60, 60, 20, 20), *[60.0] * 12)
    network.answer(1, 0.4, (63, 60, 26, 20), *[66.0] * 12)
    network.answer(40, 0.6, (30, 80, 12, 12))
    faces = detector(network).detect(picture(128, 128), 0.3)
    assert [round(face.score, 3) for face in faces] == [0.8, 0.6]
    best = faces[0]
    # Two thirds of the first and one third of the second: left (54, 54), right (74, 80).
    assert best.box == pytest.approx((54, 54, 22, 20), abs=1e-3)
    assert best.points[0] == pytest.approx([66, 66], abs=1e-3)


def test_boxes_side_by_side_are_two_faces() -> None:
    network = DrawnNetwork(128, 896)
    network.answer(0, 0.8, (40, 60, 20, 20))
    network.answer(1, 0.9, (52, 60, 20, 20))
    faces = detector(network).detect(picture(128, 128), 0.5)
    assert [face.box.x for face in faces] == [46.0, 34.0]


def test_scores_below_the_wanted_are_no_faces() -> None:
    network = DrawnNetwork(128, 896)
    network.answer(0, 0.6, (40, 60, 20, 20))
    assert detector(network).detect(picture(128, 128), 0.61) == []
    assert len(detector(network).detect(picture(128, 128), 0.59)) == 1
    assert detector(network).detect(picture(128, 128), 1.0) == []
    assert len(detector(DrawnNetwork(128, 896)).detect(picture(128, 128), 0.0)) >= 1


def test_the_landmarks_are_looked_for_level_with_the_eyes() -> None:
    network = DrawnNetwork(128, 896)
    # The sitter's right eye is on the viewer's left; here the left eye is lower: the head tips to the sitter's left.
    network.answer(0, 0.9, (60, 60, 20, 30), 50, 55, 70, 65, *[60.0] * 8)
    square = detector(network).detect(picture(128, 128), 0.5)[0].square()
    assert (square.x, square.y, square.side) == pytest.approx((64, 64, 45))
    assert square.angle == pytest.approx(math.atan2(10, 20))


def test_outputs_may_come_in_either_order() -> None:
    network = DrawnNetwork(192, 2304)
    network.answer(0, 0.9, (94, 94, 20, 20))
    network.outputs.reverse()
    swapped: Any = SimpleNamespace(input=network.input, outputs=network.outputs, run=network.run, name="drawn")
    face = FaceDetector(swapped).detect(picture(192, 192), 0.5)[0]
    assert face.box == pytest.approx((86, 86, 20, 20))
