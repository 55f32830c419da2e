"""One actuator at work: requests and events in, jobs done, every state of them told.

Three threads meet here. The network's hands over what came, and acknowledges it when that has been noted; the worker's
does one job after another; the main one sleeps until something is due. All that is decided is decided under one lock, by
the engine, the gate and the bindings, which know no threads.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

import edged
from edged import clock
from edged.actuators.attempt import GRACE_SECONDS
from edged.actuators.bindings import Bindings, local_minute, own_topics
from edged.actuators.controls import CONTROLS
from edged.actuators.durable import Ledger
from edged.actuators.effects import Abandon, Begin, Effect, Halt, Now, Outcome, Release, Stuck, Tell
from edged.actuators.engine import Engine
from edged.actuators.gate import Gate
from edged.actuators.performer import Performer, TakesTurns
from edged.actuators.settings import ActuatorSettings
from edged.actuators.sitter import cancels, cancels_by
from edged.actuators.worker import Worker
from edged.announcer import Announcer
from edged.bus.actuator_bus import ActuatorBus
from edged.bus.message import Message
from edged.bus.outbox import Outbox
from edged.discovery.device import Device
from edged.errors import EdgedError, RequestRefused, SignatureRefused, StoreError
from edged.events import iso_utc
from edged.jobs import FINAL, ActuatorHealth, ActuatorStatus, JobState
from edged.metrics.actuator import ActuatorMetrics, Waiting
from edged.metrics.service import Broker
from edged.notices import ACTUATOR_STUCK, EMERGENCY_STOP, EMERGENCY_STOP_OVER, JOB_FAILED
from edged.processes.signals import WORDS
from edged.status_line import actuator_status
from edged.store.audit import Trail
from edged.store.kept import KeptFile
from edged.systemd_notify import SystemdNotifier

log = logging.getLogger(__name__)

_FAREWELL_SECONDS = 2.0
# Ids that are out of date are looked for this often.
_FORGET_SECONDS = 3600.0
# That a binding was refused is said in health for so long.
_REFUSAL_SECONDS = 600.0
End = Literal["stopped", "interrupted", "stuck"]
_RECORDED_LIMIT = 1000


class Actuator:
    """One actuator. `run` returns when it was told to end, or must be started anew."""

    def __init__(
        self,
        settings: ActuatorSettings,
        performer: Performer,
        key: bytes | None,
        ledger: Ledger,
        outbox: Outbox,
        *,
        device: Device,
        kept: KeptFile,
        storage_problem: str = "",
        trail: Trail | None = None,
        clock: Callable[[], Now] | None = None,
    ) -> None:
        """key: None only where signing is off. device: for Home Assistant; kept: what it was told. storage_problem: what
        is wrong with the disk, for health. trail: where what was done is recorded; None: nowhere.
        """
        self._settings = settings
        self._performer = performer
        self._ledger = ledger
        self._outbox = outbox
        self._storage_problem = storage_problem
        self._trail = trail
        self._trail_problem = ""
        self._recorded: dict[str, None] = {}
        self._clock = clock or (lambda: Now(time.time(), time.monotonic()))
        self._lock = threading.RLock()
        self._engine = Engine(settings, performer, ledger)
        self._gate = Gate(settings, key, self._engine)
        self._bindings = Bindings(settings.bindings, local_minute, own_topics=own_topics(settings))
        self._recall_firings()
        self._end: End | None = None
        self._deaf = False  # to what the worker says
        self._refused_bindings: dict[str, tuple[float, str]] = {}
        self._told_health: ActuatorHealth | None = None
        self._health_due = 0.0
        self._forget_due = 0.0
        self._wake_reader, self._wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        follows = [*self._bindings.filters, *cancels_by(settings)]
        if device.components:
            follows += device.birth_topics
        self._bus = ActuatorBus(settings.mqtt, settings.actuator, outbox, self._hear, list(dict.fromkeys(follows)))
        self._announcer = Announcer(device, kept, self._bus)
        self._metrics = ActuatorMetrics(
            settings.metrics, settings.actuator, settings.kind, performer.actions, CONTROLS,
            health_seconds=settings.health_seconds,
            broker=lambda: Broker(self._bus.connected, self._bus.connects),
            waiting=lambda: Waiting(len(outbox), outbox.oldest_seconds, self._bus.lost_events),
        )  # fmt: skip
        self._worker = Worker(performer, self._finished)
        if isinstance(performer, TakesTurns):
            performer.attach(self._wake_job)
        self._systemd = SystemdNotifier()

    def run(self, signals: int) -> End:
        """Act until a signal's number comes out of this pipe, or nothing but a new process helps."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_reader, selectors.EVENT_READ)
            selector.register(self._bus.wake_fd, selectors.EVENT_READ)
            selector.register(signals, selectors.EVENT_READ)
            with self._lock:
                self._carry_out(self._engine.recover(self._clock()))
            self._metrics.start()
            self._tell_health()
            self._bus.start()
            with self._lock:
                self._announcer.start(self._clock().steady)
            self._systemd.ready()
            try:
                while self._end is None:
                    ready = {key.fd for key, _ in selector.select(self._patience())}
                    if signals in ready:
                        self._signalled(signals)
                    if self._bus.wake_fd in ready:
                        self._bus.quiet()
                    if self._wake_reader in ready:
                        _drain(self._wake_reader)
                    self._turn()
            finally:
                self._close()
        return self._end

    def _recall_firings(self) -> None:
        now = self._clock()
        for each in self._settings.bindings:
            since = now.unix - max(each.limit_seconds, each.cooldown_seconds)
            for at in self._ledger.accepted_since(f"binding {each.name}", since):
                self._bindings.remember(each.name, max(0.0, now.unix - at), now)

    # -- the main thread ----------------------------------------------------------------------------------------

    def _turn(self) -> None:
        with self._lock:
            now = self._clock()
            self._carry_out(self._engine.tick(now))
            self._fire(self._bindings.tick(now), now)
            self._announcer.tick(now.steady)
            if now.steady >= self._forget_due:
                self._forget_due = now.steady + _FORGET_SECONDS
                try:
                    self._ledger.forget_old(clock.for_ages())
                except StoreError as error:
                    log.warning("%s", error)
            if not self._worker.alive:
                log.error("the thread that acts has ended", extra=ACTUATOR_STUCK.extra())
                self._end = "stuck"
        self._tell_health()
        self._systemd.progress()

    def _patience(self) -> float:
        with self._lock:
            now = self._clock()
            moments = [
                self._health_due - now.steady,
                self._engine.next_seconds(now),
                self._bindings.next_seconds(now),
                self._announcer.next_seconds(now.steady),
            ]
        return max(0.0, min(each for each in moments if each is not None))

    def _signalled(self, signals: int) -> None:
        for number in os.read(signals, 64):
            if number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                log.info("%s: ending", WORDS[signal.Signals(number)])
                self._end = "interrupted" if number == signal.SIGINT else "stopped"

    def _close(self) -> None:
        """In the opposite order of the start, in bounded time: nothing begins, what runs is stopped, all is told."""
        self._systemd.stopping()
        self._metrics.stop()
        with self._lock:
            self._carry_out(self._engine.quit("the actuator is ending", self._clock()))
        if not self._worker.close(GRACE_SECONDS):
            with self._lock:
                end = self._end
                self._carry_out(self._engine.tick(self._clock()))
                # What comes back later is not heard, and why we end stays as it was.
                self._deaf, self._end = True, end
        self._performer.release()
        self._tell_health()
        self._bus.stop(_FAREWELL_SECONDS)
        self._performer.close()
        self._outbox.close()
        self._ledger.close()
        reader, writer = self._wake_reader, self._wake_writer
        self._wake_reader = self._wake_writer = -1
        os.close(reader)
        os.close(writer)

    # -- what comes in ------------------------------------------------------------------------------------------

    def _hear(self, message: Message) -> None:
        """On the network thread."""
        with self._lock:
            now = self._clock()
            if message.topic == self._bus.request_topic:
                self._carry_out(self._gate.take(message, now))
            else:
                self._overhear(message, now)
        self._wake()

    def _overhear(self, message: Message, now: Now) -> None:
        reason = cancels(self._settings, message, now.unix)
        if reason and self._engine.current and (self._settings.cancel.while_running or not self._engine.running):
            try:
                self._carry_out(self._engine.cancel(None, f"cancelled by the sitter: {reason}", now))
            except RequestRefused:
                pass  # it has just come to its end
        self._announcer.take(message, now.steady)
        self._fire(self._bindings.hear(message, now), now)

    def _fire(self, fired: list[Any], now: Now) -> None:
        for each in fired:
            if each.order is None:
                log.info("binding %s does nothing: %s", each.binding, each.reason)
                continue
            try:
                if self._engine.register.known(each.order.id) is not None:
                    continue  # the broker sent the event again
                effects = self._engine.submit(each.order, now)
                self._carry_out(effects)
                self._remember_refusal(each.binding, effects, now)
            except (StoreError, SignatureRefused) as error:
                log.error("binding %s does nothing: %s", each.binding, error)
                self._engine.register.last_error = f"binding {each.binding}: {error}"

    def _remember_refusal(self, binding: str, effects: list[Effect], now: Now) -> None:
        """Nobody asked who would hear of it: health does, for a while."""
        self._refused_bindings.pop(binding, None)
        for effect in effects:
            if isinstance(effect, Tell) and effect.state.state == "rejected":
                sentence = f"binding {binding} was refused: {effect.state.reason}"
                self._engine.register.last_error = sentence
                self._refused_bindings[binding] = (now.steady + _REFUSAL_SECONDS, sentence)

    def _finished(self, job_id: str, outcome: Outcome) -> None:
        """On the worker's thread."""
        with self._lock:
            if self._end == "stuck" or self._deaf:
                return  # too late: it was told as failed
            self._carry_out(self._engine.finished(job_id, outcome, self._clock()))
        self._wake()

    def _wake_job(self, job_id: str) -> None:
        """On any thread."""
        with self._lock:
            if self._wake_writer < 0 or self._end is not None:
                return  # it is ending: the job has its turn after the next start
            self._carry_out(self._engine.wake(job_id, self._clock()))
        self._wake()

    def _wake(self) -> None:
        try:
            os.write(self._wake_writer, b"\0")
        except OSError:
            pass  # full: it is awake already; closed: it is ending

    # -- what goes out ------------------------------------------------------------------------------------------

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Tell):
                self._tell(effect.state)
            elif isinstance(effect, Begin):
                self._worker.begin(effect.wish)
            elif isinstance(effect, Halt):
                self._worker.halt()
            elif isinstance(effect, Abandon):
                self._worker.abandon(effect.wish)
            elif isinstance(effect, Release):
                self._worker.halt()
                self._performer.release()
            else:
                assert isinstance(effect, Stuck)
                log.error(
                    "job %s cannot be stopped: the actuator ends, to be started anew", effect.job_id,
                    extra=ACTUATOR_STUCK.extra(EDGED_JOB_ID=effect.job_id),
                )  # fmt: skip
                self._end = "stuck"

    def _tell(self, state: JobState) -> None:
        failed = state.state == "failed"
        log.log(
            logging.ERROR if failed else logging.INFO,
            "job %s %s: %s: %s", state.id, state.action, state.state, state.reason,
            extra={"EDGED_JOB_ID": state.id, **(JOB_FAILED.extra() if failed else {})},
        )  # fmt: skip
        self._bus.job(state)
        self._metrics.job(state, self._clock().steady)
        if state.state in FINAL:
            self._record(state)
            try:
                self._ledger.sent(state.id)
            except StoreError as error:
                log.warning("%s", error)

    def _record(self, state: JobState) -> None:
        """Into the audit trail with what was done, or tried. What was refused was not: strangers must not fill the card."""
        if self._trail is None or state.state == "rejected" or state.id in self._recorded:
            return
        # The same answer is told again to whoever asks again.
        self._recorded[state.id] = None
        while len(self._recorded) > _RECORDED_LIMIT:
            del self._recorded[next(iter(self._recorded))]
        data = {
            "actuator": state.actuator, "id": state.id, "action": state.action, "state": state.state,
            "reason": state.reason, "source": state.source, "text": state.text, "dry_run": self._settings.dry_run,
        }  # fmt: skip
        try:
            self._trail.append("action", data, by="edged actuator")
            self._trail.sync()
            self._trail_problem = ""
        except StoreError as error:
            # What was asked for is done: not to act because of a full card would be worse than not to record it.
            log.error("%s", error)
            self._trail_problem = f"what was done is not recorded: {error}"

    def _tell_health(self) -> None:
        with self._lock:
            now = self._clock()
            health = self._health(now)
            self._metrics.told(health, {})
            same = self._told_health is not None and _but_time(self._told_health) == _but_time(health)
            if same and now.steady < self._health_due:
                return
            if (self._told_health.stopped_since if self._told_health else None) != health.stopped_since:
                self._log_stop()
            self._told_health = health
            self._health_due = now.steady + self._settings.health_seconds
        self._bus.health(health, self._settings.health_seconds)
        # Whoever reads health over MQTT sees that there is MQTT.
        self._systemd.status(actuator_status(health, "" if self._bus.connected else self._bus.problem))

    def _log_stop(self) -> None:
        if self._engine.latch.closed:
            log.warning("emergency stop %s", self._engine.latch.words, extra=EMERGENCY_STOP.extra())
        else:
            log.info("the emergency stop is over", extra=EMERGENCY_STOP_OVER.extra())

    def _health(self, now: Now) -> ActuatorHealth:
        reasons = []
        if self._engine.latch.closed:
            reasons.append(f"emergency stop {self._engine.latch.words} (edged act {self._settings.actuator} reset)")
        reasons += self._problems()
        status: ActuatorStatus = "stopped" if self._engine.latch.closed else "degraded" if reasons else "ok"
        # Worth a word, and no reason to call it degraded.
        reasons += filter(None, [self._metrics.problem])
        return ActuatorHealth(
            status=status,
            reasons=reasons,
            at=iso_utc(int(now.unix * 1e9)),
            actuator=self._settings.actuator,
            kind=self._performer.kind,
            actions=self._engine.enabled_actions,
            stopped_since=self._engine.latch.since,
            dry_run=self._settings.dry_run,
            waiting_jobs=self._engine.waiting,
            current_job=self._engine.current,
            jobs=dict(self._engine.register.ends),
            refused=dict(self._gate.refused),
            last_error=self._engine.register.last_error,
            clock_offset_seconds=_rounded(self._gate.clock_offset_seconds),
            waiting_messages=len(self._outbox),
            version=edged.__version__,
        )

    def _problems(self) -> list[str]:
        found = [self._storage_problem, self._engine.problem, self._outbox.problem, self._trail_problem]
        found.append(self._gate.clock_problem)
        try:
            found += self._performer.problems()
        except EdgedError as error:
            found.append(str(error))
        steady = self._clock().steady
        found += [sentence for until, sentence in self._refused_bindings.values() if steady < until]
        return [each for each in [*found, *self._bus.warnings] if each]


def _but_time(health: ActuatorHealth) -> tuple[Any, ...]:
    return tuple(
        getattr(health, name)
        for name in health.__struct_fields__
        if name not in ("at", "waiting_messages", "clock_offset_seconds")
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def _drain(fd: int) -> None:
    try:
        while os.read(fd, 4096):
            pass
    except BlockingIOError:
        pass
