"""What `systemctl status` shows of a camera's daemon or an actuator: one line on what it is doing. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from edged.events import HealthStatus
from edged.jobs import ActuatorHealth
from edged.wording import counted

# The log and MQTT have all of it; this is one line on a terminal.
_MOST_REASONS = 2


def camera_status(
    camera: str,
    status: HealthStatus,
    reasons: Sequence[str],
    *,
    frames_per_second: float,
    people: int,
    broker_problem: str,
    waiting_events: int,
) -> str:
    """`front: 14.8 fps, 1 person, broker connected`, and what is wrong.

    frames_per_second: analysed. people: in view. broker_problem: why there is no connection, "" if there is one.
    waiting_events: that the broker has not acknowledged.
    """
    parts = [] if status == "ok" else [status.replace("_", " ")]
    if status in ("ok", "degraded"):
        in_view = "nobody" if people == 0 else "1 person" if people == 1 else f"{people} people"
        parts += [f"{frames_per_second:.1f} fps", in_view]
    return _line(camera, parts, broker_problem, counted(waiting_events, "event"), reasons)


def actuator_status(health: ActuatorHealth, broker_problem: str) -> str:
    """`typing: ready, broker connected`, or what it is at, and what is wrong."""
    working = health.current_job is not None
    at = "stopped" if health.status == "stopped" else "at work" if working else "ready"
    parts = [at if health.status != "degraded" else f"{at}, degraded"]
    waiting = health.waiting_jobs - working  # the job at hand is counted among them
    if waiting > 0:
        parts.append(f"{counted(waiting, 'job')} waiting")
    if health.dry_run:
        parts.append("dry run")
    return _line(health.actuator, parts, broker_problem, counted(health.waiting_messages, "message"), health.reasons)


def _line(name: str, parts: list[str], broker_problem: str, waiting: str, reasons: Sequence[str]) -> str:
    broker = "broker connected"
    if broker_problem:
        # What waits is worth a word only where nothing goes out.
        broker = f"no broker ({broker_problem})" + ("" if waiting.startswith("0 ") else f", {waiting} waiting")
    line = f"{name}: {', '.join([*parts, broker])}"
    told = list(reasons[:_MOST_REASONS])
    if len(reasons) > _MOST_REASONS:
        told.append(f"and {len(reasons) - _MOST_REASONS} more")
    return "; ".join([line, *told])
