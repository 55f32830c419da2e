"""Streams through FFmpeg and pipelines through GStreamer."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from edged.capture.gstreamer import pipeline_of
from edged.capture.opening import open_source
from edged.errors import SourceUnavailable, SourceUnsupported
from tests.capture.stand_ins import numbered, read_all, settings


class Tap:
    """A TCP server that sends what it is given, slowly, and then falls silent or hangs up."""

    def __init__(self, data: bytes, *, hang_up: bool) -> None:
        self._data, self._hang_up = data, hang_up
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            while True:
                connection, _ = self._listener.accept()
                with connection:
                    connection.sendall(self._data)
                    if not self._hang_up:
                        self._over.wait()
        except OSError:
            return

    def close(self) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def avi(tmp_path: Path) -> bytes:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (320, 240))
    for number in range(40):
        writer.write(numbered(number))
    writer.release()
    return path.read_bytes()


@pytest.fixture
def tap(avi: bytes, request: pytest.FixtureRequest) -> Iterator[Tap]:
    made = Tap(avi, hang_up=bool(request.param))
    yield made
    made.close()


@pytest.mark.parametrize("tap", [True], indirect=True)
def test_a_stream_is_read_until_it_ends(tap: Tap) -> None:
    source = open_source(settings(tap.address))
    source.open()
    assert source.live
    assert "320x240" in source.description
    first = source.read()
    assert first is not None
    assert first.image.shape == (240, 320, 3)
    with pytest.raises(SourceUnavailable, match="the stream ended"):
        read_all(source)
    source.close()


@pytest.mark.parametrize("tap", [False], indirect=True)
def test_a_stream_that_falls_silent_is_lost_in_time(tap: Tap) -> None:
    source = open_source(settings(tap.address, frozen_seconds=0.5))
    source.open()
    began = time.monotonic()
    with pytest.raises(SourceUnavailable, match=r"no picture for|the stream ended"):
        read_all(source, 500)
    assert time.monotonic() - began < 20
    source.close()


@pytest.mark.parametrize("address", ["rtsp://me:hunter2@127.0.0.1:9/live", "tcp://127.0.0.1:9"])
def test_an_absent_stream_is_unavailable_and_keeps_its_secret(address: str) -> None:
    with pytest.raises(SourceUnavailable, match="does not open") as raised:
        open_source(settings(address)).open()
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "pipeline"),
    [
        (
            "gstreamer:videotestsrc",
            "videotestsrc ! videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false",
        ),
        ("gstreamer: a ! b ! appsink name=x", "a ! b ! appsink name=x"),
        (
            "gstreamer:a ! myappsinkish !",
            "a ! myappsinkish ! videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false",
        ),
    ],
)
def test_a_pipeline_gets_a_sink_if_it_has_none(address: str, pipeline: str) -> None:
    assert pipeline_of(address) == pipeline


def test_a_gstreamer_pipeline_runs_or_says_what_to_install() -> None:
    source = open_source(settings("gstreamer:videotestsrc ! video/x-raw,width=320,height=240,framerate=30/1"))
    if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        with pytest.raises(SourceUnsupported, match=r"apt install python3-opencv gstreamer.*--system-site-packages"):
            source.open()
        return
    source.open()
    captured = source.read()
    assert captured is not None
    assert captured.image.shape == (240, 320, 3)
    source.close()


def test_an_empty_pipeline_is_refused() -> None:
    with pytest.raises(SourceUnsupported, match="names no pipeline"):
        open_source(settings("gstreamer:")).open()


@pytest.fixture
def broadcast() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A live stream of 25 pictures a second from ffmpeg's own test generator."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"udp://127.0.0.1:{probe.getsockname()[1]}"
    command = [
        "ffmpeg",
        "-v",
        "quiet",
        "-re",
        "-f",
        "lavfi",
        "-i",
        "testsrc=size=320x240:rate=25",
        "-c:v",
        "mpeg2video",
    ]
    sender = subprocess.Popen([*command, "-g", "10", "-f", "mpegts", address])
    yield address, sender
    sender.kill()
    sender.wait()


def test_a_live_stream_stays_live_however_slowly_it_is_read(broadcast: tuple[str, subprocess.Popen[bytes]]) -> None:
    address, sender = broadcast
    waits: list[float] = []
    source = open_source(settings(address, frozen_seconds=0.6), waits.append)
    source.open()
    assert source.description == f"stream {address} 320x240 at 25 fps, analysed as 320x240"
    before = read_all(source, 20)[-1]
    time.sleep(1.2)
    after = source.read()
    assert after is not None
    assert after.frame - before.frame > 12  # what waited meanwhile was left out
    source.set_interval(0.2)
    thinned = read_all(source, 4)
    assert thinned[-1].frame - thinned[0].frame >= 12
    assert waits
    sender.send_signal(signal.SIGSTOP)
    with pytest.raises(SourceUnavailable, match=r"no picture for 0\.\d s"):
        read_all(source)
    source.close()
