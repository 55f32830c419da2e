"""How well a camera's pipeline runs: a pure function from what the daemon knows to what it tells.

`judge_health` decides status and reasons, each one plain sentence with its cure; it reads no clock. Sentences
hold no counting numbers, so that health changes when something changes and not all the time.
"""

from __future__ import annotations

from dataclasses import dataclass

from edged.daemon.board_throttling import cure
from edged.events import HealthStatus
from edged.messages import CaptureReport, InferenceReport

# Told within two seconds: this much silence, and the daemon's own look at it every quarter of a second.
STALL_SECONDS = 1.7
# After the start, or after a child was replaced: a small board imports for this long.
START_SECONDS = 30.0
_MANY_IN_A_ROW = 3
# A board at its limit must not tell of it every few seconds.
_COOLED_CELSIUS = 3.0


@dataclass(frozen=True)
class ChildCondition:
    """One child. running: it has spoken since it was started. trouble: why it was lost last, "" once it runs well.

    in_a_row: losses without a good run in between. waiting: it is not there now, a pause is kept.
    """

    name: str
    running: bool
    waiting: bool = False
    trouble: str = ""
    in_a_row: int = 0
    final: bool = False


@dataclass(frozen=True)
class Condition:
    """Everything the daemon knows at one moment. Durations in seconds; `None`: it never happened.

    observed_ago: since the last observation came. started_ago: since the newest of the children was started, or
    since all were told to go on after a pause. hot: see `is_hot`.
    streaming_ago: since the camera began to stream. notes: worth a word, and no reason to call the camera degraded. slowed_to: frames per second that are taken at most, for the heat.
    """

    paused: bool
    children: tuple[ChildCondition, ...]
    capture: CaptureReport | None
    inference: InferenceReport | None
    observed_ago: float | None
    started_ago: float
    streaming_ago: float | None
    hot: bool
    warm_celsius: float
    throttling: tuple[str, ...] | None
    slowed_to: float | None = None
    bus_warnings: tuple[str, ...] = ()
    storage_problems: tuple[str, ...] = ()
    hook_problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """status: the worst that holds. reasons: all that is wrong, the status's own first."""

    status: HealthStatus
    reasons: tuple[str, ...]


def judge_health(condition: Condition) -> Verdict:
    """The verdict on a condition."""
    lesser = _degradations(condition)
    status, reasons = _pipeline(condition)
    if status == "ok" and lesser:
        status = "degraded"
    unique = dict.fromkeys([*reasons, *lesser, *condition.notes])
    return Verdict(status, tuple(unique))


def is_hot(temperature_celsius: float | None, warm_celsius: float, *, was_hot: bool) -> bool:
    """Above the limit, and from then on until well below it."""
    if temperature_celsius is None:
        return False
    return temperature_celsius > warm_celsius - (_COOLED_CELSIUS if was_hot else 0.0)


def _pipeline(condition: Condition) -> tuple[HealthStatus, list[str]]:
    """Whether pictures come and are looked at."""
    if condition.paused:
        return "paused", ["paused by command (publish command/resume to go on)"]
    children = {child.name: child for child in condition.children}
    camera = children.get("capture")
    report = condition.capture
    fresh = condition.observed_ago is not None and condition.observed_ago < STALL_SECONDS
    if report is not None and (report.state == "lost" or (report.state == "opening" and report.reason)):
        return "no_camera", [_camera_lost(report)]
    if report is not None and report.state == "ended":
        return "ok", []
    if camera is not None and camera.waiting and (camera.in_a_row >= _MANY_IN_A_ROW or camera.final):
        return "no_camera", [_keeps_dying(camera)]
    if fresh:
        return "ok", []
    broken = [child for child in condition.children if child.waiting]
    if broken:
        return "stalled", [_keeps_dying(child) for child in broken]
    if report is None or report.state == "opening":
        if condition.started_ago < START_SECONDS:
            return "starting", ["the camera is being opened"]
        return "no_camera", ["the camera has been opening for a long time (check capture.source and the cable)"]
    not_yet = [child.name for child in condition.children if not child.running]
    if (not_yet or condition.observed_ago is None) and condition.started_ago < START_SECONDS:
        return "starting", [f"{name} is starting" for name in not_yet] or ["the first frame has not been analysed yet"]
    if condition.streaming_ago is not None and condition.streaming_ago < STALL_SECONDS:
        return "starting", ["the camera has just begun to stream"]
    return "stalled", ["the camera streams but no frame is analysed (see the log; command/restart starts all anew)"]


def _degradations(condition: Condition) -> list[str]:
    """What is wrong though pictures come and are looked at."""
    reasons = [
        _keeps_dying(child)
        for child in condition.children
        if child.trouble and child.in_a_row >= _MANY_IN_A_ROW and not condition.paused
    ]
    if condition.inference is not None:
        reasons += [
            f"model {name} is missing, what needs it is off (edged models pull {name})"
            for name in condition.inference.missing_models
        ]
        reasons += condition.inference.warnings
    if condition.hot:
        reasons.append(f"the board is hotter than {condition.warm_celsius:.0f} °C (cool it, or lower the frame rate)")
    if condition.slowed_to is not None:
        reasons.append(
            f"the board is nearly too hot, so at most {condition.slowed_to:.1f} frames a second are taken "
            "(cool it: a heat sink, a fan, air; or lower capture.frames_per_second)"
        )
    if condition.throttling:
        reasons.append(f"the board slows itself down: {', '.join(condition.throttling)} ({cure(condition.throttling)})")
    reasons += condition.bus_warnings
    reasons += condition.storage_problems
    reasons += condition.hook_problems
    return reasons


def _camera_lost(report: CaptureReport) -> str:
    reason = report.reason or "the camera is gone"
    return f"{reason}; it is tried again by itself"


def _keeps_dying(child: ChildCondition) -> str:
    if child.final and child.trouble:
        return child.trouble
    if child.in_a_row >= _MANY_IN_A_ROW:
        return f"{child.name} keeps failing: {child.trouble}; it is tried again after a pause (see the log)"
    return f"{child.trouble}; it is being replaced" if child.trouble else f"{child.name} is being started"
