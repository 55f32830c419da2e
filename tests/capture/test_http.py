"""Network cameras that speak HTTP, real ones on the loopback."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.capture.multipart import Multipart, boundary_of
from edged.capture.opening import open_source
from edged.errors import SourceUnavailable
from tests.capture.stand_ins import NetworkCamera, network_camera, number_of, read_all, settings, write_clip


@pytest.fixture
def camera() -> Iterator[NetworkCamera]:
    with network_camera() as made:
        yield made


@pytest.mark.parametrize("with_length", [True, False])
def test_mjpeg_pictures_come_in_order(camera: NetworkCamera, with_length: bool) -> None:
    camera.with_length = with_length
    source = open_source(settings(camera.address("/mjpeg")))
    source.open()
    assert source.live
    frames = read_all(source, 10)
    assert [number_of(frame.image) for frame in frames] == [frame.frame % 20 for frame in frames]
    assert frames[0].image.shape == (480, 640, 3)
    assert all(later.captured_ns > earlier.captured_ns for earlier, later in itertools.pairwise(frames))
    assert "HTTP MJPEG" in source.description
    assert "640x480" in source.description
    source.close()


def test_mjpeg_is_decoded_no_larger_than_needed(camera: NetworkCamera) -> None:
    source = open_source(settings(camera.address("/mjpeg"), width=320, height=240))
    source.open()
    captured = source.read()
    assert captured is not None
    assert captured.image.shape == (240, 320, 3)
    source.close()


def test_pictures_nobody_wants_are_counted_and_not_returned(camera: NetworkCamera) -> None:
    source = open_source(settings(camera.address("/mjpeg")))
    source.open()
    source.read()
    source.set_interval(0.1)
    frames = read_all(source, 4)
    assert frames[-1].frame - frames[0].frame >= 9
    assert [number_of(frame.image) for frame in frames] == [frame.frame % 20 for frame in frames]
    source.close()


def test_a_slow_reader_gets_the_newest_picture(camera: NetworkCamera) -> None:
    source = open_source(settings(camera.address("/mjpeg")))
    source.open()
    first = source.read()
    time.sleep(0.6)
    later = source.read()
    assert first is not None
    assert later is not None
    assert later.frame - first.frame > 10
    source.close()


def test_a_frozen_camera_is_noticed_and_a_living_source_keeps_its_owner_informed(camera: NetworkCamera) -> None:
    waits: list[float] = []
    source = open_source(settings(camera.address("/mjpeg"), frozen_seconds=0.6), waits.append)
    source.open()
    source.read()
    camera.frozen.set()
    with pytest.raises(SourceUnavailable, match=r"no picture for 0\.6 s"):
        read_all(source)
    assert len(waits) >= 2
    source.close()


def test_a_camera_that_dies_is_lost_and_one_that_returns_is_opened_again(camera: NetworkCamera) -> None:
    source = open_source(settings(camera.address("/mjpeg")))
    source.open()
    source.read()
    camera.stop()
    with pytest.raises(SourceUnavailable, match=r"ended|broke"):
        read_all(source)
    source.close()
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        source.open()
    camera.start()
    source.open()
    assert source.read() is not None
    source.close()


def test_a_single_picture_is_asked_for_at_the_set_rate(camera: NetworkCamera) -> None:
    slept: list[float] = []
    source = open_source(settings(camera.address("/still"), frames_per_second=5), slept.append)
    source.open()
    frames = read_all(source, 3)
    assert [frame.frame for frame in frames] == [0, 1, 2]
    assert len(slept) == 2
    source.close()


def test_a_user_and_a_password_are_sent_and_never_shown(camera: NetworkCamera) -> None:
    camera.authorization = "Basic bWU6cyNjcmV0"  # me:s#cret
    source = open_source(settings(camera.address("/mjpeg", "me:s%23cret@")))
    source.open()
    assert source.read() is not None
    assert "cret" not in source.description
    source.close()
    wrong = open_source(settings(camera.address("/mjpeg", "me:hunter2@")))
    with pytest.raises(SourceUnavailable, match="wants a user and a password") as raised:
        wrong.open()
    assert "hunter2" not in str(raised.value)


def test_other_video_is_left_to_ffmpeg(tmp_path: Path) -> None:
    with network_camera(write_clip(tmp_path / "clip.mp4")) as camera:
        source = open_source(settings(camera.address("/clip.mp4")))
        source.open()
        assert "320x240" in source.description
        captured = source.read()
        assert captured is not None
        assert captured.image.shape == (240, 320, 3)
        with pytest.raises(SourceUnavailable, match="the stream ended"):
            read_all(source)
        source.close()


@pytest.mark.parametrize(
    ("path", "says"), [("/absent", "answers 404"), ("/silent", "cannot be reached"), ("/mjpeg", "wants a user")]
)
def test_what_is_wrong_is_said(camera: NetworkCamera, path: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.capture.http.OPEN_SECONDS", 0.3)
    camera.authorization = "Basic never" if path == "/mjpeg" else ""
    with pytest.raises(SourceUnavailable, match=says):
        open_source(settings(camera.address(path))).open()


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/x-mixed-replace; boundary=frame", b"frame"),
        ("multipart/x-mixed-replace;boundary=--myboundary", b"myboundary"),
        ('Multipart/X-Mixed-Replace; boundary="a b"', b"a b"),
        ("image/jpeg", None),
        ("multipart/x-mixed-replace", None),
    ],
)
def test_boundaries_as_cameras_write_them(content_type: str, boundary: bytes | None) -> None:
    assert boundary_of(content_type) == boundary


@given(
    bodies=st.lists(st.binary(min_size=1, max_size=60).filter(lambda body: b"--edge" not in body), max_size=6),
    cuts=st.lists(st.integers(1, 40), max_size=30),
    with_length=st.booleans(),
)
def test_parts_come_out_whole_however_they_are_chopped_up(
    bodies: list[bytes], cuts: list[int], with_length: bool
) -> None:
    stream = b""
    for body in bodies:
        length = b"Content-Length: %d\r\n" % len(body) if with_length else b""
        stream += b"--edge\r\nContent-Type: image/jpeg\r\n" + length + b"\r\n" + body + b"\r\n"
    stream += b"--edge\r\n"
    parts, found = Multipart(b"edge"), []
    for cut in (*cuts, len(stream)):
        piece, stream = stream[:cut], stream[cut:]
        found += parts.feed(piece)
    found += parts.feed(stream)
    assert found == bodies


def test_an_endless_part_is_no_picture() -> None:
    parts = Multipart(b"edge")
    parts.feed(b"--edge\r\n\r\n")
    for _ in range(16):
        parts.feed(bytes(1024 * 1024 - 1))
    with pytest.raises(ValueError, match="16 MB"):
        parts.feed(bytes(1024 * 1024))
    with pytest.raises(ValueError, match="announced"):
        Multipart(b"edge").feed(b"--edge\r\nContent-Length: 99999999\r\n\r\n")
