"""One life of a camera's daemon, from start to stop or restart: children, judgement, bus, health, on one thread.

A selectors loop over the children's links, the bus's wake descriptor and the caller's signal descriptor; each key's
data is a callable. Parts are started in order and stopped in reverse. OpenCV, numpy and the networks stay in the
children.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import selectors
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

import edged
from edged.announcer import Announcer
from edged.bus.bus import Bus
from edged.bus.outbox import Outbox
from edged.daemon import board
from edged.daemon.evidence import EvidenceClerk
from edged.daemon.guarding import around, block_from_before
from edged.daemon.health import ChildCondition, Condition, Verdict, is_hot, judge_health
from edged.daemon.people import PeopleDesk
from edged.daemon.recorder import Recorder
from edged.daemon.reporter import Reporter
from edged.daemon.requests import Desk
from edged.daemon.trust import Trust
from edged.daemon.tuning import Beginning, Tuner
from edged.daemon.vitals import Vitals
from edged.discovery.camera import device
from edged.errors import CommandRejected
from edged.events import Config, Happening, Health, HealthState, HealthStatus, HookSaid, iso_utc
from edged.frames import FrameSlot
from edged.hooks.host import Hooks
from edged.messages import (
    LOADING,
    CaptureReport,
    Enrolled,
    EvidenceKept,
    Failed,
    InferenceReport,
    Picture,
    TakePicture,
    Upward,
)
from edged.notices import HEALTH_CHANGED
from edged.observations import Observation
from edged.processes.supervisor import Child, Supervisor
from edged.processes.table import Loss, Patience, ProcessSpec
from edged.settings import Settings
from edged.status_line import camera_status
from edged.store.kept import KeptFile
from edged.systemd_notify import SystemdNotifier
from edged.topics import AuditState, camera_topic

log = logging.getLogger(__name__)

End = Literal["stopped", "interrupted", "source_ended", "restart"]

# SIGTERM to the last farewell takes less than two seconds: so much for the children, for hooks, for the broker.
CHILDREN_STOP_SECONDS = 0.9
HOOKS_STOP_SECONDS = 0.2  # they are told to end before the children, so most are gone by then
RECORDER_STOP_SECONDS = 0.2
BUS_STOP_SECONDS = 0.6

_LOOK_SECONDS = 0.25
_BOARD_SECONDS = 5.0
_PROGRESS_SECONDS = 1.0
# After a file ended: so long without an observation and everything that was captured has been analysed.
_DRAINED_SECONDS = 1.0


class Life:
    """Runs one camera until something ends it. folder: of what is kept; None: nothing can be."""

    def __init__(
        self,
        beginning: Beginning,
        outbox: Outbox,
        kept: KeptFile,
        *,
        systemd: SystemdNotifier,
        folder: Path | None = None,
        storage_problem: str = "",
        reload: Callable[[], Settings] | None = None,
        table: Mapping[str, ProcessSpec] | None = None,
        patience: Patience | None = None,
    ) -> None:
        settings = beginning.settings
        self._settings = settings
        self._systemd = systemd
        self._outbox = outbox
        self._storage_problem = storage_problem
        self._kept = kept
        # Who was asked not to look does not look again because it was restarted, or killed.
        self.paused = kept.now.paused
        self.next_settings: Settings | None = None
        self._end: End | None = None
        self._selector = selectors.DefaultSelector()
        self._slot = FrameSlot.create(settings.capture.width * settings.capture.height * 3)
        listens = [camera_topic(settings.mqtt.prefix, settings.camera, "config_change")]
        if settings.home_assistant.enabled:
            listens += device(settings).birth_topics
        self._bus = Bus(settings.mqtt, settings.camera, outbox, listens=listens)
        self._tuner = Tuner(beginning, kept, self._bus, self)
        self._announcer = Announcer(device(settings), kept, self._bus)
        self._supervisor = Supervisor(
            settings, self._slot, self._selector,
            on_message=self._heard, on_loss=self._lost, table=table, patience=patience,
        )  # fmt: skip
        self._hooks = Hooks(settings, self._selector, on_said=self._said, on_loss=self._hook_lost)
        self._recorder = Recorder(settings, folder)
        self._evidence = EvidenceClerk(
            settings, folder, self._recorder, lambda order: self._supervisor.send("inference", order)
        )
        self._reporter = Reporter(
            settings, self._bus, self._hooks, self._keep,
            block_from_before(settings, kept, time.time_ns()), lambda blocked: kept.replace(blocked=blocked),
        )  # fmt: skip
        self._trust = Trust(settings, kept, time.time())
        self._desk = Desk(self._bus, self, settings.snapshot, self._trust, self._people_desk(folder), reload)
        now = time.monotonic()
        self._vitals = Vitals(now)
        self._capture: CaptureReport | None = None
        self._capture_at = now
        self._begun_at = now
        self._inference: InferenceReport | None = None
        self._status: HealthStatus = "starting"
        self._standing = Verdict("starting", ())
        self._told: tuple[object, ...] = ()
        self._told_at = 0.0
        self._look_at = 0.0
        self._board_at = 0.0
        self._temperature: float | None = None
        self._throttling: list[str] | None = None
        self._hot = False
        self._progress_at = 0.0

    def run(self, wake_fd: int, on_wake: Callable[[], None]) -> End:
        """Live. on_wake is called on this thread whenever wake_fd is readable; it may call `end`."""
        self._selector.register(wake_fd, selectors.EVENT_READ, on_wake)
        try:
            self._recorder.begun({"version": edged.__version__, "settings_sha256": settings_digest(self._settings)})
            self._recorder.start()
            self._bus.start()
            self._selector.register(self._bus.wake_fd, selectors.EVENT_READ, self._asked)
            if self.paused:
                self._supervisor.pause()
            self._supervisor.start()
            self._hooks.start()
            self._reporter.announce()
            self._tuner.start(time.monotonic())
            self._announcer.start(time.monotonic())
            self._systemd.ready()
            while self._end is None:
                due = min(self._supervisor.tick(), self._hooks.tick(), self._tick())
                for key, _ in self._selector.select(due):
                    key.data()
            return self._end
        finally:
            self._close()

    def end(self, how: End) -> None:
        """End the loop at its next turn."""
        self._end = self._end or how

    def _asked(self) -> None:
        """Something came over the bus."""
        self._desk.answer_all()
        now = time.monotonic()
        for message in self._bus.messages():
            if not self._tuner.take(message, self._status, now):
                self._announcer.take(message, now)

    # What commands and settings from afar may do

    def adopt(self, settings: Settings) -> None:
        """Swap live settings in, in the children between two frames."""
        self._settings = settings
        self._reporter.adopt(settings)
        self._supervisor.adopt(settings)
        self._announcer.adopt(device(settings))

    def told(self, body: Config) -> None:
        """Publish that settings changed."""
        self._happened(body)

    @property
    def unkept(self) -> str:
        """Why a pause would not outlive this process; empty if it does."""
        return self._kept.problem

    def pause(self) -> None:
        """Give the camera back and stop looking."""
        if not self.paused:
            self.paused = True
            self._kept.replace(paused=True)
            self._supervisor.pause()
            self._review("paused")

    def resume(self) -> None:
        """Look again."""
        if self.paused:
            self.paused = False
            self._kept.replace(paused=False)
            # What the camera said before says nothing about now.
            self._capture = None
            self._begun_at = time.monotonic()
            self._supervisor.resume()
            self._review("resumed")

    def restart(self, settings: Settings | None) -> None:
        """End this life so that another begins."""
        self.next_settings = settings
        self.end("restart")

    def take_picture(self, message: TakePicture) -> bool:
        """Ask the process that holds the camera."""
        return self._supervisor.send("capture", message)

    def challenge(self) -> dict[str, Any]:
        """Ask whoever sits there for a sign of life."""
        asked = self._reporter.challenge(secrets.token_bytes(32))
        if not asked:
            raise CommandRejected("there is no face in view to be asked")
        return asked

    def release(self) -> None:
        """End the block of the seat."""
        if not self._reporter.blocked:
            raise CommandRejected("the seat is not blocked")
        self._reporter.release()

    def unlocked(self) -> None:
        """Somebody unlocked the seat."""
        self._reporter.unlocked()

    def record(self, kind: str, data: Mapping[str, Any]) -> None:
        """Into the audit trail."""
        self._recorder.action(kind, data)

    def _people_desk(self, folder: Path | None) -> Callable[[Desk], PeopleDesk]:
        return lambda desk: PeopleDesk(
            folder,
            self._settings.inference.recognition.key_file,
            lambda wish: self._supervisor.send("inference", wish),
            answer=desk.ok,
            refuse=desk.refuse,
            record=self.record,
        )

    # What children say

    def _heard(self, _name: str, message: Upward) -> None:
        now = time.monotonic()
        if isinstance(message, Observation):
            self._reporter.observed(message)
            latency_ms = (time.monotonic_ns() - message.captured_ns) / 1e6
            first = self._vitals.observed_at is None
            self._vitals.observed(now, message, latency_ms)
            self._progress(now)
            if first:
                self._review("status")
        elif isinstance(message, CaptureReport):
            self._camera(message, now)
        elif isinstance(message, InferenceReport):
            self._inference = message
            self._review("status")
        elif isinstance(message, Picture):
            self._desk.picture(message)
        elif isinstance(message, Enrolled):
            self._desk.enrolled(message)
        elif isinstance(message, EvidenceKept):
            self._evidence.kept(message)
        elif isinstance(message, Failed) or self._excused():
            # It is known why nothing is observed, and it is tried again: that is all there is to do.
            self._progress(now)

    def _excused(self) -> bool:
        """There can be no observation, for a reason that health tells."""
        if self.paused or (self._capture is not None and self._capture.state in ("lost", "opening")):
            return True
        return any(child.state == "waiting" for child in self._supervisor.children.values())

    def _loading(self) -> bool:
        """A child is starting or loads its models: bounded by its own budget, which may be longer than systemd's."""
        children = self._supervisor.children.values()
        return any(child.state == "starting" or (child.alive and child.doing == LOADING) for child in children)

    def _camera(self, report: CaptureReport, now: float) -> None:
        before = self._capture
        if report.state == "opening" and before is not None and before.state in ("lost", "opening"):
            # Another attempt at a lost camera: it stays lost, for the reason we know, until it streams.
            report = msgspec.structs.replace(report, reason=before.reason)
        self._capture = report
        if before is None or before.state != report.state:
            self._capture_at = now
        if report.state == "lost":
            self._review("camera_lost")
        elif report.state == "streaming":
            if before is None or before.state != "streaming":
                log.info("camera: %s", report.description)
            self._review("camera_back" if self._status == "no_camera" else "status")
        elif report.state == "ended":
            log.info("the source has ended")
            self._supervisor.retire("capture")
        else:
            self._review("status")
        if report.state != "streaming":
            self._progress(now)

    def _lost(self, loss: Loss) -> None:
        self._tuner.lost(loss.reason, final=loss.final)
        if loss.name == "capture":
            self._capture = None
        previous = self._status
        verdict = judge_health(self._condition(time.monotonic()))
        self._happened(
            Health(verdict.status, previous, loss.cause, loss.reason, process=loss.name, restarts=loss.restarts)
        )
        self._status = verdict.status
        self._publish_health(verdict)

    def _hook_lost(self, loss: Loss) -> None:
        """The pipeline is none the worse for it."""
        body = Health(self._status, self._status, loss.cause, loss.reason, process=loss.name, restarts=loss.restarts)
        self._happened(body)

    def _said(self, hook: str, data: dict[str, Any], frame: int, at_ms: float) -> None:
        body = HookSaid(hook, data)
        self._reporter.happened(Happening(body, frame, at_ms, time.monotonic_ns(), time.time_ns()))

    # What time demands

    def _tick(self) -> float:
        """Look at everything that changes without a message. Returns the seconds until the next look."""
        now = time.monotonic()
        if now < self._look_at:
            return self._look_at - now
        self._look_at = now + _LOOK_SECONDS
        self._vitals.captured(now, self._slot.newest_sequence())
        self._reporter.around = around(
            self._settings, self._standing, self._inference, broker=self._bus.connected, local=time.localtime()
        )
        self._reporter.quiet(now)
        self._desk.tick(now)
        self._evidence.tick(now)
        self._tell_trail(self._recorder.state_due(now))
        self._announcer.tick(now)
        if self._loading():
            self._progress(now)
        if now >= self._board_at:
            self._board_at = now + _BOARD_SECONDS
            self._temperature = board.temperature_celsius()
            self._throttling = board.throttling()
            self._hot = is_hot(self._temperature, self._settings.health.warm_celsius, was_hot=self._hot)
        if self._capture is not None and self._capture.state == "ended" and self._drained(now):
            self.end("source_ended")
        verdict = self._review("status")
        self._tuner.tick(verdict.status, verdict.reasons[0] if verdict.reasons else "", now)
        return _LOOK_SECONDS

    def _drained(self, now: float) -> bool:
        return now - max(self._capture_at, self._vitals.observed_at or 0.0) >= _DRAINED_SECONDS

    def _review(self, cause: str) -> Verdict:
        """Judge health anew; an event if the status changed, the state if anything did or it is time to."""
        now = time.monotonic()
        verdict = judge_health(self._condition(now))
        if verdict.status != self._status:
            reason = verdict.reasons[0] if verdict.reasons else "all is well"
            log.log(logging.INFO if verdict.status in ("ok", "starting", "paused") else logging.WARNING,
                    "health: %s%s", verdict.status, f": {reason}" if verdict.reasons else "",
                    extra=HEALTH_CHANGED.extra())  # fmt: skip
            self._happened(Health(verdict.status, self._status, cause, reason))
            self._status = verdict.status
        self._standing = verdict
        told = (
            verdict,
            self._restarts(),
            self._missing_models(),
            bool(self._throttling),
            self._bus.lost_events,
            self._bus.connected,
        )
        if told != self._told or now - self._told_at >= self._settings.health.interval_seconds:
            self._publish_health(verdict)
        return verdict

    def _publish_health(self, verdict: Verdict) -> None:
        now = time.monotonic()
        restarts, missing = self._restarts(), self._missing_models()
        self._told = (verdict, restarts, missing, bool(self._throttling), self._bus.lost_events, self._bus.connected)
        self._told_at = now
        waited = self._outbox.oldest_seconds
        self._bus.health(
            HealthState(
                status=verdict.status,
                reasons=list(verdict.reasons),
                at=iso_utc(time.time_ns()),
                frames_per_second=round(self._vitals.frames_per_second(now), 2),
                capture_frames_per_second=round(self._vitals.capture_frames_per_second(now), 2),
                latency_ms=self._vitals.latency_ms(now),
                stage_ms=self._vitals.stage_ms(now),
                analysed_frames=self._vitals.analysed_frames,
                dropped_frames=self._vitals.dropped_frames,
                restarts=restarts,
                missing_models=missing,
                lost_events=self._bus.lost_events,
                waiting_events=len(self._outbox),
                oldest_event_seconds=None if waited is None else round(waited, 1),
                temperature_celsius=self._temperature,
                throttled=None if self._throttling is None else bool(self._throttling),
                hooks=self._hooks.states(),
                version=edged.__version__,
            ),
            self._settings.health.interval_seconds,
        )
        self._systemd.status(
            camera_status(
                self._settings.camera, verdict.status, verdict.reasons,
                frames_per_second=self._vitals.frames_per_second(now), people=self._reporter.people,
                broker_problem="" if self._bus.connected else self._bus.problem, waiting_events=len(self._outbox),
            )
        )  # fmt: skip

    def _condition(self, now: float) -> Condition:
        children = self._supervisor.children.values()
        observed_at = self._vitals.observed_at
        streaming = self._capture is not None and self._capture.state == "streaming"
        return Condition(
            paused=self.paused,
            children=tuple(_child_condition(child) for child in children),
            capture=self._capture,
            inference=self._inference,
            observed_ago=None if observed_at is None else now - observed_at,
            started_ago=now - max(self._begun_at, *(child.started_at for child in children)),
            streaming_ago=now - self._capture_at if streaming else None,
            hot=self._hot,
            warm_celsius=self._settings.health.warm_celsius,
            throttling=None if self._throttling is None else tuple(self._throttling),
            bus_warnings=tuple(self._bus.warnings),
            storage_problems=self._storage_problems(),
            hook_problems=self._hooks.problems(),
        )

    def _storage_problems(self) -> tuple[str, ...]:
        of_files = (self._storage_problem, self._outbox.problem, self._evidence.problem)
        return tuple(filter(None, (*of_files, self._trust.problem, *self._tuner.problems, *self._recorder.problems)))

    def _keep(self, payload: Mapping[str, Any], captured_ns: int) -> None:
        """An event was told: into the trail and the past with it, and pictures if it is worth some."""
        self._recorder.event(payload)
        self._evidence.happened(payload, captured_ns, time.monotonic())

    def _tell_trail(self, state: AuditState | None) -> None:
        if state is not None:
            self._bus.tell("audit", state)

    def _restarts(self) -> dict[str, int]:
        return {child.name: child.restarts for child in self._supervisor.children.values()}

    def _missing_models(self) -> list[str]:
        return list(self._inference.missing_models) if self._inference is not None else []

    def _happened(self, body: Health | Config) -> None:
        now_ns = time.monotonic_ns()
        self._reporter.happened(Happening(body, -1, now_ns / 1e6, now_ns, time.time_ns()))

    def _progress(self, now: float) -> None:
        """Something got done: feed the watchdog, at most once a second."""
        if now - self._progress_at >= _PROGRESS_SECONDS:
            self._progress_at = now
            self._systemd.progress()

    def _close(self) -> None:
        """Stop all in reverse order, within two seconds."""
        if self._end != "restart":
            self._systemd.stopping()
        self._tuner.close()
        self._publish_health(judge_health(self._condition(time.monotonic())))  # the last word on the figures
        try:
            self._hooks.farewell()
            self._supervisor.stop(CHILDREN_STOP_SECONDS)
            self._hooks.stop(HOOKS_STOP_SECONDS)
        finally:
            self._recorder.close(RECORDER_STOP_SECONDS)
            self._tell_trail(self._recorder.last_state())
            self._bus.stop(BUS_STOP_SECONDS)
            self._selector.close()
            self._slot.close()


def settings_digest(settings: Settings) -> str:
    """The same for the same settings, so that the trail shows a settings file that was edited. Without secrets."""
    return hashlib.sha256(settings.model_dump_json(exclude={"mqtt": {"password"}}).encode()).hexdigest()


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
