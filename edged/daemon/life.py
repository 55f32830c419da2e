"""One life of a camera's daemon, from start to stop or restart: children, judgement, bus, health, on one thread.

A selectors loop over the children's links, the bus's wake descriptor and the caller's signal descriptor; each key's
data is a callable. Parts are started in order and stopped in reverse. OpenCV, numpy and the networks stay in the
children.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from edged.announcer import Announcer
from edged.bus.bus import Bus
from edged.bus.outbox import Outbox
from edged.daemon.evidence import EvidenceClerk
from edged.daemon.guarding import around, block_from_before
from edged.daemon.people import PeopleDesk
from edged.daemon.recorder import Recorder
from edged.daemon.reporter import Reporter
from edged.daemon.requests import Desk
from edged.daemon.standing import Standing
from edged.daemon.trust import Trust
from edged.daemon.tuning import Beginning, Tuner
from edged.discovery.camera import device
from edged.events import Config, HookSaid
from edged.frames import FrameSlot
from edged.hooks.host import Hooks
from edged.messages import (
    CaptureReport,
    Enrolled,
    EvidenceKept,
    Failed,
    InferenceReport,
    Picture,
    TakePicture,
    Upward,
)
from edged.metrics.camera import CameraMetrics
from edged.metrics.service import Broker
from edged.observations import Observation
from edged.processes.supervisor import Supervisor
from edged.processes.table import Loss, Patience, ProcessSpec
from edged.settings import Settings
from edged.store.kept import KeptFile
from edged.systemd_notify import SystemdNotifier
from edged.topics import AuditState, camera_topic

End = Literal["stopped", "interrupted", "source_ended", "restart"]

# SIGTERM to the last farewell takes less than two seconds: so much for the children, for hooks, for the broker.
CHILDREN_STOP_SECONDS = 0.9
HOOKS_STOP_SECONDS = 0.2  # they are told to end before the children, so most are gone by then
RECORDER_STOP_SECONDS = 0.2
BUS_STOP_SECONDS = 0.6

_LOOK_SECONDS = 0.25
_PROGRESS_SECONDS = 1.0


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
        self._hooks = Hooks(
            settings, self._selector,
            on_said=lambda hook, data, frame, at_ms: self._reporter.happened(HookSaid(hook, data), frame, at_ms),
            on_loss=self._hook_lost,
        )  # fmt: skip
        self._recorder = Recorder(settings, folder)
        self._evidence = EvidenceClerk(
            settings, folder, self._recorder, lambda order: self._supervisor.send("inference", order)
        )
        self._reporter = Reporter(
            settings, self._bus, self._hooks, self._keep,
            block_from_before(settings, kept, time.time_ns()), lambda blocked: kept.replace(blocked=blocked),
        )  # fmt: skip
        self._trust = Trust(settings, kept, time.time(), time.monotonic())
        self._desk = Desk(
            self._bus, self, self._reporter, self._recorder, settings.snapshot, self._trust,
            self._people_desk(folder), reload,
        )  # fmt: skip
        self._metrics = CameraMetrics(settings, lambda: Broker(self._bus.connected, self._bus.connects))
        self._standing = Standing(
            settings, kept, self._supervisor, self._hooks, self._bus, outbox, systemd,
            tell=self._reporter.happened, storage_problems=self._storage_problems,
            people=lambda: self._reporter.people, slow_down=self._slot.set_least, metrics=self._metrics,
        )  # fmt: skip
        self._look_at = 0.0
        self._progress_at = 0.0

    def run(self, wake_fd: int, on_wake: Callable[[], None]) -> End:
        """Live. on_wake is called on this thread whenever wake_fd is readable; it may call `end`."""
        self._selector.register(wake_fd, selectors.EVENT_READ, on_wake)
        try:
            self._recorder.begun()
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
            self._metrics.start()
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
            if not self._tuner.take(message, self._standing.verdict.status, now):
                self._announcer.take(message, now)

    # What commands and settings from afar may do

    def adopt(self, settings: Settings) -> None:
        """Swap live settings in, in the children between two frames."""
        self._settings = settings
        self._reporter.adopt(settings)
        self._standing.adopt(settings)
        self._supervisor.adopt(settings)
        self._announcer.adopt(device(settings))

    def told(self, body: Config) -> None:
        """Publish that settings changed."""
        self._reporter.happened(body)

    @property
    def paused(self) -> bool:
        """Paused by command. Who was asked not to look does not look again because it was restarted, or killed."""
        return self._kept.now.paused

    @property
    def unkept(self) -> str:
        """Why a pause would not outlive this process; empty if it does."""
        return self._kept.problem

    def pause(self) -> None:
        """Give the camera back and stop looking."""
        if not self.paused:
            self._kept.replace(paused=True)
            self._supervisor.pause()
            self._standing.review("paused")

    def resume(self) -> None:
        """Look again."""
        if self.paused:
            self._kept.replace(paused=False)
            self._supervisor.resume()
            self._standing.resumed()

    def restart(self, settings: Settings | None) -> None:
        """End this life so that another begins."""
        self.next_settings = settings
        self.end("restart")

    def take_picture(self, message: TakePicture) -> bool:
        """Ask the process that holds the camera."""
        return self._supervisor.send("capture", message)

    def _people_desk(self, folder: Path | None) -> Callable[[Desk], PeopleDesk]:
        return lambda desk: PeopleDesk(
            folder,
            self._settings.inference.recognition.key_file,
            lambda wish: self._supervisor.send("inference", wish),
            answer=desk.ok,
            refuse=desk.refuse,
            record=self._recorder.action,
        )

    # What children say

    def _heard(self, _name: str, message: Upward) -> None:
        now = time.monotonic()
        if isinstance(message, Observation):
            self._reporter.observed(message)
            self._standing.observed(message, now)
            self._progress(now)
        elif isinstance(message, CaptureReport):
            self._camera(message, now)
        elif isinstance(message, InferenceReport):
            self._standing.pipeline(message)
        elif isinstance(message, Picture):
            self._desk.picture(message)
        elif isinstance(message, Enrolled):
            self._desk.enrolled(message)
        elif isinstance(message, EvidenceKept):
            self._evidence.kept(message)
        elif isinstance(message, Failed) or self._standing.excused:
            # It is known why nothing is observed, and it is tried again: that is all there is to do.
            self._progress(now)

    def _camera(self, report: CaptureReport, now: float) -> None:
        self._standing.camera(report, now)
        if report.state == "ended":
            self._supervisor.retire("capture")
        if report.state != "streaming":
            self._progress(now)

    def _lost(self, loss: Loss) -> None:
        self._tuner.lost(loss.reason, final=loss.final)
        self._standing.lost(loss)

    def _hook_lost(self, loss: Loss) -> None:
        self._standing.hook_lost(loss)

    # What time demands

    def _tick(self) -> float:
        """Look at everything that changes without a message. Returns the seconds until the next look."""
        now = time.monotonic()
        if now < self._look_at:
            return self._look_at - now
        self._look_at = now + _LOOK_SECONDS
        self._reporter.around = around(
            self._settings, self._standing.verdict, self._standing.inference,
            broker=self._bus.connected, local=time.localtime(),
        )  # fmt: skip
        self._reporter.quiet(now)
        self._kept.keep(now)
        self._desk.tick(now)
        self._evidence.tick(now)
        self._tell_trail(self._recorder.state_due(now))
        self._announcer.tick(now)
        if self._standing.loading:
            self._progress(now)
        if self._standing.drained(now):
            self.end("source_ended")
        verdict = self._standing.tick(now, self._slot.newest_sequence())
        self._tuner.tick(verdict.status, verdict.reasons[0] if verdict.reasons else "", now)
        return _LOOK_SECONDS

    def _storage_problems(self) -> tuple[str, ...]:
        of_files = (self._storage_problem, self._outbox.problem, self._evidence.problem)
        return tuple(filter(None, (*of_files, self._trust.problem, *self._tuner.problems, *self._recorder.problems)))

    def _keep(self, payload: Mapping[str, Any], captured_ns: int) -> None:
        """An event was told: into the trail and the past with it, and pictures if it is worth some."""
        self._metrics.happened(payload)
        self._recorder.event(payload)
        self._evidence.happened(payload, captured_ns, time.monotonic())

    def _tell_trail(self, state: AuditState | None) -> None:
        if state is not None:
            self._bus.tell("audit", state)

    def _progress(self, now: float) -> None:
        """Something got done: feed the watchdog, at most once a second."""
        if now - self._progress_at >= _PROGRESS_SECONDS:
            self._progress_at = now
            self._systemd.progress()

    def _close(self) -> None:
        """Stop all in reverse order, within two seconds."""
        if self._end != "restart":
            self._systemd.stopping()
        self._metrics.stop()
        self._tuner.close()
        self._standing.last_word()
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
