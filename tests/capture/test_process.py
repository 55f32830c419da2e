"""The capture process itself: a real child of a real supervisor, with real files and a real network camera."""

from __future__ import annotations

import os
import random
import selectors
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edged.capture.process import Backoff
from edged.frames import FrameSlot, FrameStamp
from edged.messages import Beacon, CaptureReport, Failed, Pause, Picture, Resume, TakePicture, Upward
from edged.processes.supervisor import Supervisor
from edged.processes.table import PROCESSES, Loss
from edged.settings import CaptureSettings, Settings
from tests.capture.stand_ins import Image, network_camera, number_of, write_clip


class Rig:
    """A supervisor with one capture child, its frame slot, and what it said."""

    def __init__(self, source: object, **options: Any) -> None:
        self.slot = FrameSlot.create(640 * 480 * 3)
        self.selector = selectors.DefaultSelector()
        self.heard: list[Upward] = []
        self.losses: list[Loss] = []
        capture = CaptureSettings(source=str(source), retry_seconds=0.1, retry_max_seconds=0.3, **options)
        self.supervisor = Supervisor(
            Settings(capture=capture),
            self.slot,
            self.selector,
            on_message=lambda name, message: self.heard.append(message),
            on_loss=self.losses.append,
            table={"capture": PROCESSES["capture"]},
        )
        self.pixels = np.empty(640 * 480 * 3, np.uint8)
        self.supervisor.start()

    def until(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"it did not happen in time: {self.heard[-3:]} {self.losses}"
            for key, _ in self.selector.select(min(0.05, self.supervisor.tick())):
                key.data()

    def reports(self, state: str) -> list[CaptureReport]:
        return [each for each in self.heard if isinstance(each, CaptureReport) and each.state == state]

    def frame(self, after: int) -> tuple[FrameStamp, Image]:
        found: list[FrameStamp] = []

        def look() -> bool:
            stamp = self.slot.read(after, self.pixels.data, 0.05)
            if stamp is not None:
                found.append(stamp)
            return stamp is not None

        self.until(look)
        stamp = found[0]
        return stamp, self.pixels[: stamp.size_bytes].reshape(stamp.height, stamp.width, 3)

    @property
    def pid(self) -> int:
        pid = self.supervisor.children["capture"].pid
        assert pid is not None
        return pid

    def close(self) -> None:
        self.supervisor.stop()
        self.selector.close()
        self.slot.close()


Make = Callable[..., Rig]


@pytest.fixture
def rig() -> Iterator[Make]:
    made: list[Rig] = []

    def make(source: object, **options: Any) -> Rig:
        made.append(Rig(source, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_frames_flow_with_numbers_and_stamps(rig: Make) -> None:
    play = rig("sitter:", frames_per_second=30)
    play.until(lambda: play.reports("streaming"))
    assert play.reports("opening")[0].description == "sitter:"
    assert "640x480 at 30 fps" in play.reports("streaming")[0].description
    sequence = 0
    last_captured = 0
    for _ in range(5):
        stamp, image = play.frame(sequence)
        assert stamp.sequence > sequence
        assert stamp.captured_ns > last_captured
        assert abs(time.time_ns() - stamp.wall_ns) < 5e9
        assert stamp.at_ms == pytest.approx(stamp.frame / 30 * 1000)
        assert image.shape == (480, 640, 3)
        sequence, last_captured = stamp.sequence, stamp.captured_ns
    assert not play.losses


def test_in_lockstep_no_frame_of_a_file_is_missed_and_the_end_is_told(rig: Make, tmp_path: Path) -> None:
    play = rig(write_clip(tmp_path / "clip.mp4", frames=25), pace="fast", loop=False)
    numbers = []
    sequence = 0
    for _ in range(25):
        stamp, image = play.frame(sequence)
        assert number_of(image) == stamp.frame
        numbers.append(stamp.frame)
        sequence = stamp.sequence
        play.slot.taken(sequence)
    assert numbers == list(range(25))
    play.until(lambda: play.reports("ended"))
    beacons = len(play.heard)
    play.until(lambda: len(play.heard) > beacons + 1)  # alive, idle, ready for Stop
    assert isinstance(play.heard[-1], Beacon)
    assert not play.losses


def test_a_slow_reader_holds_a_file_up_without_being_taken_for_dead(rig: Make, tmp_path: Path) -> None:
    play = rig(write_clip(tmp_path / "clip.mp4"), pace="fast")
    play.frame(0)
    began = time.monotonic()
    play.until(lambda: time.monotonic() - began > 4.5)
    assert play.slot.newest_sequence() == 1
    assert not play.losses
    play.slot.taken(1)
    assert play.frame(1)[0].frame == 1


def test_a_wish_for_fewer_frames_reaches_the_source(rig: Make) -> None:
    play = rig("sitter:", frames_per_second=50)
    play.frame(0)
    play.slot.set_demand(0.2)
    stamp, _ = play.frame(play.slot.newest_sequence() + 1)
    later, _ = play.frame(stamp.sequence)
    assert later.sequence == stamp.sequence + 1
    assert later.frame - stamp.frame >= 9


def test_paused_it_gives_no_frames_and_resumed_it_does(rig: Make) -> None:
    with network_camera() as camera:
        play = rig(camera.address("/mjpeg"))
        play.frame(0)
        assert play.supervisor.send("capture", Pause()) is not False
        play.until(lambda: any(isinstance(each, Beacon) and each.doing == "paused" for each in play.heard))
        before = play.slot.newest_sequence()
        sockets = [entry for entry in Path(f"/proc/{play.pid}/fd").iterdir() if "socket" in str(entry.readlink())]
        assert len(sockets) == 1  # the link; the camera's connection is closed
        heard = len(play.heard)
        play.until(lambda: len(play.heard) > heard)  # alive, and still idle
        assert play.slot.newest_sequence() == before
        play.supervisor.send("capture", Resume())
        assert play.frame(before)[0].sequence == before + 1
        play.until(lambda: len(play.reports("streaming")) == 2)


def test_a_camera_that_dies_is_reported_and_taken_back_without_a_leak(rig: Make) -> None:
    with network_camera() as camera:
        play = rig(camera.address("/mjpeg", "me:hunter2@"), frozen_seconds=0.5)
        play.frame(0)
        open_files = len(os.listdir(f"/proc/{play.pid}/fd"))
        for turn in range(1, 4):
            camera.stop()
            lost = len(play.reports("lost"))
            play.until(lambda lost=lost: len(play.reports("lost")) >= lost + 2)  # type: ignore[misc]
            camera.start()
            play.until(lambda turn=turn: len(play.reports("streaming")) == turn + 1)  # type: ignore[misc]
            assert play.reports("streaming")[-1].reopened == turn
            play.frame(play.slot.newest_sequence())
        assert len(os.listdir(f"/proc/{play.pid}/fd")) == open_files
        assert "hunter2" not in str(play.heard)
        assert all(0 < report.retry_seconds <= 0.3 for report in play.reports("lost"))
        assert not play.losses


def test_a_frozen_camera_is_told_and_opened_again(rig: Make) -> None:
    with network_camera() as camera:
        play = rig(camera.address("/mjpeg"), frozen_seconds=0.5)
        play.frame(0)
        camera.frozen.set()
        play.until(lambda: play.reports("lost"))
        assert "no picture for 0.5 s" in play.reports("lost")[0].reason
        camera.frozen.clear()
        play.until(lambda: len(play.reports("streaming")) == 2)
        assert not play.losses


def test_an_absent_camera_is_asked_for_again_and_again(rig: Make) -> None:
    play = rig("/dev/video97")
    play.until(lambda: len(play.reports("lost")) >= 4)
    assert "there is no such camera (plug it in" in play.reports("lost")[0].reason
    assert not play.losses


@pytest.mark.parametrize("source", ["gopher://camera", "picamera2:front"])
def test_what_cannot_work_here_ends_for_good_with_the_cure(rig: Make, source: str) -> None:
    play = rig(source)
    play.until(lambda: play.losses)
    failed = next(each for each in play.heard if isinstance(each, Failed))
    assert failed.final
    assert "(" in failed.reason


def picture_of(play: Rig, request: str, quality: int = 85) -> list[Picture]:
    play.supervisor.send("capture", TakePicture(request, quality))

    def mine() -> list[Picture]:
        return [each for each in play.heard if isinstance(each, Picture) and each.request == request]

    play.until(lambda: mine() and len(mine()) == mine()[0].parts)
    return mine()


def test_a_picture_asked_for_comes_in_parts(rig: Make, tmp_path: Path) -> None:
    grey = np.random.default_rng(1).integers(0, 255, (480, 640), np.uint8)
    noisy = cv2.merge((grey, grey, grey))
    path = tmp_path / "noise.png"
    cv2.imwrite(str(path), noisy)
    play = rig(path)
    play.frame(0)
    parts = picture_of(play, "one", quality=100)
    assert len(parts) > 1
    assert [part.part for part in parts] == list(range(len(parts)))
    decoded = cv2.imdecode(np.frombuffer(b"".join(part.data for part in parts), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert float(np.abs(decoded.astype(int) - noisy).mean()) < 10


def test_a_picture_from_before_a_pause_is_not_handed_out_after_it(rig: Make) -> None:
    play = rig("sitter:", frames_per_second=0.2)  # the next picture is seconds away
    play.frame(0)
    # All three reach it at once: were it to read between them, it would take a new picture, which is a good answer.
    os.kill(play.pid, signal.SIGSTOP)
    play.supervisor.pause()
    play.supervisor.resume()
    play.supervisor.send("capture", TakePicture("stale", 85))
    os.kill(play.pid, signal.SIGCONT)
    play.until(lambda: [each for each in play.heard if isinstance(each, Picture)])
    (answer,) = [each for each in play.heard if isinstance(each, Picture)]
    assert answer.data == b""


def test_without_a_picture_the_reason_is_given(rig: Make) -> None:
    play = rig("/dev/video97")
    play.until(lambda: play.reports("lost"))
    (answer,) = picture_of(play, "none")
    assert answer.data == b""
    assert "no such camera" in answer.reason


def test_it_ends_at_once_when_told(rig: Make) -> None:
    play = rig("sitter:", frames_per_second=0.2)  # asleep between two frames
    play.frame(0)
    began = time.monotonic()
    play.supervisor.stop()
    assert time.monotonic() - began < 2


def test_pauses_grow_to_their_bound_and_are_never_alike() -> None:
    backoff = Backoff(0.5, 15.0, random.Random(1))
    pauses = [backoff.next_seconds() for _ in range(2000)]
    assert all(0.3 * 2**n <= pause <= 0.5 * 2**n for n, pause in enumerate(pauses[:5]))
    assert all(9.0 <= pause <= 15.0 for pause in pauses[6:])
    assert len(set(pauses)) == len(pauses)
    backoff.reset()
    assert backoff.next_seconds() <= 0.5
