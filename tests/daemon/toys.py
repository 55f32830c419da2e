"""Children for the daemon's tests: a camera and a pipeline of toys that speak the real protocol.

`capture.source` names a folder of small files, the strings that move the puppets: `camera` holds `streaming`, a reason why
the camera is lost, or `ended`; `faces` the number of faces; `gaze` their gaze yaw in degrees; `inference` may hold `dies`, `hopeless`, `blind`, `idles` or `forgetful` (no recognition); `sitter` says who each face is (`anna`, `bela`,
`stranger`), or `photo` of anna; `phone` holds one up. Enrolments succeed but for Nobody's.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from edged.errors import RuntimeMissing
from edged.frames import FrameSlot
from edged.messages import Adopt, CaptureReport, Enrol, Enrolled, InferenceReport, Pause, Picture, Resume, TakePicture
from edged.observations import Box, Face, Identity, Liveness, Observation, Pair, Thing
from edged.processes.child import ChildLink
from edged.settings import Settings

WIDTH, HEIGHT = 64, 64
FRAME_SECONDS = 1 / 30
FATAL_FACES = 13  # of these, or of so many threads, the toy pipeline dies
JPEG = b"\xff\xd8" + bytes(range(256)) * 400 + b"\xff\xd9"


def string(settings: Settings, name: str, default: str) -> str:
    try:
        return (Path(settings.capture.source) / name).read_text(encoding="utf-8").strip() or default
    except FileNotFoundError:
        return default


def capture(link: ChildLink, slot: FrameSlot, settings: Settings) -> None:
    """A camera of grey pictures."""
    paused = False
    told = ""
    frame = 0
    while not link.stopping:
        for message in link.receive():
            if isinstance(message, (Pause, Resume)):
                paused = isinstance(message, Pause)
            elif isinstance(message, TakePicture):
                half = len(JPEG) // 2
                for part, data in enumerate((JPEG[:half], JPEG[half:])):
                    link.send(Picture(message.request, part, 2, data))
        state = "paused" if paused else string(settings, "camera", "streaming")
        if state != told:
            told = state
            if state == "streaming":
                link.send(CaptureReport("streaming", "toy camera 64x64"))
            elif state == "ended":
                link.send(CaptureReport("ended", "toy camera 64x64"))
            elif state != "paused":
                link.send(CaptureReport("lost", "toy camera", reason=state, retry_seconds=0.1))
        elif state not in ("streaming", "ended", "paused") and frame % 3 == 0:
            # Tries again, as the real one does.
            link.send(CaptureReport("opening", "toy camera"))
            link.send(CaptureReport("lost", "toy camera", reason=state, retry_seconds=0.1))
        link.beacon(state, 1.5)
        if state == "streaming":
            now = time.monotonic_ns()
            slot.write(
                bytes([frame % 256]) * (WIDTH * HEIGHT * 3),
                frame=frame, captured_ns=now, wall_ns=time.time_ns(), at_ms=now / 1e6, width=WIDTH, height=HEIGHT,
            )  # fmt: skip
        frame += 1
        link.wait(FRAME_SECONDS)


def looks_like(sitter: str) -> tuple[Identity | None, Liveness | None]:
    """What the stages say of a face."""
    if not sitter:
        return None, None
    if sitter == "stranger":
        return Identity("anna", 0.1, 0.4, 0.9), Liveness(0.95, 0.03, 0.02)
    if sitter == "photo":
        return Identity("anna", 0.7, 0.4, 0.9, 0.1), Liveness(0.05, 0.9, 0.05)
    return Identity(sitter, 0.7, 0.4, 0.9, 0.1), Liveness(0.95, 0.03, 0.02)


def inference(link: ChildLink, slot: FrameSlot, settings: Settings) -> None:
    """Sees as many faces as the strings say."""
    habit = string(settings, "inference", "")
    if habit == "hopeless":
        raise RuntimeMissing("no toy runtime is installed (pip install toys)")
    missing = ["iris_landmark"] if habit == "blind" else []
    stages = ["detection"] if habit == "forgetful" else ["detection", "recognition", "liveness", "objects"]
    link.send(InferenceReport("toy", stages, missing, []))
    if habit == "dies":
        os.kill(os.getpid(), signal.SIGABRT)
    buffer = bytearray(slot.capacity_bytes)
    last = slot.newest_sequence()
    fatal = FATAL_FACES in (settings.inference.max_faces, settings.inference.threads)
    while not link.stopping:
        for message in link.receive():
            if isinstance(message, Enrol):
                refused = "nobody was seen" if message.name == "Nemo" else ""
                link.send(Enrolled(message.request, message.name, 0 if refused else 5, error=refused))
            elif isinstance(message, Adopt):
                adopted = Settings.model_validate_json(message.settings)
                link.send(InferenceReport("toy", stages, missing, [f"follows {adopted.inference.max_faces}"]))
                fatal = adopted.inference.max_faces == FATAL_FACES
        if fatal:
            os.kill(os.getpid(), signal.SIGABRT)
        link.beacon("waiting for a frame", 1.5)
        stamp = slot.read(last, buffer, 0.25)
        if stamp is None:
            continue
        last = stamp.sequence
        if habit == "idles":
            continue
        gaze = float(angle) if (angle := string(settings, "gaze", "")) else None
        identity, liveness = looks_like(string(settings, "sitter", ""))
        phone = (Thing("cell phone", 0.9, Box(20, 30, 5, 9), 1),) if string(settings, "phone", "") else ()
        faces = tuple(
            Face(
                track,
                Box(10, 10, 30, 30),
                0.9,
                0.0,
                0.0,
                0.0,
                Pair(0.3, 0.3),
                Pair(1.0, 1.0),
                Pair(1.0, 1.0),
                gaze_yaw_degrees=gaze,
                gaze_pitch_degrees=gaze and 0.0,
                identity=identity,
                liveness=liveness,
            )
            for track in range(1, int(string(settings, "faces", "0")) + 1)
        )
        link.send(
            Observation(
                stamp.frame, stamp.sequence, stamp.at_ms, stamp.captured_ns, stamp.wall_ns, stamp.width, stamp.height,
                faces=faces, stage_ms={"detection": 1.5}, things=phone,
            )
        )  # fmt: skip
