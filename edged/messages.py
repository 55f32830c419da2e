"""What a child process and the daemon say to each other, one message per packet, as MessagePack.

Upwards: observations, progress beacons, what capture, inference and hooks have to say about themselves.
Downwards: pause, resume, a request for one picture, other settings, what a hook is called with, evidence to be
kept, stop.
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


class Enrolled(msgspec.Struct, frozen=True, tag="enrolled", tag_field="type"):
    """What became of an enrolment before the camera. error: why nobody was enrolled; empty: somebody was.

    vectors: how many were kept; refused: why pictures were not taken, with how many; false_accept: the chance that a
    stranger is taken for this person at one look.
    """

    request: str
    name: str
    vectors: int = 0
    refused: list[str] = []
    warnings: list[str] = []
    false_accept: float | None = None
    error: str = ""


class EvidenceKept(msgspec.Struct, frozen=True, tag="evidence_kept", tag_field="type"):
    """Evidence was encrypted and written, or not: then says reason why. sha256: of the file, in hexadecimal."""

    event: str
    pictures: int = 0
    bytes: int = 0
    sha256: str = ""
    reason: str = ""


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


class Enrol(msgspec.Struct, frozen=True, tag="enrol", tag_field="type"):
    """Enrol who sits before the camera now, alone. keep_pictures: keep the aligned pictures as well."""

    request: str
    name: str
    seconds: float = 5.0
    keep_pictures: bool = False


class KeepEvidence(msgspec.Struct, frozen=True, tag="keep_evidence", tag_field="type"):
    """Encrypt the pictures around a moment and write them in the folder, as the file of this event.

    header: `evidence.container.Header` as JSON, without parts. of_file: the key of this one file. details: what is sealed
    beside the pictures. captured_ns: CLOCK_MONOTONIC of the event.
    """

    event: str
    header: bytes
    of_file: bytes
    details: bytes
    folder: str
    captured_ns: int

    def __repr__(self) -> str:
        """Without the key."""
        return f"KeepEvidence({self.event!r})"


class Stop(msgspec.Struct, frozen=True, tag="stop", tag_field="type"):
    """End in good order."""


Upward = Union[
    Observation,
    Beacon,
    CaptureReport,
    InferenceReport,
    Picture,
    Failed,
    Enrolled,
    HookReady,
    HookAnswer,
    EvidenceKept,
]
Downward = Union[Pause, Resume, TakePicture, Adopt, Enrol, Stop, BeginHook, HandObservation, HandEvent, KeepEvidence]
# What a beacon says while models are loaded: known work with a long budget.
LOADING = "loading models"
MAX_PACKET_BYTES = 96 * 1024

encode = msgspec.msgpack.Encoder().encode
decode_upward = msgspec.msgpack.Decoder(Upward).decode
decode_downward = msgspec.msgpack.Decoder(Downward).decode
