"""How things are now: the payloads of `state/…`, of the summary and of health.

One value a topic, latest wins; what happened is in `events.py`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from edged.events import (
    Advice,
    Attack,
    ChallengeStep,
    HealthStatus,
    ImageSide,
    LivenessVerdict,
    SeatMode,
    SeatVerdict,
    WhoVerdict,
    Zone,
)


class PresenceState(msgspec.Struct, frozen=True):
    """`state/presence`. since: UTC, ISO 8601."""

    someone: bool
    people: int
    since: str


class GazeState(msgspec.Struct, frozen=True):
    """`state/gaze`: the primary face's zone; `null` when nobody is there, or no eyes have been seen for 3 s.

    Angles smoothed, relative to the camera.
    """

    zone: Zone | None
    image_side: ImageSide
    since: str
    yaw_degrees: float | None
    pitch_degrees: float | None


class EyesState(msgspec.Struct, frozen=True):
    """`state/eyes`: of the primary face; `null` when nobody is there, or no eyes have been seen for 3 s."""

    closed: bool | None
    drowsy: bool
    since: str


class FaceNamed(msgspec.Struct, frozen=True):
    """One face in `state/identity`."""

    track: int
    verdict: WhoVerdict
    person: str | None
    stranger: str | None


class IdentityState(msgspec.Struct, frozen=True):
    """`state/identity`: who the primary face is, and everybody in view. verdict: `null` when nobody is there.

    since: UTC, of the primary face's verdict.
    """

    verdict: WhoVerdict | None
    person: str | None
    stranger: str | None
    faces: list[FaceNamed]
    since: str


class LivenessState(msgspec.Struct, frozen=True):
    """`state/liveness`: of the primary face; verdict `null` when nobody is there. See `event/liveness`.

    challenge: the step of a challenge that waits to be done, if any.
    """

    verdict: LivenessVerdict | None
    attack: Attack | None
    witnesses: list[str]
    challenge: ChallengeStep | None
    since: str


class ObjectsState(msgspec.Struct, frozen=True):
    """`state/objects`: things in view. phone: one that counts; persons: people, with and without a face."""

    phone: bool
    persons: int
    persons_without_face: int
    since: str


class SecurityState(msgspec.Struct, frozen=True):
    """`state/security`: the verdict over the seat, as in `event/security`, and what is about to become it.

    blocked_by: the verdict that blocked the seat; blocked_since: UTC. pending: the verdict that will count
    soon if nothing changes. grace: there was an unlock just now.
    """

    verdict: SeatVerdict
    safe: bool
    blocked: bool
    blocked_by: str | None
    blocked_since: str | None
    mode: SeatMode
    actions: list[str]
    do: Advice
    reasons: list[str]
    witnesses: list[str]
    person: str | None
    pending: SeatVerdict | None
    grace: bool
    since: str


class Summary(msgspec.Struct, frozen=True):
    """`summary`: one window's figures.

    attention_percent: share of the time with somebody there in which they looked at the screen.
    blinks_per_minute and perclos_percent are over their own longer window (see settings); null while too
    little was seen. *_degrees: means of the primary face's head pose over the window.
    """

    at: str
    window_seconds: float
    frames: int
    frames_per_second: float
    people_max: int
    presence_percent: float
    attention_percent: float | None
    blinks: int
    blinks_per_minute: float | None
    perclos_percent: float | None
    yaw_degrees: float | None
    pitch_degrees: float | None
    roll_degrees: float | None


class HookState(msgspec.Struct, frozen=True):
    """How one hook is, in health. status: `waiting` until it is started again.

    calls: since the start. failed: of those, raised or returned what cannot be published. skipped: events it was not
    called with, because of its cooldown or because too many waited. restarts: of its process.
    """

    status: Literal["starting", "running", "waiting"]
    calls: int
    failed: int
    skipped: int
    restarts: int


class HealthState(msgspec.Struct, frozen=True):
    """`health`: how fresh and how well the pipeline runs.

    reasons: one plain sentence each, with the cure. latency_ms: capture to publish, last window, p50 and p95.
    stage_ms: median wall time of each stage. analysed_frames and dropped_frames (captured but never analysed): since start.
    lost_events: dropped since start, nobody will get them. waiting_events: not acknowledged by the broker yet, the oldest
    for oldest_event_seconds.
    frames_per_second_limit: no more are taken, for the board is hot (`null`: as many as are wanted).
    throttled: the board holds its clock down now (`null`: cannot be told here). throttled_since_boot: plain words for what
    held it down at any time since the board was started, such as `under-voltage`. hooks: by name.
    """

    status: HealthStatus
    reasons: list[str]
    at: str
    frames_per_second: float
    capture_frames_per_second: float
    latency_ms: dict[str, float]
    stage_ms: dict[str, float]
    analysed_frames: int
    dropped_frames: int
    restarts: dict[str, int]
    missing_models: list[str]
    lost_events: int
    waiting_events: int
    oldest_event_seconds: float | None
    temperature_celsius: float | None
    throttled: bool | None
    throttled_since_boot: list[str] | None
    frames_per_second_limit: float | None
    hooks: dict[str, HookState]
    version: str
