"""The queue of one actuator: which job is whose turn, and what becomes of it.

No threads and no clock: every method takes the present moment and returns what is to be done about the world, in order.
It writes the ledger, so that whatever happens to this process, no job is done twice and each has one end.
"""

from __future__ import annotations

import logging
import random
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Protocol

import msgspec

from edged.actuators.durable import Ledger
from edged.actuators.effects import Abandon, Begin, Effect, Halt, Now, Outcome, Release, Stuck, Tell
from edged.actuators.job import Job, Order, one_line, rejected
from edged.actuators.latch import Latch
from edged.actuators.options import read_options
from edged.actuators.performer import ActionSpec, Confirm, Wish
from edged.actuators.settings import ActuatorSettings, PolicySettings
from edged.errors import EdgedError, RequestRefused, SignatureRefused, StoreError
from edged.jobs import JobState, State

log = logging.getLogger(__name__)

# How long a performer may take to stop once it is told to.
GRACE_SECONDS = 5.0
CONTROLS = ("cancel", "confirm", "stop", "reset")


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


class _ControlOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of `cancel` and `confirm`: the job's id. Of `cancel` and `stop`: why, one sentence."""

    job: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""


class Judge(Protocol):
    """What the engine asks of a performer."""

    @property
    def actions(self) -> Mapping[str, ActionSpec]:
        """All it can do, by name."""
        ...

    def check(self, wish: Wish) -> None:
        """Raises RequestRefused for what cannot be done."""
        ...

    def sensitive(self, wish: Wish) -> bool:
        """Must be confirmed whatever the policy says."""
        ...


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
        self._performer = performer
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
        return [name for name, spec in self._actions.items() if self._enabled(spec)]

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
                left.order, spec, self._confirm(left.order, spec), attempt=left.attempt + again,
                interrupted=left.interrupted,
            )  # fmt: skip
            if self.latch.closed or not self._enabled(spec):
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
        spec = self._actions.get(order.action)
        try:
            if spec is None:
                known = ", ".join([*self._actions, *CONTROLS])
                raise RequestRefused(f"there is no action {order.action[:64]!r} here (there are {known})")
            order = replace(order, options=read_options(spec, order.options))
            job = Job(order, spec, self._confirm(order, spec), reason="accepted", changed_at=now.unix)
            self._may(job, now)
            if self._judged(job.wish()):
                job = replace(job, confirm="confirm")
        except RequestRefused as error:
            return self.refuse(order, str(error), now)
        ahead = len(self._jobs)
        job = replace(job, reason="accepted" if not ahead else f"accepted; {ahead} before it")
        told = job.told(self._settings.actuator)
        self._ledger.add(job, told, durable=spec.durable)
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
        reason = self._clean(order, why)
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
            # Whatever else is in it, somebody wants this to stop.
            wanted = _stop_options(order) if order.action == "stop" else _control_options(order)
            effects, done = self._controlled(order.action, wanted, now)
            told = msgspec.structs.replace(told, state="succeeded", reason=done)
        except (RequestRefused, StoreError) as error:
            told = msgspec.structs.replace(told, reason=one_line(str(error)))
        self._owe(told)
        self.ends[told.state] += 1
        return [*effects, Tell(told)]

    def _controlled(self, action: str, wanted: _ControlOptions, now: Now) -> tuple[list[Effect], str]:
        if action == "stop":
            return self.stop(wanted.reason or "asked for", now), "stopped, until reset"
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
        reason = self._clean(job.order, outcome.reason)
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

    def _may(self, job: Job, now: Now) -> None:
        order, spec = job.order, job.spec
        policy = self._policy(order.action)
        if not self._enabled(spec):
            raise RequestRefused(f"{order.action} is off (policy.{order.action}.enabled = true turns it on)")
        if self._ending and not spec.durable:
            raise RequestRefused("the actuator is ending; ask again when it is back")
        if self.latch.closed:
            raise RequestRefused(f"the emergency stop is on ({self.latch.words}); reset it first")
        if spec.needs_text and order.text is None:
            raise RequestRefused(f"{order.action} needs a text")
        if order.text is not None and len(order.text) > self._settings.text_characters:
            raise RequestRefused(
                f"the text has {len(order.text)} characters; at most {self._settings.text_characters} are taken"
            )
        if order.text is not None and order.text.sensitive and spec.durable:
            raise RequestRefused(f"{order.action} is kept on disk until it is done: it takes no sensitive text")
        if policy.limit is not None:
            count, first = self._ledger.count(order.action, now.unix - policy.limit_seconds)
            if count >= policy.limit:
                wait = max(0.0, first + policy.limit_seconds - now.unix)
                raise RequestRefused(
                    f"rate limit: {policy.limit} jobs in {policy.limit_seconds:g} s (policy.{order.action}.limit); "
                    f"again in {wait:.0f} s"
                )
        if len(self._jobs) >= self._settings.queue_length:
            raise RequestRefused(f"busy: {len(self._jobs)} jobs wait (queue_length)")

    def _judged(self, wish: Wish) -> bool:
        """The performer's own word: must it be confirmed? Raises RequestRefused, whatever goes wrong in it."""
        try:
            self._performer.check(wish)
            return self._performer.sensitive(wish)
        except RequestRefused:
            raise
        except EdgedError as error:
            raise RequestRefused(str(error)) from None
        except Exception as error:  # noqa: BLE001 - a bug must not keep the broker sending this for ever
            where = "".join(traceback.format_tb(error.__traceback__)).rstrip()
            log.error("job %s: %s in the performer:\n%s", wish.id, type(error).__name__, where)
            raise RequestRefused(f"a bug in this actuator ({type(error).__name__}; its log says where)") from None

    def _enabled(self, spec: ActionSpec) -> bool:
        chosen = self._policy(spec.name).enabled
        return spec.enabled if chosen is None else chosen

    def _policy(self, action: str) -> PolicySettings:
        return self._settings.policy.get(action) or PolicySettings()

    def _confirm(self, order: Order, spec: ActionSpec) -> Confirm:
        if order.text is not None and order.text.sensitive:
            return "confirm"
        return self._policy(order.action).confirm or spec.confirm

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
        policy = self._policy(job.order.action)
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
        retry = self._settings.retry
        ceiling = min(retry.longest_seconds, retry.first_seconds * 2.0 ** min(job.attempt - 1, 32))
        asked = outcome.retry_after_seconds or 0.0
        pause = max(ceiling * self._chance.uniform(0.5, 1.0), asked)
        left = job.order.expires_at - now.unix
        if pause >= left:
            # A last attempt, or some, while there is time: half of what is left, again and again.
            pause = max(left * 0.5, asked, min(retry.first_seconds, retry.longest_seconds))
        if pause >= left:
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

    @staticmethod
    def _clean(order: Order, sentence: str) -> str:
        """Sensitive text is never repeated, whatever a performer says."""
        text = order.text
        if text is not None and text.sensitive and text.value and text.value in sentence:
            return "the reason is withheld, for it quotes the sensitive text"
        return sentence


def _control_options(order: Order) -> _ControlOptions:
    if order.text is not None:
        raise RequestRefused(f"{order.action} takes no text")
    try:
        return msgspec.convert(dict(order.options), _ControlOptions)
    except msgspec.ValidationError as error:
        problem = str(error)
    raise RequestRefused(f"the options of {order.action} are wrong: {problem}")


def _stop_options(order: Order) -> _ControlOptions:
    reason = order.options.get("reason")
    return _ControlOptions(reason=reason[:200] if isinstance(reason, str) else "")


def _expiry_words(job: Job) -> str:
    waited = {"countdown": "during its countdown"}.get(job.state, "before its turn came")
    return (
        f"expires_at passed {waited}: nothing was done" if job.attempt == 1 else "expired; the last attempt had failed"
    )
