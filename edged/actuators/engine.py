"""The queue of one actuator: which job is whose turn, and what becomes of it.

No threads and no clock: every method takes the present moment and returns what is to be done about the world, in order.
All of it is noted in the ledger first, so that whatever happens to this process, no job is done twice and each has one end.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any, Literal

import msgspec

from edged.actuators.attempt import GRACE_SECONDS, Attempt
from edged.actuators.controls import CONTROLS, carry_out
from edged.actuators.durable import Ledger
from edged.actuators.effects import Abandon, Begin, Effect, Halt, Now, Outcome, Release, Stuck, Tell
from edged.actuators.job import Job, Order, one_line
from edged.actuators.latch import Latch
from edged.actuators.recovery import taken_up
from edged.actuators.register import Register
from edged.actuators.rules import Judge, Rules, pause_seconds, withheld
from edged.actuators.settings import ActuatorSettings, PolicySettings
from edged.actuators.turns import before_it_begins, expiry_words
from edged.errors import RequestRefused, SignatureRefused, StoreError
from edged.jobs import State


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
        self._turn: str | None = None
        self._run: Attempt | None = None
        self._stuck = False
        self._ending = False
        self.latch = Latch(ledger.beside("stopped"))
        self.register = Register(settings.actuator, ledger)
        self._jobs = self.register.jobs
        self.trusted_since = ledger.trusted_since

    def begin_memory(self, now: Now) -> None:
        """What was issued before now is not to be trusted. Raises StoreError."""
        self._ledger.begin(now.unix)
        self.trusted_since = now.unix

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

    @property
    def problem(self) -> str:
        """What keeps it from being remembered how things are; empty when all is well."""
        return self.register.problem or self.latch.problem

    def next_seconds(self, now: Now) -> float | None:
        """How long from now until `tick` has something to do; None: not before something happens."""
        moments = [job.left_seconds(now) for job in self._jobs.values() if self._can_expire(job)]
        if self._run is not None:
            moments.append(self._run.due_steady - now.steady)
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
            found = taken_up(left, self._actions.get(left.told.action), self._rules, self.latch.words)
            if isinstance(found, Job):
                effects += self._move(found, "accepted", "taken up again after a restart", now)
            else:
                effects += self.register.end_left(left.told, found.state, found.reason, now)
                effects += [] if found.abandon is None else [Abandon(found.abandon)]
        return effects

    def submit(self, order: Order, now: Now) -> list[Effect]:
        """A wish that may be trusted. Repeated, it gets the answer it had.

        Raises SignatureRefused for a nonce that was used before, and StoreError when it cannot be noted; nothing is done
        then.
        """
        before = self.register.known(order.id)
        if before is not None:
            return [Tell(before)]
        if self.register.is_used(order.nonce):
            raise SignatureRefused("replayed", "replayed: the nonce was used before, with another id")
        if order.action in CONTROLS:
            return self._control(order, now)
        try:
            job = self._rules.admit(
                order, now.unix, waiting=len(self._jobs), stopped=self.latch.words, ending=self._ending
            )
        except RequestRefused as error:
            return self.register.refuse(order, str(error), now)
        job = replace(job, expires_steady=now.steady + order.expires_at - now.unix)
        effects = self.register.enter(job, now)
        return effects + self.tick(now) if job.id in self._jobs else effects

    def _control(self, order: Order, now: Now) -> list[Effect]:
        """`cancel`, `confirm`, `stop` and `reset` pass the queue by; they are noted, or one could be replayed."""
        told = self.register.note_control(order, now)
        effects: list[Effect] = []
        try:
            effects, done = carry_out(order, self, now)
            told = msgspec.structs.replace(told, state="succeeded", reason=done)
        except (RequestRefused, StoreError) as error:
            told = msgspec.structs.replace(told, reason=one_line(str(error)))
        return effects + self.register.end(told)

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
        if over or (job.left_seconds(now) <= 0 and self._can_expire(job)):
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
        self.register.settle()
        for job in list(self._jobs.values()):
            if job.left_seconds(now) <= 0 and self._can_expire(job):
                effects += self._move(job, "expired", expiry_words(job), now)
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
        if run.ending and job.spec.resumes and outcome.result in ("cancelled", "waiting"):
            effects = []  # it stays as it is, and is taken up again after the restart
        elif outcome.result == "waiting":
            effects = self._rest(job, run, outcome, reason, now)
        elif outcome.result == "cancelled" and run.halted:
            effects = self._move(job, run.end, f"{run.halt_reason}; {reason}", now)
        elif outcome.result == "cancelled":
            effects = self._move(job, "failed", reason, now)
        elif outcome.result == "failed" and outcome.retry and job.spec.durable and (not run.halted or run.ending):
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
                self._run.ending = not self._run.halted
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
        step = before_it_begins(job, policy, self._settings.actuator, now)
        if step is None:
            return []
        if step.state == "running":
            return self._begin(step.job, policy, now)
        return self._move(step.job, step.state, step.reason, now, remaining_seconds=step.remaining_seconds)

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
        self._run = Attempt(job.id, now.steady + timeout)
        return [*effects, Begin(self._jobs[job.id].wish())]

    def _watch(self, run: Attempt, now: Now) -> list[Effect]:
        if now.steady < run.due_steady:
            return []
        return self._give_up(run, now) if run.halted else self._halt("failed", "it took longer than its timeout", now)

    def _halt(self, end: Literal["cancelled", "failed"], reason: str, now: Now) -> list[Effect]:
        run = self._run
        if run is None or run.halted:
            return []
        run.halt(end, reason, now.steady)
        return [Halt(run.job_id)]

    def _give_up(self, run: Attempt, now: Now) -> list[Effect]:
        self._run = None
        self._stuck = True
        after = "ends without it" if self._ending else "begins anew"
        words = f"{run.halt_reason}; it did not stop within {GRACE_SECONDS:g} s, and the actuator {after}"
        if run.ending and self._jobs[run.job_id].spec.resumes:
            return [Release(), Stuck(run.job_id)]  # it is taken up again after the restart
        return [Release(), *self._move(self._jobs[run.job_id], "failed", words, now), Stuck(run.job_id)]

    def _rest(self, job: Job, run: Attempt, outcome: Outcome, reason: str, now: Now) -> list[Effect]:
        """A job waits for something outside; told only when that is news."""
        pause = 0.0 if run.woken else max(0.0, outcome.retry_after_seconds or 0.0)
        job = replace(job, due_steady=now.steady + pause, confirmed=True, interrupted=False)
        if run.halted:
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
        asked, left = outcome.retry_after_seconds or 0.0, job.left_seconds(now)
        pause = pause_seconds(job.attempt, self._settings.retry, self._chance, asked, left)
        if pause is None:
            return self._move(job, "failed", f"{reason}; it expires before the next attempt", now)
        words = f"{reason}; attempt {job.attempt + 1} in {pause:.0f} s"
        return self._move(
            job, "accepted", words, now,
            attempt=job.attempt + 1, due_steady=now.steady + pause, confirmed=True, interrupted=False,
        )  # fmt: skip

    def _move(
        self, job: Job, state: State, reason: str, now: Now, *, sync: bool = False, **changes: Any
    ) -> list[Effect]:
        """The register's `move`; a job that ends has no turn any more."""
        effects = self.register.move(job, state, reason, now, sync=sync, **changes)
        if self._turn not in self._jobs:
            self._turn = None
        return effects
