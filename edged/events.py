"""What edged tells the world of what happened, as typed payloads.

Judgement yields the *bodies* below, which say nothing of clocks or cameras; `envelope` puts one into
the payload that goes on a topic or a line of `--json` output. An event happened once; how things
are now is in `states.py`. `left` and `right` are the sitter's own; `image_side` is the viewer's.
"""

from __future__ import annotations

import datetime
import hashlib
from typing import Any, Literal, Union

import msgspec

PAYLOAD_VERSION = 1

Zone = Literal["at_screen", "left", "right", "up", "down", "away", "eyes_closed"]
Gesture = Literal["single", "double", "triple", "long", "wink_left", "wink_right"]
ImageSide = Literal["left", "right", "none"]
WhoVerdict = Literal["known", "unknown", "undecided"]
LivenessVerdict = Literal["live", "spoof", "undecided"]
Attack = Literal["print", "replay", "flat", "challenge"]
ChallengeStatus = Literal["asked", "step_done", "passed", "failed"]
ChallengeStep = Literal["blink", "turn_left", "turn_right"]
SeatVerdict = Literal[
    "starting", "off", "right_user", "undecided", "nobody", "wrong_user", "several_faces", "phone", "spoof",
    "camera_blocked", "camera_gone", "model_missing", "broker_gone", "blocked",
]  # fmt: skip
SeatMode = Literal["enforce", "watch", "off"]
HealthStatus = Literal["ok", "starting", "no_camera", "stalled", "degraded", "paused"]


class _Body(msgspec.Struct, frozen=True, omit_defaults=False, tag_field="kind"):
    """Base of all event bodies; `kind` is the last level of the topic."""


class Presence(_Body, frozen=True, tag="presence"):
    """Somebody came, everybody left, or the number of people changed.

    change: `arrived` (nobody → somebody), `left` (somebody → nobody) or `count`.
    people: faces in view now. first_frame: where the change began, before the debounce.
    """

    change: Literal["arrived", "left", "count"]
    people: int
    first_frame: int


class Gaze(_Body, frozen=True, tag="gaze"):
    """The gaze zone of the primary face changed.

    zone: where the sitter looks now; previous: where before; first_frame: where it began.
    image_side: the side of the picture a viewer would name for `left` and `right` zones.
    held_ms: how long the previous zone had been held.
    """

    zone: Zone
    previous: Zone | None
    image_side: ImageSide
    first_frame: int
    held_ms: float
    track: int


class Dwell(_Body, frozen=True, tag="dwell"):
    """A gaze zone has been held for the set time."""

    zone: Zone
    image_side: ImageSide
    first_frame: int
    held_ms: float
    track: int


class Blink(_Body, frozen=True, tag="blink"):
    """The lids closed and opened again, or have been held shut.

    gesture: `single`, `double`, `triple`: that many short closures close together; `long`: held shut
    (sent when the hold time is reached, duration then runs to that moment); `wink_left`/`wink_right`: one eye.
    first_frame, last_frame: of the closure, all of it for doubles and triples.
    duration_ms: from first closing to last opening. lowest_openness: 0 shut .. 1 open.
    """

    gesture: Gesture
    first_frame: int
    last_frame: int
    duration_ms: float
    lowest_openness: float
    image_side: ImageSide
    track: int


class Drowsy(_Body, frozen=True, tag="drowsy"):
    """PERCLOS (share of time the eyes were at least 80 % shut; Wierwille 1994) crossed its threshold."""

    drowsy: bool
    perclos_percent: float
    window_seconds: float


class Health(_Body, frozen=True, tag="health"):
    """The pipeline's health changed, or a part of it was replaced.

    cause: a short slug such as `process_died`, `process_hung`, `camera_lost`, `camera_back`, `status`.
    process: which child, where one is concerned. restarts: its counter since the daemon started.
    """

    status: HealthStatus
    previous: HealthStatus
    cause: str
    reason: str
    process: str | None = None
    restarts: int = 0


class Config(_Body, frozen=True, tag="config"):
    """Settings from afar took effect, or were taken back because the pipeline failed with them.

    paths: dotted names of the settings concerned. reason: why it was taken back, else empty.
    """

    change: Literal["applied", "rolled_back"]
    revision: int
    paths: list[str]
    reason: str


class HookSaid(_Body, frozen=True, tag="hook"):
    """A hook, somebody else's analysis that the owner installed, has something to say.

    hook: its name in the settings. data: what it said, of a shape of its own. frame and at_ms are those it was called with.
    """

    hook: str
    data: dict[str, Any]


class Who(_Body, frozen=True, tag="identity"):
    """A face was recognised, found to be a stranger's, or what was said of it was taken back.

    verdict: `known`, with the person; `unknown`; `undecided`: what was said before does not hold any more. person: the
    name; stranger: the cluster of strangers (`unknown-3`), where there is one. similarity: mean cosine of the looks that
    agree, to that person, and of an unknown face to the enrolled one who is nearest; null where nobody is enrolled.
    threshold: of the model file. looks: how many agree, of_looks: of how many that are remembered.
    """

    verdict: WhoVerdict
    person: str | None
    stranger: str | None
    previous: WhoVerdict
    previous_person: str | None
    similarity: float | None
    threshold: float | None
    looks: int
    of_looks: int
    track: int


