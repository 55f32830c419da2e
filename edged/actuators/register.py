"""The jobs of one actuator and how each stands: noted in the ledger first, then told.

What the disk does not take is owed to it: how a job ended is noted as soon as that works again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import msgspec

from edged.actuators.durable import Ledger
from edged.actuators.effects import Effect, Now, Tell
from edged.actuators.job import Job, Order, rejected
from edged.actuators.rules import withheld
from edged.errors import StoreError
from edged.jobs import JobState, State


class Register:
    """jobs: those without an end, by id, in the order they came. ends: how many came to which. last_error: "" or a sentence."""

    def __init__(self, actuator: str, ledger: Ledger) -> None:
        """actuator: its name, as the world sees it."""
        self._actuator = actuator
        self._ledger = ledger
        self._owed: dict[str, JobState] = {}
        self.jobs: dict[str, Job] = {}
        self.ends: Counter[str] = Counter()
        self.last_error = ""

    # -- looking up ---------------------------------------------------------------------------------------------

    def known(self, job_id: str) -> JobState | None:
        """What was last told of an id; None: never seen. Raises StoreError."""
        return self._ledger.told(job_id)

    def is_of(self, job_id: str, digest: str) -> bool:
        """Does a job do what such a request asks for, as far as is known? Raises StoreError."""
        kept = self._ledger.digest(job_id)
        return not kept or not digest or kept == digest

    def is_used(self, nonce: str) -> bool:
        """Has any request had this nonce? Raises StoreError."""
        return self._ledger.nonce_used(nonce)

    @property
    def problem(self) -> str:
        """What keeps it from being remembered how things are; empty when all is well."""
        return f"how {len(self._owed)} jobs ended is not on the disk: {self.last_error}" if self._owed else ""

    # -- jobs ---------------------------------------------------------------------------------------------------

    def enter(self, job: Job, now: Now) -> list[Effect]:
        """Take in a job; one that the disk may not keep is rejected instead. Raises StoreError when it cannot be noted."""
        told = job.told(self._actuator)
        self._ledger.add(job, told, durable=job.spec.durable)
        if not self._sync():
            # It is said that nothing will be done: so it must be, after a restart as well.
            reason = f"the request cannot be noted, so it is not done: {self.last_error}"
            told = rejected(self._actuator, job.id, job.order.action, reason, now.unix, job.order.source)
            return self.end(told)
        self.jobs[job.id] = job
        return [Tell(told)]

    def move(
        self, job: Job, state: State, reason: str, now: Now, *, sync: bool = False, **changes: Any
    ) -> list[Effect]:
        """Note it, then tell it. A job that cannot be noted is not begun. sync: it outlives a power cut before it is told."""
        after = job.become(state, reason, now.unix, **changes)
        told = after.told(self._actuator)
        try:
            self._ledger.change(after, told)
            if sync or after.final:
                self._ledger.sync()
        except StoreError as error:
            self.last_error = str(error)
            if not after.final and not (job.state == after.state == "running"):
                after = replace(after, state="failed", reason=f"not begun, for it cannot be noted: {error}")
                told = after.told(self._actuator)
            if after.final:
                self._owe(told)
        if after.final:
            self.jobs.pop(job.id, None)
            self.ends[after.state] += 1
            if after.state == "failed":
                self.last_error = f"{after.order.action}: {after.reason}"
        else:
            self.jobs[job.id] = after
        return [Tell(told)]

    # -- what is no job, or none any more -----------------------------------------------------------------------

    def refuse(self, order: Order, why: str, now: Now) -> list[Effect]:
        """A wish of somebody who may ask is not granted, and never will be. Raises StoreError."""
        reason = withheld(order, why)
        told = rejected(self._actuator, order.id, order.action, reason, now.unix, order.source)
        self._ledger.note(order, told)
        self._sync()
        self.ends["rejected"] += 1
        return [Tell(told)]

    def note_control(self, order: Order, now: Now) -> JobState:
        """Before one of the queue's controls is carried out: what is told of it should that be cut off. Raises StoreError."""
        cut = "the actuator ended before it was done"
        told = rejected(self._actuator, order.id, order.action, cut, now.unix, order.source)
        try:
            self._ledger.note(order, told)
        except StoreError as error:
            self.last_error = str(error)
            if order.action not in ("stop", "cancel"):  # which must work on a broken disk as well
                raise
        return told

    def end(self, told: JobState) -> list[Effect]:
        """What was noted has come to this end, and is in nobody's hands."""
        self._owe(told)
        self.ends[told.state] += 1
        return [Tell(told)]

    def end_left(self, told: JobState, state: State, reason: str, now: Now) -> list[Effect]:
        """As `end`, of a job that an earlier actuator left behind; told: what was last told of it."""
        ended = rejected(self._actuator, told.id, told.action, reason, now.unix)
        return self.end(
            msgspec.structs.replace(ended, state=state, source=told.source, text=told.text, attempt=told.attempt)
        )

    def settle(self) -> None:
        """Try again to note what is owed."""
        for told in list(self._owed.values()):
            self._owe(told)

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

    def _sync(self) -> bool:
        try:
            self._ledger.sync()
        except StoreError as error:
            self.last_error = str(error)
            return False
        return True
