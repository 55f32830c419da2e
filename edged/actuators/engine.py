"""The queue of one actuator: which job is whose turn, and what becomes of it.

No threads and no clock: every method takes the present moment and returns what is to be done about the world, in order.
It writes the ledger, so that whatever happens to this process, no job is done twice and each has one end.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from edged.actuators.controls import ControlOptions, control_options
from edged.actuators.durable import Ledger
from edged.actuators.effects import Abandon, Begin, Effect, Halt, Now, Outcome, Release, Stuck, Tell
from edged.actuators.job import Job, Order, one_line, rejected
from edged.actuators.latch import Latch
from edged.actuators.rules import CONTROLS, Judge, Rules, pause_seconds, withheld
from edged.actuators.settings import ActuatorSettings, PolicySettings
from edged.errors import RequestRefused, SignatureRefused, StoreError
from edged.jobs import JobState, State

log = logging.getLogger(__name__)

# How long a performer may take to stop once it is told to.
GRACE_SECONDS = 5.0


@dataclass
class _Run:
    """The attempt that is under way. end: what it becomes when the worker stops because we told it to. ending: we did
    so only because the actuator ends.
    """

    job_id: str
    timeout_steady: float
    end: Literal["cancelled", "failed"] = "cancelled"
    halt_reason: str = ""
    halted_steady: float | None = None
    ending: bool = False
    woken: bool = False


class Engine:
    """One actuator's jobs."""

    def __init__(
        self,
        settings: ActuatorSettings,
        performer: Judge,
        ledger: Ledger,
        chance: random.Random | None = None,
    ) -> None:
        """performer: is asked what can be done, and does nothing here. chance: jitter of repeated attempts."""
        self._settings = settings
        self._actions = performer.actions
        self._rules = Rules(settings, performer, ledger)
        self._ledger = ledger
        self._chance = chance or random.Random()
        self._jobs: dict[str, Job] = {}
        self._turn: str | None = None
        self._run: _Run | None = None
        self._stuck = False
        self._ending = False
        self._owed: dict[str, JobState] = {}
        self.latch = Latch(ledger.beside("stopped"))
        self.trusted_since = ledger.trusted_since
        self.ends: Counter[str] = Counter()
        self.last_error = ""

    # -- looking on ---------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Jobs that have not come to their end."""
        return len(self._jobs)

    @property
    def current(self) -> str | None:
        """The job whose turn it is."""
        return self._run.job_id if self._run is not None else self._turn

    @property
    def running(self) -> bool:
        """The worker is at it."""
        return self._run is not None

    @property
    def enabled_actions(self) -> list[str]:
        """What may be asked for."""
        return [name for name, spec in self._actions.items() if self._rules.enabled(spec)]

    def known(self, job_id: str) -> JobState | None:
        """What was last told of an id; None: never seen. Raises StoreError."""
        return self._ledger.told(job_id)

    def is_of(self, job_id: str, digest: str) -> bool:
        """Does a job do what such a request asks for, as far as is known? Raises StoreError."""
        kept = self._ledger.digest(job_id)
        return not kept or not digest or kept == digest

    @property
    def problem(self) -> str:
        """What keeps it from being remembered how things are; empty when all is well."""
        if self._owed:
            return f"how {len(self._owed)} jobs ended is not on the disk: {self.last_error}"
        return self.latch.problem

    def next_seconds(self, now: Now) -> float | None:
        """How long from now until `tick` has something to do; None: not before something happens."""
        moments = [job.order.expires_at - now.unix for job in self._jobs.values() if self._can_expire(job)]
        if self._run is not None:
            halted = self._run.halted_steady
            moments.append((self._run.timeout_steady if halted is None else halted + GRACE_SECONDS) - now.steady)
        elif self._turn is not None:
            job = self._jobs[self._turn]
            if job.countdown_ends_steady is not None:
                left = job.countdown_ends_steady - now.steady
                moments.append(left - max(0.0, (job.remaining_seconds or 0.0) - 1.0))
            elif job.confirm_by_steady is not None:
                moments.append(job.confirm_by_steady - now.steady)
        elif not (self._stuck or self._ending):
            moments += [job.due_steady - now.steady for job in self._jobs.values()]
        return max(0.0, min(moments)) if moments else None

    # -- wishes -------------------------------------------------------------------------------------------------

    def recover(self, now: Now) -> list[Effect]:
        """At the start: durable jobs are taken up again, all others that had no end get one. Raises StoreError."""
        effects: list[Effect] = [Tell(state) for state in self._ledger.unsent()]
        for left in self._ledger.unfinished():
            spec = self._actions.get(left.told.action)
            cut = (
                "in the middle: it may have been done in part"
                if left.interrupted
                else "before it began: nothing was done"
            )
            if left.order is None or spec is None or (left.interrupted and not spec.resumes):
                stopped = self.latch.closed and not left.interrupted
                words = f"emergency stop: {self.latch.words}" if stopped else f"the actuator was ended {cut}"
                effects += self._end_unfinished(left.told, "cancelled" if stopped else "failed", words, now)
                continue
            again = left.told.state == "running"
            job = Job(
                left.order, spec, self._rules.confirm(left.order, spec), attempt=left.attempt + again,
                interrupted=left.interrupted,
            )  # fmt: skip
            if self.latch.closed or not self._rules.enabled(spec):
                words = (
                    f"emergency stop: {self.latch.words}" if self.latch.closed else f"{spec.name} has been turned off"
                )
                effects += self._end_unfinished(left.told, "cancelled", words, now)
                effects += [Abandon(job.wish())] if left.interrupted else []
                continue
            # Who was asked once is not asked again for another attempt.
            job = replace(job, confirmed=job.attempt > 1, state="accepted")
            self._jobs[job.id] = job
            effects += self._move(job, "accepted", "taken up again after a restart", now)
        return effects

    def submit(self, order: Order, now: Now) -> list[Effect]:
        """A wish that may be trusted. Repeated, it gets the answer it had.

        Raises SignatureRefused for a nonce that was used before, and StoreError when it cannot be noted; nothing is done
        then.
        """
        before = self._ledger.told(order.id)
        if before is not None:
            return [Tell(before)]
        if self._ledger.nonce_used(order.nonce):
            raise SignatureRefused("replayed", "replayed: the nonce was used before, with another id")
        if order.action in CONTROLS:
            return self._control(order, now)
        try:
            job = self._rules.admit(
                order, now.unix, waiting=len(self._jobs), stopped=self.latch.words, ending=self._ending
            )
        except RequestRefused as error:
            return self.refuse(order, str(error), now)
        told = job.told(self._settings.actuator)
        self._ledger.add(job, told, durable=job.spec.durable)
        if not self._sync():
            # It is said that nothing will be done: so it must be, after a restart as well.
            reason = f"the request cannot be noted, so it is not done: {self.last_error}"
            told = rejected(self._settings.actuator, order.id, order.action, reason, now.unix, order.source)
            self._owe(told)
            self.ends["rejected"] += 1
            return [Tell(told)]
        self._jobs[job.id] = job
        return [Tell(told), *self.tick(now)]

    def refuse(self, order: Order, why: str, now: Now) -> list[Effect]:
        """A wish of somebody who may ask is not granted, and never will be. Raises StoreError."""
        reason = withheld(order, why)
        told = rejected(self._settings.actuator, order.id, order.action, reason, now.unix, order.source)
        self._ledger.note(order, told)
        self._sync()
        self.ends["rejected"] += 1
        return [Tell(told)]

    def is_used(self, nonce: str) -> bool:
        """Has any request had this nonce? Raises StoreError."""
        return self._ledger.nonce_used(nonce)

    def _control(self, order: Order, now: Now) -> list[Effect]:
        """`cancel`, `confirm`, `stop` and `reset` pass the queue by; they are noted, or one could be replayed."""
        told = rejected(
            self._settings.actuator,
            order.id,
            order.action,
            "the actuator ended before it was done",
            now.unix,
            order.source,
        )
        try:
            self._ledger.note(order, told)
        except StoreError as error:
            self.last_error = str(error)
            if order.action not in ("stop", "cancel"):  # which must work on a broken disk as well
                raise
        effects: list[Effect] = []
        try:
            effects, done = self._controlled(order.action, control_options(order), now)
            told = msgspec.structs.replace(told, state="succeeded", reason=done)
        except (RequestRefused, StoreError) as error:
            told = msgspec.structs.replace(told, reason=one_line(str(error)))
        self._owe(told)
        self.ends[told.state] += 1
        return [*effects, Tell(told)]

    def _controlled(self, action: str, wanted: ControlOptions, now: Now) -> tuple[list[Effect], str]:
        if action == "stop":
            return self.stop(wanted.reason, now), "stopped, until reset"
        if action == "reset":
            return self.reset(now), "the emergency stop is over"
        if action == "confirm":
            confirmed = wanted.job or self.current or ""
            return self.confirm(confirmed, now), f"job {confirmed} is confirmed"
        job_id = wanted.job or self.current or ""
        effects = self.cancel(job_id, wanted.reason or "cancelled by request", now)
        stops = self._run is not None and self._run.job_id == job_id
        return effects, f"job {job_id} is told to stop" if stops else f"job {job_id} is cancelled"

    def cancel(self, job_id: str | None, reason: str, now: Now) -> list[Effect]:
        """Cancel a job, None: the one whose turn it is. Raises RequestRefused when there is none."""
        job = self._jobs.get(job_id or self.current or "")
        if job is None:
            which = f"no job {job_id!r} waits or runs" if job_id else "no job waits or runs"
            raise RequestRefused(f"{which}: nothing to cancel")
        if self._run is not None and self._run.job_id == job.id:
            return self._halt("cancelled", reason, now)
        return [*self._drop(job, reason, now), *self.tick(now)]

    def confirm(self, job_id: str, now: Now) -> list[Effect]:
        """Somebody confirms a job. Raises RequestRefused when it does not wait for that."""
        job = self._jobs.get(job_id)
        if job is None or job.state == "running":
            raise RequestRefused(f"no job {job_id!r} waits for a confirmation")
        if job.confirm != "confirm":
            raise RequestRefused(f"job {job_id!r} needs no confirmation")
        over = job.confirm_by_steady is not None and now.steady >= job.confirm_by_steady
        if over or (now.unix >= job.order.expires_at and self._can_expire(job)):
            raise RequestRefused(f"too late: job {job_id!r} could be confirmed until now, and no longer")
        self._jobs[job_id] = replace(job, confirmed=True)
        return self.tick(now)

    def stop(self, reason: str, now: Now) -> list[Effect]:
        """The emergency stop: everything ends at once, and nothing begins until `reset`. It outlives this process."""
        effects: list[Effect] = [Release()]
        self.latch.close(reason, now.unix)
        for job in list(self._jobs.values()):
            if self._is_running(job):
                effects += self._halt("cancelled", f"emergency stop: {reason}", now)
            else:
                effects += self._drop(job, f"emergency stop: {reason}", now)
        return effects

    def reset(self, now: Now) -> list[Effect]:
        """The emergency stop is over. Raises RequestRefused when it was not on."""
        if not self.latch.closed:
            raise RequestRefused("the emergency stop is not on")
        self.latch.open()
        return self.tick(now)

    # -- time passes --------------------------------------------------------------------------------------------

    def tick(self, now: Now) -> list[Effect]:
        """Whatever is due."""
        effects: list[Effect] = []
        self.latch.keep()
        for told in list(self._owed.values()):
            self._owe(told)
        for job in list(self._jobs.values()):
            if now.unix >= job.order.expires_at and self._can_expire(job):
                effects += self._move(job, "expired", _expiry_words(job), now)
        if self._run is not None:
            return effects + self._watch(self._run, now)
        while not self.running and (turn := self._whose_turn(now)) is not None:
            effects += self._advance(turn, now)
            if turn.id in self._jobs and not self.running:
                break  # it counts down, or waits for a confirmation
        return effects

    def wake(self, job_id: str, now: Now) -> list[Effect]:
        """What a job waits for has come, if it waits."""
        job = self._jobs.get(job_id)
        if self._run is not None and self._run.job_id == job_id:
            self._run.woken = True  # it may not have seen it any more
        elif job is not None and job.state == "running":
            self._jobs[job_id] = replace(job, due_steady=now.steady)
        return self.tick(now)

    def finished(self, job_id: str, outcome: Outcome, now: Now) -> list[Effect]:
        """The worker is back. Of a job that was given up in the meantime nothing more is told."""
        run = self._run
        if run is None or run.job_id != job_id:
            return []
        self._run = self._turn = None
        job = self._jobs[job_id]
        reason = withheld(job.order, outcome.reason)
        halted = run.halted_steady is not None
        if run.ending and job.spec.resumes and outcome.result in ("cancelled", "waiting"):
            effects = []  # it stays as it is, and is taken up again after the restart
        elif outcome.result == "waiting":
            effects = self._rest(job, run, outcome, reason, now)
        elif outcome.result == "cancelled" and halted:
            effects = self._move(job, run.end, f"{run.halt_reason}; {reason}", now)
        elif outcome.result == "cancelled":
            effects = self._move(job, "failed", reason, now)
        elif outcome.result == "failed" and outcome.retry and job.spec.durable and (not halted or run.ending):
            effects = self._again(job, outcome, reason, now)
        else:
            effects = self._move(job, outcome.result, reason, now)
        return effects + self.tick(now)

    def quit(self, reason: str, now: Now) -> list[Effect]:
        """The actuator ends in good order: nothing begins any more, what is not durable gets its end, and what runs is
        told to stop. Durable jobs are for the actuator that comes after.
        """
        self._ending = True
        effects: list[Effect] = []
        for job in list(self._jobs.values()):
            if self._is_running(job):
                assert self._run is not None
                self._run.ending = self._run.halted_steady is None
                end: Literal["cancelled", "failed"] = "failed" if job.spec.durable else "cancelled"
                effects += self._halt(end, reason, now)
            elif not job.spec.durable:
                effects += self._drop(job, reason, now)
        self._turn = None
        return effects

    # -- inside -------------------------------------------------------------------------------------------------

    def _is_running(self, job: Job) -> bool:
        return self._run is not None and self._run.job_id == job.id

    def _can_expire(self, job: Job) -> bool:
        """What has begun may have been done: only the performer knows whether it came too late."""
        return job.state != "running" and not job.interrupted

    def _whose_turn(self, now: Now) -> Job | None:
        if self.latch.closed or self._stuck or self._ending:
            return None
        if self._turn is not None and self._turn in self._jobs:
            return self._jobs[self._turn]
        for job in sorted(self._jobs.values(), key=lambda each: not each.spec.urgent):
            if now.steady >= job.due_steady:
                self._turn = job.id
                return job
        return None

    def _advance(self, job: Job, now: Now) -> list[Effect]:
        policy = self._rules.policy(job.order.action)
        if job.confirmed or job.confirm == "none":
            return self._begin(job, policy, now)
        if job.confirm == "confirm":
            if job.confirm_by_steady is None:
                # Never longer than the request is good for.
                left = min(policy.confirm_seconds, job.order.expires_at - now.unix)
                job = replace(job, confirm_by_steady=now.steady + left)
                reason = f"waits for a confirmation (edged act {self._settings.actuator} confirm {job.id})"
                return self._move(job, "accepted", reason, now, remaining_seconds=round(left, 1))
            if now.steady >= job.confirm_by_steady:
                return self._move(job, "expired", f"nobody confirmed it within {policy.confirm_seconds:g} s", now)
            return []
        if job.countdown_ends_steady is None:
            seconds = job.spec.countdown_seconds if policy.countdown_seconds is None else policy.countdown_seconds
            job = replace(job, countdown_ends_steady=now.steady + seconds)
        assert job.countdown_ends_steady is not None
        left = job.countdown_ends_steady - now.steady
        if left <= 0:
            return self._begin(job, policy, now)
        if job.remaining_seconds is None or left <= job.remaining_seconds - 1.0:
            shown = float(-int(-left // 1))
            return self._move(job, "countdown", f"begins in {shown:g} s", now, remaining_seconds=shown)
        return []

    def _begin(self, job: Job, policy: PolicySettings, now: Now) -> list[Effect]:
        timeout = job.spec.timeout_seconds if policy.timeout_seconds is None else policy.timeout_seconds
        words = "" if job.attempt == 1 else f", attempt {job.attempt}"
        effects: list[Effect] = []
        if job.state != "running":  # else it is another turn of the same attempt
            effects = self._move(job, "running", f"begun{words}", now, sync=True)
        if job.id not in self._jobs:
            return effects
        if self._settings.dry_run:
            self._turn = None
            done = f"dry run: {job.order.action} was not done"
            return effects + self._move(self._jobs[job.id], "succeeded", done, now)
        self._run = _Run(job.id, now.steady + timeout)
        return [*effects, Begin(self._jobs[job.id].wish())]

    def _watch(self, run: _Run, now: Now) -> list[Effect]:
        if run.halted_steady is not None:
            return self._give_up(run, now) if now.steady >= run.halted_steady + GRACE_SECONDS else []
        if now.steady < run.timeout_steady:
            return []
        return self._halt("failed", "it took longer than its timeout", now)

    def _halt(self, end: Literal["cancelled", "failed"], reason: str, now: Now) -> list[Effect]:
        run = self._run
        if run is None or run.halted_steady is not None:
            return []
        run.end, run.halt_reason, run.halted_steady = end, reason, now.steady
        return [Halt(run.job_id)]

    def _give_up(self, run: _Run, now: Now) -> list[Effect]:
        self._run = None
        self._stuck = True
        after = "ends without it" if self._ending else "begins anew"
        words = f"{run.halt_reason}; it did not stop within {GRACE_SECONDS:g} s, and the actuator {after}"
        if run.ending and self._jobs[run.job_id].spec.resumes:
            return [Release(), Stuck(run.job_id)]  # it is taken up again after the restart
        return [Release(), *self._move(self._jobs[run.job_id], "failed", words, now), Stuck(run.job_id)]

    def _rest(self, job: Job, run: _Run, outcome: Outcome, reason: str, now: Now) -> list[Effect]:
        """A job waits for something outside; told only when that is news."""
        pause = 0.0 if run.woken else max(0.0, outcome.retry_after_seconds or 0.0)
        job = replace(job, due_steady=now.steady + pause, confirmed=True, interrupted=False)
        if run.halted_steady is not None:
            return self._drop(replace(job, reason=reason), run.halt_reason, now, run.end)
        if job.reason == reason:
            self._jobs[job.id] = job
            return []
        return self._move(job, "running", reason, now)

    def _drop(self, job: Job, reason: str, now: Now, end: State = "cancelled") -> list[Effect]:
        """End a job that the worker is not at."""
        if job.state != "running":
            return self._move(job, end, reason, now)
        effects = self._move(job, end, f"{reason}; it had come to this: {job.reason}", now)
        return [*effects, Abandon(replace(job.wish(), ended=True))]

    def _again(self, job: Job, outcome: Outcome, reason: str, now: Now) -> list[Effect]:
        asked, left = outcome.retry_after_seconds or 0.0, job.order.expires_at - now.unix
        pause = pause_seconds(job.attempt, self._settings.retry, self._chance, asked, left)
        if pause is None:
            return self._move(job, "failed", f"{reason}; it expires before the next attempt", now)
        words = f"{reason}; attempt {job.attempt + 1} in {pause:.0f} s"
        return self._move(
            job, "accepted", words, now,
            attempt=job.attempt + 1, due_steady=now.steady + pause, confirmed=True, interrupted=False,
        )  # fmt: skip

    def _sync(self) -> bool:
        try:
            self._ledger.sync()
        except StoreError as error:
            self.last_error = str(error)
            return False
        return True

    def _owe(self, told: JobState) -> None:
        """Note how a job ended, now or as soon as the disk takes it: after a restart it must not have another end."""
        try:
            self._ledger.end_unfinished(told)
            self._ledger.sync()
        except StoreError as error:
            self.last_error = str(error)
            self._owed[told.id] = told
            return
        self._owed.pop(told.id, None)

    def _move(
        self, job: Job, state: State, reason: str, now: Now, *, sync: bool = False, **changes: Any
    ) -> list[Effect]:
        """Note it, then tell it. A job that cannot be noted is not begun."""
        after = job.become(state, reason, now.unix, **changes)
        told = after.told(self._settings.actuator)
        try:
            self._ledger.change(after, told)
            if sync or after.final:
                self._ledger.sync()
        except StoreError as error:
            self.last_error = str(error)
            if not after.final and not (job.state == after.state == "running"):
                after = replace(after, state="failed", reason=f"not begun, for it cannot be noted: {error}")
                told = after.told(self._settings.actuator)
            if after.final:
                self._owe(told)
        if after.final:
            self._jobs.pop(job.id, None)
            if self._turn == job.id:
                self._turn = None
            self.ends[after.state] += 1
            if after.state == "failed":
                self.last_error = f"{after.order.action}: {after.reason}"
        else:
            self._jobs[job.id] = after
        return [Tell(told)]

    def _end_unfinished(self, told: JobState, state: State, reason: str, now: Now) -> list[Effect]:
        ended = rejected(self._settings.actuator, told.id, told.action, reason, now.unix)
        ended = msgspec.structs.replace(ended, state=state, source=told.source, text=told.text, attempt=told.attempt)
        self._owe(ended)
        self.ends[state] += 1
        return [Tell(ended)]


def _expiry_words(job: Job) -> str:
    waited = {"countdown": "during its countdown"}.get(job.state, "before its turn came")
    if job.confirm_by_steady is not None:
        waited = "before anybody confirmed it"
    return (
        f"expires_at passed {waited}: nothing was done" if job.attempt == 1 else "expired; the last attempt had failed"
    )