class Alive(_Body, frozen=True, tag="liveness"):
    """A face was found live, or a spoof, or what was said of it was taken back. Advice: a camera alone makes no lock.

    attack: what kind of spoof it looks like. score: mean probability of what the verdict says; null where a challenge
    or the motion alone decided. witnesses: what spoke for the verdict: `network` (the print and replay detector),
    `motion` (how the landmarks move), `blinks` (seen while the face was in view), `challenge`.
    """

    verdict: LivenessVerdict
    attack: Attack | None
    score: float | None
    witnesses: list[str]
    previous: LivenessVerdict
    track: int


class Challenge(_Body, frozen=True, tag="challenge"):
    """Somebody is asked to blink or to turn the head, and does or does not.

    status: `asked`: step is to be done now; `step_done`: it was, and step is the next; `passed`; `failed`, with the
    reason. number: of the step, from 1. remaining_seconds: until all must be done.
    """

    status: ChallengeStatus
    step: ChallengeStep | None
    number: int
    steps: int
    remaining_seconds: float
    reason: str
    track: int


class Object(_Body, frozen=True, tag="object"):
    """A thing came into view, or is gone: a phone that is held up, a person without a face.

    thing: `phone` or `person`. count: how many there are now. score: of the best; 0 when gone. near_face: the phone is
    at a face. track: which face, if any.
    """

    change: Literal["appeared", "gone", "count"]
    thing: Literal["phone", "person"]
    count: int
    score: float
    near_face: bool
    track: int | None


class Reason(msgspec.Struct, frozen=True):
    """One thing that speaks for a verdict. score: 0..1 where there is one. seconds: for how long it has been so."""

    what: str
    score: float | None
    seconds: float


class Advice(msgspec.Struct, frozen=True):
    """The recommended actions as switches, for whoever binds to them: `do.lock`."""

    warn: bool = False
    lock: bool = False
    sign_out: bool = False
    block: bool = False
    alert: bool = False


class Seat(_Body, frozen=True, tag="security"):
    """The verdict over the seat changed, or it was blocked or released.

    verdict: what counts now; previous: what counted before. safe: the right person sits there, and nothing is blocked.
    blocked: a block is in force. mode: `enforce`, or `watch`: nothing is recommended. actions: what is recommended, and
    do: the same as switches. reasons: what speaks for it, the verdict's own first; witnesses: who says so. person, track:
    of the face that counts. held_ms: how long it had been so before it was told (the verdict's patience).
    first_frame: where it began.
    """

    verdict: SeatVerdict
    previous: SeatVerdict
    safe: bool
    blocked: bool
    mode: SeatMode
    actions: list[str]
    do: Advice
    reasons: list[Reason]
    witnesses: list[str]
    person: str | None
    track: int | None
    held_ms: float
    first_frame: int


EventBody = Union[Presence, Gaze, Dwell, Blink, Drowsy, Health, Config, HookSaid, Who, Alive, Challenge, Object, Seat]
EVENT_TYPES: tuple[type[_Body], ...] = (
    Presence, Gaze, Dwell, Blink, Drowsy, Health, Config, HookSaid, Who, Alive, Challenge, Object, Seat,
)  # fmt: skip
EVENT_KINDS: tuple[str, ...] = tuple(str(kind.__struct_config__.tag) for kind in EVENT_TYPES)


class Happening(msgspec.Struct, frozen=True):
    """An event body and the frame on which it was decided.

    frame: source frame number; at_ms: stream time; captured_ns: CLOCK_MONOTONIC; wall_ns: UTC.
    All of the deciding frame, and of the moment itself for events no frame decided (health): frame -1.
    """

    body: EventBody
    frame: int
    at_ms: float
    captured_ns: int
    wall_ns: int


def iso_utc(wall_ns: int) -> str:
    """UTC, ISO 8601 with milliseconds and Z."""
    moment = datetime.datetime.fromtimestamp(wall_ns // 1_000_000 / 1000, tz=datetime.timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event_id(wall_ns: int, entropy: bytes) -> str:
    """UUIDv7 (RFC 9562 section 5.7) of a moment; the same entropy gives the same id, so replays agree."""
    value = (wall_ns // 1_000_000 & ((1 << 48) - 1)) << 80
    value |= int.from_bytes(hashlib.blake2b(entropy, digest_size=10).digest(), "big")
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    digits = f"{value:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def envelope(happening: Happening, camera: str, sequence: int, session: bytes) -> dict[str, Any]:
    """The JSON-ready payload of an event.

    sequence counts this camera's events within one run of the daemon; session is that run's random bytes
    (for replays: anything fixed), which keeps ids unique across restarts.
    """
    fields: dict[str, Any] = msgspec.to_builtins(happening.body)
    kind = fields.pop("kind")
    entropy = session + f"{camera}/{kind}/{sequence}".encode()
    return {
        "id": event_id(happening.wall_ns, entropy),
        "at": iso_utc(happening.wall_ns),
        "camera": camera,
        "kind": kind,
        "seq": sequence,
        "v": PAYLOAD_VERSION,
        "frame": happening.frame,
        "at_ms": round(happening.at_ms, 3),
        **fields,
    }
