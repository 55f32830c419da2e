"""Crop, turn, mirror and scale, against the plain way of doing it."""

from __future__ import annotations

import itertools
from typing import Literal

import cv2
import numpy as np
import pytest

from edged.capture.shaping import Shaper
from tests.capture.stand_ins import Image, corner, numbered, settings

QUARTER: dict[int, int] = {0: 0, 90: 3, 180: 2, 270: 1}  # clockwise turns as np.rot90 counts them


def plain(image: Image, crop: tuple[float, ...], rotate: int, *, mirror: bool) -> Image:
    height, width = image.shape[:2]
    left, top, right, bottom = crop
    image = image[round(height * top) : round(height * bottom), round(width * left) : round(width * right)]
    image = np.rot90(image, QUARTER[rotate])
    return np.ascontiguousarray(image[:, ::-1] if mirror else image)


@pytest.mark.parametrize(
    ("rotate", "mirror", "crop"),
    list(itertools.product((0, 90, 180, 270), (False, True), ((0.0, 0.0, 1.0, 1.0), (0.25, 0.0, 0.75, 0.5)))),
)
def test_the_result_is_that_of_the_plain_way(
    rotate: Literal[0, 90, 180, 270], mirror: bool, crop: tuple[float, float, float, float]
) -> None:
    image = np.random.default_rng(1).integers(0, 255, (64, 96, 3), np.uint8)
    shaper = Shaper(settings("x", rotate_degrees=rotate, mirror=mirror, crop=crop))
    shaped = shaper.shape(image)
    assert np.array_equal(shaped, plain(image, crop, rotate, mirror=mirror))
    assert shaped.flags.c_contiguous
    assert (shaped.shape[1], shaped.shape[0]) == shaper.size(96, 64)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_the_crop_is_of_the_upright_picture_whatever_way_the_file_lies(
    rotation: int, rotate: Literal[0, 90, 180, 270]
) -> None:
    upright = np.random.default_rng(2).integers(0, 255, (80, 60, 3), np.uint8)
    lying = np.ascontiguousarray(np.rot90(upright, -QUARTER[rotation]))
    crop = (0.1, 0.2, 0.6, 0.9)
    shaped = Shaper(settings("x", rotate_degrees=rotate, crop=crop), rotation).shape(lying)
    assert np.array_equal(shaped, plain(upright, crop, rotate, mirror=False))


@pytest.mark.parametrize(
    ("size", "rotate", "expected"),
    [
        ((1280, 720), 0, (640, 360)),
        ((1280, 720), 90, (270, 480)),
        ((320, 240), 0, (320, 240)),  # never enlarged
        ((480, 848), 0, (272, 480)),
        ((640, 480), 0, (640, 480)),
        ((4000, 2), 0, (640, 1)),
    ],
)
def test_pictures_are_scaled_to_fit_and_never_enlarged(
    size: tuple[int, int], rotate: Literal[0, 90], expected: tuple[int, int]
) -> None:
    shaper = Shaper(settings("x", rotate_degrees=rotate))
    shaped = shaper.shape(np.zeros((size[1], size[0], 3), np.uint8))
    assert (shaped.shape[1], shaped.shape[0]) == expected == shaper.size(*size)


def test_a_picture_that_fits_passes_through_and_a_borrowed_one_is_copied() -> None:
    image = numbered(3)
    shaper = Shaper(settings("x"))
    assert shaper.leaves_alone
    assert shaper.shape(image) is not None
    assert np.shares_memory(shaper.shape(image), image)
    assert not np.shares_memory(shaper.shape(image, keep=True), image)


def test_memory_is_used_again() -> None:
    shaper = Shaper(settings("x", rotate_degrees=90))
    first = shaper.shape(numbered(1, 1280, 720))
    assert shaper.shape(numbered(2, 1280, 720)) is first


def test_pictures_may_change_size_and_kind() -> None:
    shaper = Shaper(settings("x", mirror=True))
    assert shaper.shape(numbered(1, 1280, 720)).shape == (360, 640, 3)
    assert shaper.shape(numbered(1, 320, 240)).shape == (240, 320, 3)
    grey = np.full((240, 320), 7, np.uint8)
    assert shaper.shape(grey).tolist() == np.full((240, 320, 3), 7).tolist()
    assert shaper.shape(cv2.cvtColor(numbered(1), cv2.COLOR_BGR2BGRA).astype(np.uint8)).shape == (240, 320, 3)


def test_mirroring_swaps_left_and_right() -> None:
    shaped = Shaper(settings("x", mirror=True)).shape(numbered(1))
    assert corner(shaped, "top right") == "red"
    assert corner(shaped, "top left") == "green"


@pytest.mark.parametrize(
    ("size", "crop", "factor"),
    [
        ((640, 480), (0.0, 0.0, 1.0, 1.0), 1),
        ((1279, 960), (0.0, 0.0, 1.0, 1.0), 1),  # half of it would be a pixel short
        ((1280, 960), (0.0, 0.0, 1.0, 1.0), 2),
        ((1920, 1080), (0.0, 0.0, 1.0, 1.0), 2),
        ((2592, 1944), (0.0, 0.0, 1.0, 1.0), 4),
        ((2592, 1944), (0.25, 0.25, 0.75, 0.75), 2),
        ((8000, 6000), (0.0, 0.0, 1.0, 1.0), 8),
    ],
)
def test_jpegs_are_reduced_only_as_far_as_no_analysed_pixel_is_lost(
    size: tuple[int, int], crop: tuple[float, float, float, float], factor: int
) -> None:
    assert Shaper(settings("x", crop=crop)).reduction(*size) == factor
