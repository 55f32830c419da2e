"""The sitter as a camera: its pictures follow the truth, and the same script gives the same pixels."""

from __future__ import annotations

import dataclasses
import itertools
import time
from pathlib import Path

import numpy as np
import pytest

from edged.capture.opening import open_source
from edged.capture.sitter import DEMO_SCRIPT, load_script, script_path
from edged.capture.sitter_drawing import SitterPainter
from edged.capture.sitter_script import Truth, load
from edged.errors import SettingsError
from tests.capture.stand_ins import Image, read_all, settings


@pytest.fixture(scope="module")
def painter() -> SitterPainter:
    return SitterPainter(640, 480, 7)


@pytest.fixture(scope="module")
def sitting() -> Truth:
    """The demo's sitter, looking at the screen, without noise and roll."""
    truth = load(DEMO_SCRIPT).truth_at(3.0)
    return dataclasses.replace(truth, noise=0.0, head_roll_degrees=0.0, x=0.5, y=0.45, width=0.29)


def eye(picture: Image, side: str) -> Image:
    """Around one of the sitter's eyes; the sitter's left is at the viewer's right."""
    x = 320 + (36 if side == "left" else -36) * 186 // 180
    y = 216 - 16 * 186 // 180
    return picture[y - 16 : y + 16, x - 24 : x + 24].copy()


def white(patch: Image) -> int:
    return int((patch.min(axis=2) > 200).sum())


def pupil_x(patch: Image) -> float:
    """Where the darkest spot of the middle lines is, pixels from the patch's middle."""
    lines = patch[13:21].astype(float).mean(axis=(0, 2))
    weight = np.clip(120 - lines, 0, None) ** 2
    return float((weight * (np.arange(len(lines)) - 23.5)).sum() / weight.sum())


def test_the_same_truth_gives_the_same_pixels(sitting: Truth) -> None:
    noisy = dataclasses.replace(sitting, noise=3.0)
    first = SitterPainter(320, 240, 5).paint(noisy, 9).copy()
    other = SitterPainter(320, 240, 5)
    other.paint(dataclasses.replace(noisy, gaze_yaw_degrees=20, x=0.3), 3)
    assert np.array_equal(first, other.paint(noisy, 9))
    assert not np.array_equal(first, SitterPainter(320, 240, 6).paint(noisy, 9))


def test_lids_shut_the_sitters_own_eye(painter: SitterPainter, sitting: Truth) -> None:
    open_eyes = painter.paint(sitting, 0).copy()
    winking = painter.paint(dataclasses.replace(sitting, lid_left=0.0), 0)
    assert white(eye(open_eyes, "left")) > 60
    assert white(eye(winking, "left")) == 0
    assert white(eye(winking, "right")) == white(eye(open_eyes, "right"))


def test_irises_go_where_the_sitter_looks(painter: SitterPainter, sitting: Truth) -> None:
    places = []
    for yaw in (-25.0, 0.0, 25.0):
        picture = painter.paint(dataclasses.replace(sitting, gaze_yaw_degrees=yaw), 0)
        places.append(pupil_x(eye(picture, "left")))
    # To the sitter's left is to the viewer's right.
    assert places[0] + 4 < places[1] < places[2] - 4


def test_an_absent_sitter_leaves_the_room_as_it_is(painter: SitterPainter, sitting: Truth) -> None:
    away = dataclasses.replace(sitting, in_view=False, present=False)
    empty = painter.paint(away, 0).copy()
    assert not np.array_equal(empty, painter.paint(sitting, 0))
    assert np.array_equal(empty, painter.paint(away, 1))


def test_light_and_noise_do_what_they_say(painter: SitterPainter, sitting: Truth) -> None:
    day = painter.paint(sitting, 0).astype(float)
    dusk = painter.paint(dataclasses.replace(sitting, light=0.4), 0).astype(float)
    assert dusk.mean() == pytest.approx(0.4 * day.mean(), rel=0.02)
    for level in (2.0, 12.0):
        noisy = [painter.paint(dataclasses.replace(sitting, noise=level), frame).astype(float) for frame in range(4)]
        assert (noisy[0] - noisy[1]).std() == pytest.approx(level * 2**0.5, rel=0.15)
        assert noisy[0].mean() == pytest.approx(day.mean(), abs=6)


