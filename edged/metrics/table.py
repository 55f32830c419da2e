"""Every figure there is: name, kind, labels, one sentence. docs/metrics.md is written from this table.

Names keep to Prometheus' conventions (https://prometheus.io/docs/practices/naming/): base units, `_total` for what only
grows. Labels take few values, known beforehand or named in the settings: never a person's name, never what somebody sent.
Every series also bears `camera` or `actuator`, its name in topics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Family:
    """One row. labels: beside `camera` or `actuator`. buckets: upper ends, of a histogram; the last, infinity, is not given."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    sentence: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_LATENCY_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0)
_STAGE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
# From a keystroke to a chain of calls that somebody has to answer.
_JOB_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)

_COMMON = (
    Family("edged_info", "gauge", "Always 1; the version is a label, and the kind: camera, typing, …", ("kind", "version")),
    Family("edged_start_time_seconds", "gauge", "When it was started, or began anew on command; Unix seconds."),
    Family("edged_health_status", "gauge", "1 for the status health has now, 0 for all others.", ("status",)),
    Family("edged_health_problems", "gauge", "Sentences in health's `reasons`."),
    Family("edged_health_age_seconds", "gauge", "Since its own loop last looked at its health: it hangs if this grows."),
    Family("edged_broker_connected", "gauge", "1 while the MQTT broker has let it in."),
    Family("edged_broker_connects_total", "counter", "How often the MQTT broker has let it in."),
    Family("edged_outbox_messages", "gauge", "Events or job states that the broker has not acknowledged yet."),
    Family("edged_outbox_oldest_seconds", "gauge", "For how long the oldest of them has waited; 0 when none waits."),
    Family("edged_outbox_lost_total", "counter", "Dropped before anybody got them, for lack of room or age."),
    Family(
        "edged_process_pss_bytes", "gauge",
        "Memory of a process with its share of what it shares (proportional set size).", ("process",),
    ),
    Family("edged_process_cpu_seconds_total", "counter", "Processor time of a process, user and system.", ("process",)),
)  # fmt: skip

CAMERA: tuple[Family, ...] = (
    *_COMMON,
    Family(
        "edged_frame_rate_hertz", "gauge",
        "Frames per second over the last ten seconds: `captured` and `analysed`.", ("of",),
    ),
    Family("edged_frame_rate_limit_hertz", "gauge", "Frames per second taken at most, for the heat; absent without a limit."),
    Family("edged_frames_analysed_total", "counter", "Frames that were looked at."),
    Family("edged_frames_dropped_total", "counter", "Frames that were captured and never looked at: newer ones came."),
    Family(
        "edged_frame_latency_seconds", "histogram",
        "From the capture of a frame until what follows from it is handed to the bus.", (), _LATENCY_SECONDS,
    ),
    Family(
        "edged_stage_duration_seconds", "histogram", "Wall time of a stage on one frame it ran on.", ("stage",),
        _STAGE_SECONDS,
    ),
    Family("edged_process_restarts_total", "counter", "Processes replaced because they died or hung.", ("process",)),
    Family("edged_events_total", "counter", "Events told, by kind.", ("kind",)),
    Family("edged_seat_verdicts_total", "counter", "Verdicts over the seat that were told.", ("verdict",)),
    Family("edged_models_missing", "gauge", "Model files that are not there, so that what needs them is off."),
    Family("edged_board_temperature_celsius", "gauge", "The hottest thermal zone; absent where none can be read."),
    Family(
        "edged_board_throttled", "gauge",
        "1 while the firmware or the kernel holds the clock down; absent where that cannot be told.",
    ),
    Family("edged_hook_calls_total", "counter", "Calls of a hook.", ("hook",)),
    Family("edged_hook_failures_total", "counter", "Calls of a hook that failed.", ("hook",)),
    Family("edged_hook_skipped_total", "counter", "Events a hook was not called with: cooldown, or too many.", ("hook",)),
)  # fmt: skip

ACTUATOR: tuple[Family, ...] = (
    *_COMMON,
    Family("edged_jobs_waiting", "gauge", "Jobs that have not come to their end, the one at hand among them."),
    Family("edged_jobs_total", "counter", "Jobs that came to their end, by action and end.", ("action", "state")),
    Family(
        "edged_job_duration_seconds", "histogram", "From the beginning of the work to its end, tries counted one by one.",
        ("action",), _JOB_SECONDS,
    ),
    Family(
        "edged_job_wait_seconds", "histogram", "From acceptance to the beginning of the work: queue, countdown, confirmation.",
        ("action",), _JOB_SECONDS,
    ),
    Family("edged_requests_refused_total", "counter", "Requests that were not even looked at, by reason.", ("reason",)),
    Family("edged_emergency_stop", "gauge", "1 while the emergency stop is on."),
    Family("edged_dry_run", "gauge", "1 where jobs run their course and nothing is done."),
    Family("edged_clock_offset_seconds", "gauge", "How far the clock of the last trusted sender seems to be ahead."),
)  # fmt: skip


def series_names(family: Family) -> tuple[str, ...]:
    """The names under which Prometheus finds a family."""
    if family.kind == "histogram":
        return tuple(f"{family.name}{suffix}" for suffix in ("_bucket", "_sum", "_count"))
    return (family.name,)
