"""What is counted of an actuator. What is asked for and said stays out of it: an action that nobody offers is `other`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import get_args

from edged.jobs import FINAL, ActuatorHealth, ActuatorStatus, JobState, State
from edged.metrics.figures import OTHER, Sample
from edged.metrics.service import Broker, Service, own_pid
from edged.metrics.table import ACTUATOR
from edged.settings.metrics import MetricsSettings

# So that the first of each is seen as an increase; whatever else there is comes with its first.
_REFUSALS = (
    "unsigned", "altered", "replayed", "stale", "clock", "retained", "malformed", "unnoted", "conflict", "repeated",
)  # fmt: skip
_STATES: tuple[State, ...] = tuple(each for each in get_args(State) if each in FINAL)


@dataclass(frozen=True)
class Waiting:
    """What waits for the broker."""

    messages: int
    oldest_seconds: float | None
    lost: int


@dataclass
class _Job:
    accepted_at: float
    running_at: float | None = None


class ActuatorMetrics(Service):
    """Of one actuator. The caller sees to it that `job` and `told` are not called at the same time."""

    def __init__(
        self,
        settings: MetricsSettings,
        name: str,
        kind: str,
        actions: Collection[str],
        controls: Collection[str],
        *,
        health_seconds: float,
        broker: Callable[[], Broker],
        waiting: Callable[[], Waiting],
    ) -> None:
        """actions: what it can do. controls: what is done at once and is no job. broker, waiting: are called on the server's thread."""
        super().__init__(
            settings, ACTUATOR, {"actuator": name},
            kind=kind, broker=broker, patience_seconds=4 * health_seconds + 10.0,
        )  # fmt: skip
        self._actions = frozenset(actions)
        self._controls = frozenset(controls)
        self._waiting = waiting
        self._state: ActuatorHealth | None = None
        # Those that have not come to their end: as many as its queue is long.
        self._jobs: dict[str, _Job] = {}
        for action in (*actions, *controls):
            for state in _STATES:
                self.figures.count("edged_jobs_total", action, state, by=0)

    def job(self, state: JobState, now: float) -> None:
        """How a job stands was told; now: CLOCK_MONOTONIC seconds."""
        action = state.action if state.action in self._actions | self._controls else OTHER
        final = state.state in FINAL
        job = self._jobs.pop(state.id, None) if final else self._jobs.setdefault(state.id, _Job(now))
        # An answer is told again to whoever asks again: only an end that is new counts. What is rejected was none.
        if final and (job is not None or state.state == "rejected" or action in self._controls):
            self.figures.count("edged_jobs_total", action, state.state)
        if job is None:
            return
        if state.state == "running" and job.running_at is None:
            job.running_at = now
            if state.attempt == 1:
                self.figures.observe("edged_job_wait_seconds", now - job.accepted_at, action)
        elif state.state != "running" and job.running_at is not None:
            self.figures.observe("edged_job_duration_seconds", now - job.running_at, action)
            job.running_at = None

    def told(self, state: ActuatorHealth, children: Mapping[str, int]) -> None:
        """How things are now. children: names and numbers of processes beside this one."""
        self._state = state
        self._heard({**own_pid("actuator"), **children})

    def _health(self) -> tuple[str, object | None]:
        return ("starting", None) if self._state is None else (self._state.status, self._state)

    def _own_samples(self) -> Iterable[Sample]:
        waiting = self._waiting()
        yield Sample("edged_outbox_messages", waiting.messages)
        yield Sample("edged_outbox_oldest_seconds", waiting.oldest_seconds or 0.0)
        yield Sample("edged_outbox_lost_total", waiting.lost)
        state = self._state
        if state is None:
            return
        for status in get_args(ActuatorStatus):
            yield Sample("edged_health_status", status == state.status, (status,))
        yield Sample("edged_health_problems", len(state.reasons))
        yield Sample("edged_jobs_waiting", state.waiting_jobs)
        for reason in dict.fromkeys([*_REFUSALS, *state.refused]):
            yield Sample("edged_requests_refused_total", state.refused.get(reason, 0), (reason,))
        yield Sample("edged_emergency_stop", state.stopped_since is not None)
        yield Sample("edged_dry_run", state.dry_run)
        if state.clock_offset_seconds is not None:
            yield Sample("edged_clock_offset_seconds", state.clock_offset_seconds)
