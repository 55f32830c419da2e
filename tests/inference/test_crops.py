"""Turned squares: what is cut out of a frame is found back where it was."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edged.inference.crops import Cutter, Image, Square, to_frame


def frame_with_dot(x: int, y: int, width: int = 320, height: int = 240, radius: int = 3) -> Image:
    image = np.zeros((height, width, 3), np.uint8)
    image[y - radius : y + radius + 1, x - radius : x + radius + 1] = (255, 128, 64)
    return image


def middle_of_light(picture: Image) -> tuple[float, float]:
    """Where the light is, in pixels whose first begins at 0: half a pixel more than its index."""
    light = picture.astype(np.float64).sum(axis=2)
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    return float((columns * light).sum() / light.sum()) + 0.5, float((rows * light).sum() / light.sum()) + 0.5


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("angle", [0.0, 0.4, -0.7, math.pi / 2, 3.0])
@pytest.mark.parametrize("side", [40.0, 64.0, 120.0])
def test_a_point_of_the_cut_is_found_back_in_the_frame(side: float, angle: float, mirrored: bool) -> None:
    x, y = 167, 112
    cutter = Cutter(64)
    square = Square(160.0, 115.0, side, angle)
    cut = cutter.cut(frame_with_dot(x, y), square, mirrored=mirrored)
    found = np.array([middle_of_light(cut)], np.float32)
    back = to_frame(found, square, 64, mirrored=mirrored)
    assert back[0] == pytest.approx([x, y], abs=0.35)


def test_a_large_square_is_thinned_and_still_in_place() -> None:
    cutter = Cutter(64)
    square = Square(600.0, 400.0, 700.0, 0.3)
    cut = cutter.cut(frame_with_dot(700, 350, 1280, 720, radius=20), square)
    back = to_frame(np.array([middle_of_light(cut)], np.float32), square, 64)
    assert back[0] == pytest.approx([700, 350], abs=700 / 64 / 2)


def test_mirroring_is_across_the_cuts_own_middle() -> None:
    cutter = Cutter(64)
    image = np.random.default_rng(1).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    square = Square(150.0, 100.0, 80.0, 0.0)
    plain = cutter.cut(image, square).copy()
    assert np.abs(cutter.cut(image, square, mirrored=True).astype(int) - plain[:, ::-1]).max() <= 2


def test_an_upright_square_of_the_same_size_is_the_frame_itself_in_rgb() -> None:
    image = np.random.default_rng(1).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    assert (Cutter(64).cut(image, Square(31.5, 31.5, 64.0, 0.0)) == image[:, :, ::-1]).all()


@pytest.mark.parametrize("place", [(-500, -500), (5, 5), (310, 230), (9000, 50), (160, -30)])
def test_outside_of_the_frame_is_black(place: tuple[int, int]) -> None:
    image = np.full((240, 320, 3), 200, np.uint8)
    cut = Cutter(64).cut(image, Square(float(place[0]), float(place[1]), 100.0, 0.5))
    assert cut.shape == (64, 64, 3)
    inside = 0 <= place[0] < 320 and 0 <= place[1] < 240
    assert (cut[32, 32] == (200 if inside else 0)).all()
    assert (cut == 0).any()


def test_a_cut_is_written_as_shares_into_a_networks_input() -> None:
    cutter = Cutter(64)
    cutter.cut(np.full((100, 100, 3), (255, 51, 0), np.uint8), Square(50, 50, 60, 0))
    network_input = np.empty((1, 64, 64, 3), np.float32)
    cutter.fill(network_input)
    assert network_input[0, 32, 32] == pytest.approx([0.0, 0.2, 1.0], abs=1e-6)


def test_the_third_column_is_scaled_like_the_others() -> None:
    points = np.array([[32.0, 32.0, 10.0]], np.float32)
    assert to_frame(points, Square(100, 50, 128, 1.0), 64)[0] == pytest.approx([100, 50, 20])
