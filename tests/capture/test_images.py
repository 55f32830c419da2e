"""Pictures and folders of pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edged.capture import jpeg
from edged.capture.opening import open_source
from edged.capture.shaping import Shaper
from edged.errors import SourceUnavailable
from tests.capture.stand_ins import corner, jpeg_of, number_of, numbered, read_all, settings


def fill(folder: Path, numbers: range = range(12)) -> None:
    for number in numbers:
        cv2.imwrite(str(folder / f"picture {number}.png"), numbered(number))


def test_a_folder_is_shown_in_natural_order(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "notes.txt").write_text("no picture")
    source = open_source(settings(tmp_path, pace="fast", loop=False, frames_per_second=10))
    source.open()
    assert source.frame_count == 12
    frames = read_all(source)
    assert [number_of(frame.image) for frame in frames] == list(range(12))
    assert [frame.frame for frame in frames] == list(range(12))
    assert frames[-1].at_ms == pytest.approx(1100)


def test_a_looped_folder_is_read_anew_each_time(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    source = open_source(settings(tmp_path, pace="fast"))
    source.open()
    read_all(source, 3)
    fill(tmp_path, range(3, 5))
    frames = read_all(source, 7)
    assert [number_of(frame.image) for frame in frames] == [0, 1, 2, 3, 4, 0, 1]
    assert [frame.frame for frame in frames] == list(range(3, 10))


def test_one_picture_is_shown_again_and_again_or_once(tmp_path: Path) -> None:
    path = tmp_path / "one.jpg"
    path.write_bytes(jpeg_of(numbered(4)))
    source = open_source(settings(path, pace="fast"))
    source.open()
    assert len(read_all(source, 5)) == 5
    source = open_source(settings(path, pace="fast", loop=False))
    source.open()
    assert len(read_all(source)) == 1


def test_in_real_time_pictures_keep_the_set_rate(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    slept: list[float] = []
    source = open_source(settings(tmp_path, loop=False, frames_per_second=2), slept.append)
    source.open()
    read_all(source)
    assert len(slept) == 2
    assert sum(slept) == pytest.approx(1.5, abs=0.3)  # nobody really slept, so the second wait holds the first


def test_damaged_pictures_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    (tmp_path / "picture 1.png").write_bytes(b"damaged")
    source = open_source(settings(tmp_path, pace="fast", loop=False))
    source.open()
    frames = read_all(source)
    assert [frame.frame for frame in frames] == [0, 2]


def show(path: Path) -> None:
    source = open_source(settings(path))
    source.open()
    source.read()


@pytest.mark.parametrize("names", [(), ("bad.png",)])
def test_a_folder_without_a_usable_picture_is_an_error(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"bad")
    with pytest.raises(SourceUnavailable, match="no picture"):
        show(tmp_path)


def test_an_absent_picture_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="no such file"):
        open_source(settings(tmp_path / "absent.png")).open()


@pytest.mark.parametrize("quality", [50, 95])
def test_the_size_of_a_jpeg_is_read_without_decoding(quality: int) -> None:
    data = cv2.imencode(".jpg", numbered(1, 322, 246), (cv2.IMWRITE_JPEG_QUALITY, quality))[1].tobytes()
    assert jpeg.jpeg_size(data) == (322, 246, False)
    progressive = cv2.imencode(".jpg", numbered(1, 322, 246), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1))[1].tobytes()
    assert jpeg.jpeg_size(progressive) == (322, 246, False)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\x00", b"\xff\xd8" + b"\0" * 40]
)
def test_what_is_no_jpeg_has_no_size_and_no_picture(data: bytes) -> None:
    assert jpeg.jpeg_size(data) is None
    assert jpeg.decode(data, Shaper(settings("x"))) is None


def test_large_jpegs_are_decoded_small_and_look_the_same() -> None:
    large = cv2.resize(numbered(5), (2560, 1920), interpolation=cv2.INTER_NEAREST)
    shaper = Shaper(settings("x"))
    decoded = jpeg.decode(jpeg_of(large.astype(np.uint8)), shaper)
    assert decoded is not None
    assert decoded.shape == (480, 640, 3)
    assert number_of(decoded) == 5
    assert corner(decoded, "top left") == "red"


def exif_turned(data: bytes, orientation: int) -> bytes:
    """A JPEG with an EXIF orientation (EXIF 2.3, tag 0x0112)."""
    body = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0" + bytes([orientation]) + b"\0\0\0\0\0\0"
    return data[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + data[2:]


def test_a_picture_a_phone_turned_comes_upright(tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    path.write_bytes(exif_turned(jpeg_of(numbered(2, 1280, 960)), 6))
    assert jpeg.jpeg_size(path.read_bytes()) == (1280, 960, True)
    source = open_source(settings(path, pace="fast"))
    source.open()
    captured = source.read()
    assert captured is not None
    assert captured.image.shape == (480, 360, 3)
    assert corner(captured.image, "top right") == "red"
