"""What is counted of a camera's daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

from edged.events import EVENT_KINDS, HealthStatus, Seat, SeatVerdict
from edged.metrics.figures import Sample
from edged.metrics.service import Broker, Service, own_pid
from edged.metrics.table import CAMERA
from edged.observations import Observation
from edged.settings import Settings
from edged.states import HealthState

# Health is told every second; this much later the loop hangs.
PATIENCE_SECONDS = 10.0
_SEAT_KIND = str(Seat.__struct_config__.tag)


class CameraMetrics(Service):
    """Of one life of a camera's daemon. Every public method but `page` is for the daemon's thread."""

    def __init__(self, settings: Settings, broker: Callable[[], Broker]) -> None:
        super().__init__(
            settings.metrics, CAMERA, {"camera": settings.camera},
            kind="camera", broker=broker, patience_seconds=PATIENCE_SECONDS,
        )  # fmt: skip
        self._state: HealthState | None = None
        for kind in EVENT_KINDS:
            self.figures.count("edged_events_total", kind, by=0)
        for verdict in get_args(SeatVerdict):
            self.figures.count("edged_seat_verdicts_total", verdict, by=0)

    def observed(self, observation: Observation, latency_ms: float) -> None:
        """A frame was analysed, and what follows from it was published so long after its capture."""
        if self.enabled:
            observe = self.figures.observe
            observe("edged_frame_latency_seconds", latency_ms / 1000)
            for stage, milliseconds in observation.stage_ms.items():
                observe("edged_stage_duration_seconds", milliseconds / 1000, stage)

    def happened(self, payload: Mapping[str, Any]) -> None:
        """An event was told."""
        kind = payload["kind"]
        self.figures.count("edged_events_total", kind)
        if kind == _SEAT_KIND:
            self.figures.count("edged_seat_verdicts_total", payload["verdict"])

    def told(self, state: HealthState, children: Mapping[str, int]) -> None:
        """How things are now. children: names and numbers of the processes that run."""
        self._state = state
        self._heard({**own_pid("daemon"), **children})

    def _health(self) -> tuple[str, object | None]:
        return ("starting", None) if self._state is None else (self._state.status, self._state)

    def _own_samples(self) -> Iterable[Sample]:
        state = self._state
        return () if state is None else _figures_of(state)


def _figures_of(state: HealthState) -> Iterable[Sample]:
    for status in get_args(HealthStatus):
        yield Sample("edged_health_status", status == state.status, (status,))
    yield Sample("edged_health_problems", len(state.reasons))
    yield Sample("edged_outbox_messages", state.waiting_events)
    yield Sample("edged_outbox_oldest_seconds", state.oldest_event_seconds or 0.0)
    yield Sample("edged_outbox_lost_total", state.lost_events)
    yield Sample("edged_frame_rate_hertz", state.capture_frames_per_second, ("captured",))
    yield Sample("edged_frame_rate_hertz", state.frames_per_second, ("analysed",))
    if state.frames_per_second_limit is not None:
        yield Sample("edged_frame_rate_limit_hertz", state.frames_per_second_limit)
    yield Sample("edged_frames_analysed_total", state.analysed_frames)
    yield Sample("edged_frames_dropped_total", state.dropped_frames)
    for process, restarts in state.restarts.items():
        yield Sample("edged_process_restarts_total", restarts, (process,))
    yield Sample("edged_models_missing", len(state.missing_models))
    if state.temperature_celsius is not None:
        yield Sample("edged_board_temperature_celsius", state.temperature_celsius)
    if state.throttled is not None:
        yield Sample("edged_board_throttled", state.throttled)
    for name, hook in state.hooks.items():
        yield Sample("edged_process_restarts_total", hook.restarts, (f"hook {name}",))
        yield Sample("edged_hook_calls_total", hook.calls, (name,))
        yield Sample("edged_hook_failures_total", hook.failed, (name,))
        yield Sample("edged_hook_skipped_total", hook.skipped, (name,))