@pytest.mark.parametrize(
    ("x", "y", "width"), [(-0.2, 0.5, 0.3), (1.3, 0.5, 0.3), (0.5, -0.2, 0.5), (0.5, 1.2, 0.9), (0.5, 0.5, 0.02)]
)
def test_the_face_may_be_anywhere_and_of_any_size(
    painter: SitterPainter, sitting: Truth, x: float, y: float, width: float
) -> None:
    assert painter.paint(dataclasses.replace(sitting, x=x, y=y, width=width), 0).shape == (480, 640, 3)


@pytest.mark.parametrize("size", [(64, 64), (333, 479), (1280, 720)])
def test_pictures_have_the_size_asked_for(size: tuple[int, int], sitting: Truth) -> None:
    picture = SitterPainter(*size).paint(sitting, 0)
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous


def test_played_fast_every_frame_comes_with_its_scripted_time() -> None:
    source = open_source(settings("sitter:", pace="fast", frames_per_second=10, width=160, height=120))
    source.open()
    assert not source.live
    assert "half a minute at the desk 160x120 at 10 fps" in source.description
    frames = read_all(source, 320)
    assert [frame.frame for frame in frames] == list(range(320))
    assert frames[-1].at_ms == pytest.approx(31900)
    # The second time round is the first again, but for the noise.
    difference = np.abs(frames[310].image.astype(int) - frames[10].image.astype(int))
    assert difference.max() < 16


def test_played_once_it_ends_with_its_script() -> None:
    source = open_source(settings("sitter:", pace="fast", loop=False, frames_per_second=4, width=160, height=120))
    source.open()
    assert source.frame_count == 120
    assert len(read_all(source)) == 120


def test_in_real_time_frames_keep_their_rate_and_skipped_ones_their_numbers() -> None:
    source = open_source(settings("sitter:", frames_per_second=50, width=160, height=120))
    source.open()
    assert source.live
    first = source.read()
    time.sleep(0.3)
    later = source.read()
    assert first is not None
    assert later is not None
    assert later.frame >= 14
    assert later.at_ms == pytest.approx(later.frame * 20)
    source.set_interval(0.1)
    next_frames = read_all(source, 3)
    gaps = [b.frame - a.frame for a, b in itertools.pairwise(next_frames)]
    assert all(gap >= 5 for gap in gaps)


def test_a_picture_shows_the_truth_of_its_own_number() -> None:
    source = open_source(settings("sitter:", pace="fast", frames_per_second=15))
    source.open()
    frames = read_all(source, 90)
    script = load(DEMO_SCRIPT)
    painter = SitterPainter(640, 480, script.seed)
    for number in (0, 30, 56, 75):
        assert np.array_equal(frames[number].image, painter.paint(script.truth_at(number / 15), number))


def test_scripts_are_found_and_missed(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("[sitter]\npresent = true\nduration_seconds = 2\n")
    assert script_path("sitter:") == script_path("sitter://") == DEMO_SCRIPT
    assert load_script(f"sitter:{mine}").duration_seconds == 2
    with pytest.raises(SettingsError, match=r"absent\.toml: does not exist"):
        open_source(settings(f"sitter:{tmp_path}/absent.toml")).open()
    mine.write_text("[sitter]\nwidht = 2\n")
    with pytest.raises(SettingsError, match="did you mean width"):
        open_source(settings(f"sitter:{mine}")).open()


def test_turned_and_mirrored_like_any_camera() -> None:
    source = open_source(settings("sitter:", pace="fast", rotate_degrees=90, mirror=True, width=320, height=240))
    source.open()
    captured = source.read()
    assert captured is not None
    assert captured.image.shape == (240, 180, 3)
