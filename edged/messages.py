"""What a child process and the daemon say to each other, one message per packet, as MessagePack.

Upwards: observations, progress beacons, what capture, inference and hooks have to say about themselves.
Downwards: pause, resume, a request for one picture, other settings, what a hook is called with, stop.
"""

from __future__ import annotations

from typing import Literal, Union

import msgspec

from edged.observations import Observation


class Beacon(msgspec.Struct, frozen=True, tag="beacon", tag_field="type"):
    """The child got somewhere and is about to do something that may take up to `budget_seconds`.

    Never sent by a timer: each beacon is a turn of the child's own work loop. doing: a word for the log.
    """

    doing: str
    budget_seconds: float


class CaptureReport(msgspec.Struct, frozen=True, tag="capture", tag_field="type"):
    """State of the camera. description: what was negotiated, e.g. `V4L2 MJPG 640x480 at 30 fps`."""

    state: Literal["opening", "streaming", "lost", "ended"]
    description: str
    reason: str = ""
    retry_seconds: float = 0.0
    reopened: int = 0


class InferenceReport(msgspec.Struct, frozen=True, tag="inference", tag_field="type"):
    """What the pipeline runs with. Lists name models, stages and plain-sentence warnings."""

    backend: str
    stages: list[str]
    missing_models: list[str]
    warnings: list[str]


class Picture(msgspec.Struct, frozen=True, tag="picture", tag_field="type"):
    """A JPEG that was asked for, in parts, since a packet is bounded. Empty data: failed, says reason."""

    request: str
    part: int
    parts: int
    data: bytes
    reason: str = ""


class Failed(msgspec.Struct, frozen=True, tag="failed", tag_field="type"):
    """The child cannot go on and ends; the sentence says why and what to do. final: retrying is useless."""

    reason: str
    final: bool = False


class HookReady(msgspec.Struct, frozen=True, tag="hook_ready", tag_field="type"):
    """A hook is loaded. package: whose it is. events: the kinds it asks for, empty: all; None: it takes no events.

    cooldown_seconds, timeout_seconds: as the hook says; None: it says nothing.
    """

    package: str
    events: list[str] | None
    observations: bool
    cooldown_seconds: float | None
    timeout_seconds: float | None


class HookAnswer(msgspec.Struct, frozen=True, tag="hook_answer", tag_field="type"):
    """A call is over. data: a JSON object that the hook wants published. trouble: what went wrong, for health."""

    call: int
    data: bytes | None = None
    trouble: str = ""


class Pause(msgspec.Struct, frozen=True, tag="pause", tag_field="type"):
    """Give the camera back and stop looking."""


class Resume(msgspec.Struct, frozen=True, tag="resume", tag_field="type"):
    """Look again."""


class TakePicture(msgspec.Struct, frozen=True, tag="take_picture", tag_field="type"):
    """Send the newest frame as a JPEG."""

    request: str
    quality: int = 85


class Adopt(msgspec.Struct, frozen=True, tag="adopt", tag_field="type"):
    """Go on with these settings from the next frame: all of them as JSON, without the broker's part."""

    settings: bytes


class BeginHook(msgspec.Struct, frozen=True, tag="begin_hook", tag_field="type"):
    """Load this hook. options: its own, as JSON."""

    hook: str
    options: bytes
    memory_megabytes: int


class HandObservation(msgspec.Struct, frozen=True, tag="hand_observation", tag_field="type"):
    """Call the hook with an observation."""

    call: int
    observation: Observation


class HandEvent(msgspec.Struct, frozen=True, tag="hand_event", tag_field="type"):
    """Call the hook with an event: its payload as JSON."""

    call: int
    event: bytes


class Stop(msgspec.Struct, frozen=True, tag="stop", tag_field="type"):
    """End in good order."""


Upward = Union[Observation, Beacon, CaptureReport, InferenceReport, Picture, Failed, HookReady, HookAnswer]
Downward = Union[Pause, Resume, TakePicture, Adopt, Stop, BeginHook, HandObservation, HandEvent]
# What a beacon says while models are loaded: known work with a long budget.
LOADING = "loading models"
MAX_PACKET_BYTES = 96 * 1024

encode = msgspec.msgpack.Encoder().encode
decode_upward = msgspec.msgpack.Decoder(Upward).decode
decode_downward = msgspec.msgpack.Decoder(Downward).decode
