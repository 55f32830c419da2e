"""Figures of an eye from its contour and iris, on contours drawn by formula."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edged.inference.crops import Square, to_frame
from edged.inference.eyes import Eye, eye_square, measure

Points = NDArray[np.float32]


def contour(width: float = 40.0, opening: float = 0.3, x: float = 100.0, y: float = 80.0, angle: float = 0.0) -> Points:
    """71 points: 0..8 the lower lid from the viewer's left to right, 9..15 the upper; the rest lies anywhere.

    opening: between the lids, on average over the points that are measured, over the width.
    """
    along = np.linspace(-0.5, 0.5, 9)
    bulge = np.cos(along * math.pi)
    half = opening / 2 / bulge[2:7].mean()
    points: NDArray[Any] = np.zeros((71, 2))
    points[:9] = np.stack([along, half * bulge], axis=1)
    points[9:16] = np.stack([along[1:8], -half * bulge[1:8]], axis=1)
    placed: Points = turned(points * width, angle) + np.array([x, y], np.float32)
    return placed


def turned(points: NDArray[np.float64], angle: float) -> Points:
    matrix = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    found: Points = (points @ matrix).astype(np.float32)
    return found


def iris(x: float, y: float) -> Points:
    return np.array([[x, y], [x + 5, y], [x, y - 5], [x - 5, y], [x, y + 5]], np.float32)


@pytest.mark.parametrize("opening", [0.0, 0.1, 0.3, 0.5])
@pytest.mark.parametrize("angle", [0.0, 0.5, -1.0])
def test_the_opening_over_the_width_whatever_the_head_does(opening: float, angle: float) -> None:
    eye = measure(contour(opening=opening, angle=angle), iris(100, 80))
    assert eye.aspect_ratio == pytest.approx(opening, abs=1e-3)
    assert eye.width == pytest.approx(40, abs=1e-3)
    assert (eye.offset_x, eye.offset_y) == pytest.approx((0, 0), abs=1e-3)


@pytest.mark.parametrize("angle", [0.0, 0.5, -1.0])
def test_the_iris_is_measured_along_the_corners_and_upwards(angle: float) -> None:
    moved = turned(np.array([[4.0, -2.0]]), angle)[0]  # to the viewer's right, and up on the screen
    eye = measure(contour(angle=angle), iris(100 + moved[0], 80 + moved[1]))
    assert (eye.offset_x, eye.offset_y) == pytest.approx((0.1, 0.05), abs=1e-3)


def test_the_left_eye_whose_contour_runs_the_other_way_measures_alike() -> None:
    points = contour()
    mirrored = points.copy()
    mirrored[:, 0] = 200 - mirrored[:, 0]
    eye = measure(mirrored, iris(104, 78))
    assert (eye.offset_x, eye.offset_y) == pytest.approx((0.1, 0.05), abs=1e-3)
    assert eye.aspect_ratio == pytest.approx(0.3, abs=1e-3)


def test_an_eye_without_width_is_no_division_by_zero() -> None:
    eye = measure(np.zeros((71, 2), np.float32), np.zeros((5, 2), np.float32))
    assert math.isfinite(eye.aspect_ratio)


@pytest.mark.parametrize("mirrored", [False, True])
def test_an_eye_moves_with_its_square(mirrored: bool) -> None:
    """What the network said of the cut is the same; only where the cut lies is not."""
    before, now = Square(100, 80, 92, 0.1), Square(112, 71, 110, -0.2)
    within = contour(width=28, x=32, y=32)
    old = measure(
        to_frame(within, before, 64, mirrored=mirrored), to_frame(iris(34, 31), before, 64, mirrored=mirrored)
    )
    new = measure(to_frame(within, now, 64, mirrored=mirrored), to_frame(iris(34, 31), now, 64, mirrored=mirrored))
    moved = old.moved(before, now)
    assert np.abs(moved.contour - new.contour).max() < 1e-3
    assert np.abs(moved.iris - new.iris).max() < 1e-3
    assert figures(moved) == pytest.approx(figures(new), abs=1e-4)


def figures(eye: Eye) -> tuple[float, float, float, float]:
    return eye.aspect_ratio, eye.offset_x, eye.offset_y, eye.width


def test_an_eye_is_looked_for_level_with_its_corners() -> None:
    outer, inner = np.array([80, 100, 0], np.float32), np.array([120, 110, 0], np.float32)
    square = eye_square(outer, inner, right=True)
    assert (square.x, square.y) == (100, 105)
    assert square.side == pytest.approx(2.3 * math.hypot(40, 10))
    assert square.angle == pytest.approx(math.atan2(10, 40))
    # The left eye's outer corner is on the viewer's right.
    assert eye_square(inner, outer, right=False) == square
