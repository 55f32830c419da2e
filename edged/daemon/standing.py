"""How one life of a camera's daemon stands: collects what tells of its health, has it judged, and publishes it.

What is collected comes from the children's reports, the figures of what passes by, the board, the broker and what is
kept; the judgement itself is `health.judge_health`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import msgspec

import edged
from edged.bus.bus import Bus
from edged.bus.outbox import Outbox
from edged.daemon.board_care import BoardCare
from edged.daemon.health import ChildCondition, Condition, Verdict, is_hot, judge_health
from edged.daemon.vitals import Vitals
from edged.events import Health, iso_utc
from edged.hooks.host import Hooks
from edged.messages import LOADING, CaptureReport, InferenceReport
from edged.metrics.camera import CameraMetrics
from edged.notices import HEALTH_CHANGED
from edged.observations import Observation
from edged.processes.supervisor import Child, Supervisor
from edged.processes.table import Loss
from edged.settings import Settings
from edged.states import HealthState
from edged.status_line import camera_status
from edged.store.kept import KeptFile
from edged.systemd_notify import SystemdNotifier

log = logging.getLogger(__name__)

# Whoever scrapes gets figures as new as this.
_METRICS_SECONDS = 1.0
# After a file ended: so long without an observation and everything that was captured has been analysed.
_DRAINED_SECONDS = 1.0


class Standing:
    """Of one life, for its thread. verdict: the last; inference: what the pipeline runs with, None: not said yet."""

    def __init__(
        self,
        settings: Settings,
        kept: KeptFile,
        supervisor: Supervisor,
        hooks: Hooks,
        bus: Bus,
        outbox: Outbox,
        systemd: SystemdNotifier,
        tell: Callable[[Health], None],
        storage_problems: Callable[[], tuple[str, ...]],
        people: Callable[[], int],
        slow_down: Callable[[float], None],
        metrics: CameraMetrics,
    ) -> None:
        """tell: publishes an event. people: how many are in view. slow_down: takes the least seconds between frames.
        storage_problems: what is not kept as it should be, one plain sentence each.
        """
        now = time.monotonic()
        self._settings = settings
        self._kept = kept
        self._supervisor = supervisor
        self._hooks = hooks
        self._bus = bus
        self._outbox = outbox
        self._systemd = systemd
        self._tell = tell
        self._storage_problems = storage_problems
        self._people = people
        self.verdict = Verdict("starting", ())
        self.inference: InferenceReport | None = None
        self._vitals = Vitals(now)
        self._capture: CaptureReport | None = None
        self._capture_at = now
        self._begun_at = now
        self._board = BoardCare(slow_down)
        self._metrics = metrics
        self._metrics_at = 0.0
        self._hot = False
        self._told: tuple[object, ...] = ()
        self._told_at = 0.0

    def adopt(self, settings: Settings) -> None:
        """Judge by these settings from now on."""
        self._settings = settings

    # What comes in

    def observed(self, observation: Observation, now: float) -> None:
        """A frame was analysed, and what follows from it is published."""
        latency_ms = (time.monotonic_ns() - observation.captured_ns) / 1e6
        first = self._vitals.observed_at is None
        self._vitals.observed(now, observation, latency_ms)
        self._metrics.observed(observation, latency_ms)
        if first:
            self.review("status")

    def camera(self, report: CaptureReport, now: float) -> None:
        """The camera says how it is."""
        before = self._capture
        if report.state == "opening" and before is not None and before.state in ("lost", "opening"):
            # Another attempt at a lost camera: it stays lost, for the reason we know, until it streams.
            report = msgspec.structs.replace(report, reason=before.reason)
        self._capture = report
        if before is None or before.state != report.state:
            self._capture_at = now
        if report.state == "lost":
            self.review("camera_lost")
        elif report.state == "streaming":
            if before is None or before.state != "streaming":
                log.info("camera: %s", report.description)
            self.review("camera_back" if self.verdict.status == "no_camera" else "status")
        elif report.state == "ended":
            log.info("the source has ended")
        else:
            self.review("status")

    def pipeline(self, report: InferenceReport) -> None:
        """The pipeline says what it runs with."""
        self.inference = report
        self.review("status")

    def resumed(self) -> None:
        """The children look again: what the camera said before says nothing about now."""
        self._capture = None
        self._begun_at = time.monotonic()
        self.review("resumed")

    def lost(self, loss: Loss) -> None:
        """A child ended unasked: told whether or not that changes the status."""
        if loss.name == "capture":
            self._capture = None
        previous = self.verdict.status
        self.verdict = judge_health(self._condition(time.monotonic()))
        self._tell(
            Health(self.verdict.status, previous, loss.cause, loss.reason, process=loss.name, restarts=loss.restarts)
        )
        self.publish()

    def hook_lost(self, loss: Loss) -> None:
        """A hook ended unasked: the pipeline is none the worse for it."""
        status = self.verdict.status
        self._tell(Health(status, status, loss.cause, loss.reason, process=loss.name, restarts=loss.restarts))

    # What follows from it

    @property
    def excused(self) -> bool:
        """There can be no observation, for a reason that health tells."""
        if self._kept.now.paused or (self._capture is not None and self._capture.state in ("lost", "opening")):
            return True
        return any(child.state == "waiting" for child in self._supervisor.children.values())

    @property
    def loading(self) -> bool:
        """A child is starting or loads its models: bounded by its own budget, which may be longer than systemd's."""
        children = self._supervisor.children.values()
        return any(child.state == "starting" or (child.alive and child.doing == LOADING) for child in children)

    def drained(self, now: float) -> bool:
        """The source has ended, and all that came of it has been analysed."""
        if self._capture is None or self._capture.state != "ended":
            return False
        return now - max(self._capture_at, self._vitals.observed_at or 0.0) >= _DRAINED_SECONDS

    def tick(self, now: float, newest_sequence: int) -> Verdict:
        """Look at everything that changes without a message. newest_sequence: of the frames captured."""
        self._vitals.captured(now, newest_sequence)
        if self._board.tick(self._settings, now):
            self._hot = is_hot(self._board.celsius, self._settings.health.warm_celsius, was_hot=self._hot)
        verdict = self.review("status")
        if self._metrics.enabled and now - self._metrics_at >= _METRICS_SECONDS:
            self._tell_metrics(self._state(now))
        return verdict

    def review(self, cause: str) -> Verdict:
        """Judge anew; an event if the status changed, the state if anything did or it is time to."""
        now = time.monotonic()
        verdict = judge_health(self._condition(now))
        previous, self.verdict = self.verdict.status, verdict
        if verdict.status != previous:
            reason = verdict.reasons[0] if verdict.reasons else "all is well"
            log.log(logging.INFO if verdict.status in ("ok", "starting", "paused") else logging.WARNING,
                    "health: %s%s", verdict.status, f": {reason}" if verdict.reasons else "",
                    extra=HEALTH_CHANGED.extra())  # fmt: skip
            self._tell(Health(verdict.status, previous, cause, reason))
        if self._gist() != self._told or now - self._told_at >= self._settings.health.interval_seconds:
            self.publish()
        return verdict

    def publish(self) -> None:
        """The state by the last verdict and the figures of now; to systemd as well."""
        now = time.monotonic()
        self._told, self._told_at = self._gist(), now
        verdict, state = self.verdict, self._state(now)
        self._bus.health(state, self._settings.health.interval_seconds)
        self._tell_metrics(state)
        self._systemd.status(
            camera_status(
                self._settings.camera, verdict.status, verdict.reasons,
                frames_per_second=self._vitals.frames_per_second(now), people=self._people(),
                broker_problem="" if self._bus.connected else self._bus.problem, waiting_events=len(self._outbox),
            )
        )  # fmt: skip

    def last_word(self) -> None:
        """Before the end: the state once more, with no event."""
        self.verdict = judge_health(self._condition(time.monotonic()))
        self.publish()

    # Inside

    def _state(self, now: float) -> HealthState:
        waited, throttling = self._outbox.oldest_seconds, self._board.throttling
        return HealthState(
            status=self.verdict.status,
            reasons=list(self.verdict.reasons),
            at=iso_utc(time.time_ns()),
            frames_per_second=round(self._vitals.frames_per_second(now), 2),
            capture_frames_per_second=round(self._vitals.capture_frames_per_second(now), 2),
            latency_ms=self._vitals.latency_ms(now),
            stage_ms=self._vitals.stage_ms(now),
            analysed_frames=self._vitals.analysed_frames,
            dropped_frames=self._vitals.dropped_frames,
            restarts=self._restarts(),
            missing_models=self._missing_models(),
            lost_events=self._bus.lost_events,
            waiting_events=len(self._outbox),
            oldest_event_seconds=None if waited is None else round(waited, 1),
            temperature_celsius=self._board.celsius,
            throttled=None if throttling is None else bool(throttling.now),
            throttled_since_boot=None if throttling is None else list(throttling.since_boot),
            frames_per_second_limit=self._board.slowed_to,
            hooks=self._hooks.states(),
            version=edged.__version__,
        )

    def _tell_metrics(self, state: HealthState) -> None:
        self._metrics_at = time.monotonic()
        self._metrics.told(state, {**self._supervisor.running, **self._hooks.processes})

    def _gist(self) -> tuple[object, ...]:
        """What is published as soon as it changes; the rest is only as new as the last time."""
        return (
            self.verdict, self._restarts(), self._missing_models(), self._board.throttling, self._bus.lost_events,
            self._bus.connected,
        )  # fmt: skip

    def _restarts(self) -> dict[str, int]:
        return {child.name: child.restarts for child in self._supervisor.children.values()}

    def _missing_models(self) -> list[str]:
        return list(self.inference.missing_models) if self.inference is not None else []

    def _condition(self, now: float) -> Condition:
        children = self._supervisor.children.values()
        observed_at = self._vitals.observed_at
        streaming = self._capture is not None and self._capture.state == "streaming"
        return Condition(
            paused=self._kept.now.paused,
            children=tuple(_child_condition(child) for child in children),
            capture=self._capture,
            inference=self.inference,
            observed_ago=None if observed_at is None else now - observed_at,
            started_ago=now - max(self._begun_at, *(child.started_at for child in children)),
            streaming_ago=now - self._capture_at if streaming else None,
            hot=self._hot,
            warm_celsius=self._settings.health.warm_celsius,
            throttling=None if self._board.throttling is None else self._board.throttling.now,
            slowed_to=self._board.slowed_to,
            bus_warnings=tuple(self._bus.warnings),
            storage_problems=self._storage_problems(),
            hook_problems=self._hooks.problems(),
            notes=tuple(filter(None, [self._metrics.problem])),
        )


def _child_condition(child: Child) -> ChildCondition:
    loss = child.last_loss
    return ChildCondition(
        child.name,
        running=child.state in ("running", "stopped"),
        waiting=child.state == "waiting",
        trouble=loss.reason if loss else "",
        in_a_row=child.in_a_row,
        final=loss.final if loss else False,
    )
