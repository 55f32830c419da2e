"""Video files: every frame once, upright, in time, for ever or to the end."""

from __future__ import annotations

import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

from edged.capture.container import mp4_rotation_degrees
from edged.capture.files import FileSource
from edged.capture.opening import open_source
from edged.errors import SourceUnavailable
from tests.capture.stand_ins import corner, number_of, read_all, settings, write_clip
from tests.data_files import data_file


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4")


def test_played_fast_every_frame_comes_once_in_order(clip: Path) -> None:
    source = open_source(settings(clip, pace="fast", loop=False))
    source.open()
    assert not source.live
    assert source.frame_count == 12
    assert source.frames_per_second == pytest.approx(20)
    assert "clip.mp4 320x240" in source.description
    frames = read_all(source)
    assert [frame.frame for frame in frames] == list(range(12))
    assert [number_of(frame.image) for frame in frames] == list(range(12))
    assert [frame.at_ms for frame in frames] == pytest.approx([50.0 * number for number in range(12)], abs=0.5)
    assert source.read() is None
    source.close()
    source.close()


def test_a_looped_file_counts_on(clip: Path) -> None:
    source = open_source(settings(clip, pace="fast"))
    source.open()
    assert source.frame_count is None
    frames = read_all(source, 30)
    assert [frame.frame for frame in frames] == list(range(30))
    assert [number_of(frame.image) for frame in frames] == [number % 12 for number in range(30)]
    assert [frame.at_ms for frame in frames] == pytest.approx([50.0 * number for number in range(30)], abs=1)
    source.close()


def test_opened_again_it_begins_again(clip: Path) -> None:
    source = open_source(settings(clip, pace="fast", loop=False))
    for _ in range(2):
        source.open()
        assert len(read_all(source)) == 12
        source.close()


class Clock:
    """Counts what a source would have slept, and sleeps."""

    def __init__(self) -> None:
        self.slept = 0.0

    def wait(self, seconds: float) -> None:
        self.slept += seconds
        time.sleep(seconds)


def test_in_real_time_a_file_lasts_as_long_as_it_is(clip: Path) -> None:
    clock = Clock()
    source = open_source(settings(clip, loop=False), clock.wait)
    source.open()
    began = time.monotonic()
    frames = read_all(source)
    assert time.monotonic() - began >= 0.54
    assert frames[-1].frame == 11
    assert clock.slept > 0


def test_in_real_time_a_slow_reader_misses_frames_and_keeps_their_numbers(clip: Path) -> None:
    source = open_source(settings(clip, loop=False))
    source.open()
    first = source.read()
    assert first is not None
    time.sleep(0.3)
    later = source.read()
    assert later is not None
    assert later.frame >= 4
    assert number_of(later.image) == later.frame


def test_a_wish_for_fewer_frames_is_granted_in_real_time_and_ignored_in_lockstep(clip: Path) -> None:
    source = FileSource(settings(clip, loop=False), lambda seconds: None)
    source.open()
    source.set_interval(0.1)
    assert [frame.frame for frame in read_all(source)] == [0, 2, 4, 6, 8, 10]
    source = FileSource(settings(clip, loop=False, pace="fast"))
    source.open()
    source.set_interval(0.1)
    assert len(read_all(source)) == 12


def rewrite_matrix(clip: Path, numbers: tuple[int, int, int, int]) -> None:
    """Turn a clip's picture by writing the display matrix of its track header (ISO 14496-12, 8.3.2)."""
    data = bytearray(clip.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (number * 0x10000 for number in numbers)
    struct.pack_into(">9i", data, matrix, a, b, 0, c, d, 0, 0, 0, 0x40000000)
    clip.write_bytes(data)


@pytest.mark.parametrize(
    ("matrix", "degrees", "red_goes"),
    [
        ((1, 0, 0, 1), 0, "top left"),
        ((0, 1, -1, 0), 90, "top right"),
        ((-1, 0, 0, -1), 180, "bottom right"),
        ((0, -1, 1, 0), 270, "bottom left"),
    ],
)
def test_the_display_matrix_is_honoured(
    clip: Path, matrix: tuple[int, int, int, int], degrees: int, red_goes: str
) -> None:
    rewrite_matrix(clip, matrix)
    assert mp4_rotation_degrees(clip) == degrees
    source = open_source(settings(clip, pace="fast"))
    source.open()
    captured = source.read()
    assert captured is not None
    assert captured.image.shape == ((240, 320, 3) if degrees in (0, 180) else (320, 240, 3))
    assert corner(captured.image, red_goes) == "red"
    source.close()


def test_the_matrix_ffmpeg_writes_is_understood(clip: Path, tmp_path: Path) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    turned = tmp_path / "turned.mp4"
    command = ["ffmpeg", "-v", "error", "-display_rotation", "90", "-i", str(clip), "-c", "copy", str(turned)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this ffmpeg cannot write a display matrix")
    assert mp4_rotation_degrees(turned) == 270  # ffmpeg counts against the clock


@pytest.mark.data
def test_a_portrait_clip_of_a_phone_comes_upright() -> None:
    source = open_source(settings(data_file("video/center_left_center.mp4"), pace="fast", loop=False))
    source.open()
    captured = source.read()
    assert captured is not None
    assert captured.image.shape == (480, 272, 3)
    assert "turned 90 degrees" in source.description
    source.close()


@pytest.mark.data
def test_a_gif_is_a_clip_too() -> None:
    source = open_source(settings(data_file("video/head_pose_male.gif"), pace="fast", loop=False))
    source.open()
    frames = read_all(source)
    assert len(frames) == source.frame_count == 62
    assert frames[-1].at_ms == pytest.approx(5080, abs=1)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("absent.mp4", None, "no such file"),
        ("noise.mp4", b"this is no video at all, not in the least", "not a video"),
        ("empty.mp4", b"", "not a video"),
    ],
)
def test_a_file_that_cannot_be_played_is_said_to_be_so(
    tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    source = open_source(settings(path))
    with pytest.raises(SourceUnavailable, match=says):
        source.open()


def test_a_truncated_clip_plays_as_far_as_it_goes(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "cut.avi", frames=40)
    data = clip.read_bytes()
    clip.write_bytes(data[: len(data) * 2 // 3])
    source = open_source(settings(clip, pace="fast", loop=False))
    source.open()
    frames = read_all(source)
    assert 10 < len(frames) < 40
    assert [frame.frame for frame in frames] == list(range(len(frames)))


def test_reading_what_is_not_open_is_an_error_and_no_crash(clip: Path) -> None:
    with pytest.raises(SourceUnavailable, match="not open"):
        open_source(settings(clip)).read()


def test_looping_leaves_no_descriptor_behind(clip: Path) -> None:
    source = open_source(settings(clip, pace="fast"))
    source.open()
    read_all(source, 13)
    before = len(list(Path("/proc/self/fd").iterdir()))
    read_all(source, 120)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    source.close()


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\0\x08moov", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\0\x01moov", b"\0\0\0\0ftyp"]
)
def test_broken_containers_have_no_rotation(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    assert mp4_rotation_degrees(path) is None
