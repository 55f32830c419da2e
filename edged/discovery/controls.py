"""What can be set from Home Assistant: every option of the settings table that may change from afar.

All of them go through `config/change`; what they show comes from `config/state`, so a number that was refused springs back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from edged.configuration.options import Leaf, guarded, leaves, remote_of
from edged.discovery.entities import Entity, Platform
from edged.settings import Settings

# What a user of Home Assistant is likely to turn; the others are there, switched off.
_ENABLED = {
    "capture.frames_per_second",
    "inference.stages.landmarks",
    "inference.stages.head_pose",
    "inference.stages.iris",
    "judgement.presence.leave_seconds",
    "judgement.gaze.centre_yaw_degrees",
    "judgement.gaze.centre_pitch_degrees",
    "judgement.gaze.away_degrees",
    "judgement.gaze.dwell_seconds",
    "judgement.blink.long_seconds",
}
_NAMES = {
    "capture.width": "Picture width",
    "capture.height": "Picture height",
    "capture.frames_per_second": "Wanted frame rate",
    "capture.rotate_degrees": "Picture rotation",
    "capture.mirror": "Mirror picture",
    "capture.frozen_seconds": "Camera frozen after",
    "capture.retry_seconds": "Camera first retry after",
    "capture.retry_max_seconds": "Camera longest retry pause",
    "inference.threads": "Threads",
    "inference.max_faces": "Faces followed",
    "inference.detector": "Face detector",
    "inference.detection_score": "Face detection score",
    "inference.tracking_score": "Face tracking score",
    "inference.search_seconds": "Face search interval",
    "inference.lost_track_seconds": "Hidden face kept for",
    "inference.idle_frames_per_second": "Idle frame rate",
    "inference.motion_threshold": "Motion threshold",
    "inference.busy_fraction": "Processor share",
    "inference.iris_skip_levels": "Still eye threshold",
    "inference.stages.landmarks": "Stage landmarks",
    "inference.stages.head_pose": "Stage head pose",
    "inference.stages.iris": "Stage iris",
    "judgement.presence.arrive_seconds": "There after",
    "judgement.presence.leave_seconds": "Gone after",
    "judgement.gaze.centre_yaw_degrees": "Screen centre yaw",
    "judgement.gaze.centre_pitch_degrees": "Screen centre pitch",
    "judgement.gaze.auto_centre": "Learn screen centre",
    "judgement.gaze.side_degrees": "Side angle",
    "judgement.gaze.up_degrees": "Up angle",
    "judgement.gaze.down_degrees": "Down angle",
    "judgement.gaze.away_degrees": "Away angle",
    "judgement.gaze.hysteresis_degrees": "Gaze hysteresis",
    "judgement.gaze.settle_seconds": "Gaze settle time",
    "judgement.gaze.dwell_seconds": "Dwell time",
    "judgement.gaze.closed_seconds": "Eyes closed after",
    "judgement.blink.minimum_seconds": "Shortest blink",
    "judgement.blink.shallow_seconds": "Longest shallow blink",
    "judgement.blink.long_seconds": "Long blink after",
    "judgement.blink.group_seconds": "Blink grouping time",
    "judgement.blink.wink_difference": "Wink difference",
    "judgement.drowsiness.window_seconds": "Drowsiness window",
    "judgement.drowsiness.perclos_percent": "Drowsy from PERCLOS",
    "judgement.drowsiness.recover_percent": "Awake below PERCLOS",
    "judgement.summary.window_seconds": "Summary window",
    "health.interval_seconds": "Health interval",
    "health.warm_celsius": "Too warm above",
    "cooling.enabled": "Slow down when hot",
    "cooling.margin_celsius": "Slow down before the limit",
    "cooling.least_frames_per_second": "Least frame rate when hot",
}
# Home Assistant's words for units of the settings table.
_UNIT_WORDS = {"1/s": "fps", "pixels": "px", "levels": ""}
_AFTER_RESTART = " (after restart)"
_UNITS = ("_seconds", "_degrees", "_percent", "_celsius")
_SECTIONS = {
    "capture": "mdi:camera-outline",
    "inference": "mdi:brain",
    "judgement": "mdi:tune",
    "health": "mdi:heart-pulse",
    "cooling": "mdi:thermometer-chevron-down",
}


def controls(settings: Settings) -> Iterator[Entity]:
    """A switch, number or select for each option that may change from afar; lists have no such control."""
    for leaf in leaves():
        if remote_of(leaf.field) == "never" or guarded(settings, leaf.path):
            continue
        found = _control(leaf)
        if found is not None:
            yield found


def _control(leaf: Leaf) -> Entity | None:
    kind = leaf.field.annotation
    shown = f"value_json.settings.{leaf.path}"
    more: dict[str, Any]
    platform: Platform
    if kind is bool:
        platform = "switch"
        value = f"{{{{ 'ON' if {shown} else 'OFF' }}}}"
        more = {"payload_on": _patch(leaf.path, "true"), "payload_off": _patch(leaf.path, "false"),
                "state_on": "ON", "state_off": "OFF"}  # fmt: skip
    elif get_origin(kind) is Literal:
        choices = get_args(kind)
        platform = "select"
        value = f"{{{{ {shown} }}}}"
        quoted = '"{{ value }}"' if isinstance(choices[0], str) else "{{ value }}"
        more = {"options": [str(choice) for choice in choices], "command_template": _patch(leaf.path, quoted)}
    elif kind in (int, float):
        platform = "number"
        value = f"{{{{ {shown} }}}}"
        low, high = _limits(leaf.field)
        step = 1 if kind is int else _step(low, high)
        text = "{{ value | int }}" if kind is int else "{{ value | float }}"
        more = {"command_template": _patch(leaf.path, text), "min": _inside(leaf.field, low, step), "max": high,
                "step": step, "mode": "box"}  # fmt: skip
        extra = leaf.field.json_schema_extra
        unit = str(extra.get("unit", "")) if isinstance(extra, dict) else ""
        if unit := _UNIT_WORDS.get(unit, unit):
            more["unit_of_measurement"] = unit
        if unit == "°C":
            more["device_class"] = "temperature"
    else:
        return None
    return Entity(
        "set_" + leaf.path.replace(".", "_"), platform, _name(leaf), "config_state", value,
        icon=_SECTIONS[leaf.path.split(".")[0]], needs="daemon", category="config",
        enabled=leaf.path in _ENABLED, more={"command": "config_change", **more},
    )  # fmt: skip


def _patch(path: str, value: str) -> str:
    """A merge patch with a template in the place of the value."""
    opened = "".join(f"{json.dumps(name)}:{{" for name in path.split(".")[:-1])
    last = path.rsplit(".", 1)[-1]
    # Blanks keep the braces of JSON apart from those of the template.
    return "{" + opened + f"{json.dumps(last)}: {value} " + "}" * (path.count(".") + 1)


def _name(leaf: Leaf) -> str:
    """What is shown; it says when a setting counts only after a restart."""
    later = _AFTER_RESTART if remote_of(leaf.field) == "restart" else ""
    if leaf.path in _NAMES:
        return _NAMES[leaf.path] + later
    section, last = leaf.path.split(".")[-2:]
    for unit in _UNITS:
        last = last.removesuffix(unit)
    words = last.replace("_", " ")
    return f"{section.capitalize()} {words}{later}"


def _limits(field: FieldInfo) -> tuple[float, float]:
    low, high = 0.0, 1.0
    for limit in [*field.metadata, *_of_annotated(field)]:
        if isinstance(limit, Ge):
            low = limit.ge  # type: ignore[assignment]
        elif isinstance(limit, Gt):
            low = limit.gt  # type: ignore[assignment]
        elif isinstance(limit, Le):
            high = limit.le  # type: ignore[assignment]
        elif isinstance(limit, Lt):
            high = limit.lt  # type: ignore[assignment]
    return low, high


def _of_annotated(field: FieldInfo) -> list[Any]:
    return [each for item in field.metadata if hasattr(item, "metadata") for each in item.metadata]


def _inside(field: FieldInfo, low: float, step: float) -> float:
    """The smallest value that is allowed: one step above a limit that is not."""
    return low + step if any(isinstance(limit, Gt) for limit in field.metadata) else low


def _step(low: float, high: float) -> float:
    return 0.01 if high - low <= 5 else 0.05 if high <= 60 else 0.1
