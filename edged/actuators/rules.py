"""Who may ask for what: the owner's policies, the state of the queue, and the performer's own word."""

from __future__ import annotations

import logging
import random
import traceback
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from edged.actuators.controls import CONTROLS
from edged.actuators.durable import Ledger
from edged.actuators.job import Job, Order
from edged.actuators.options import read_options
from edged.actuators.performer import ActionSpec, Confirm, Wish
from edged.actuators.settings import ActuatorSettings, PolicySettings, RetrySettings
from edged.errors import EdgedError, RequestRefused

log = logging.getLogger(__name__)


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


class Rules:
    """Of one actuator."""

    def __init__(self, settings: ActuatorSettings, performer: Judge, ledger: Ledger) -> None:
        """ledger: knows how often each action was done."""
        self._settings = settings
        self._performer = performer
        self._ledger = ledger

    def admit(self, order: Order, now: float, *, waiting: int, stopped: str, ending: bool) -> Job:
        """The job that an order becomes. waiting: jobs there are. stopped: since when and why the emergency stop is on.

        Raises RequestRefused with the reason, and StoreError. now: Unix seconds.
        """
        spec = self._performer.actions.get(order.action)
        if spec is None:
            known = ", ".join([*self._performer.actions, *CONTROLS])
            raise RequestRefused(f"there is no action {order.action[:64]!r} here (there are {known})")
        order = replace(order, options=read_options(spec, order.options))
        self._may(order, spec, now, stopped, ending=ending)
        if waiting >= self._settings.queue_length:
            raise RequestRefused(f"busy: {waiting} jobs wait (queue_length)")
        reason = "accepted" if not waiting else f"accepted; {waiting} before it"
        job = Job(order, spec, self.confirm(order, spec), reason=reason, changed_at=now)
        return replace(job, confirm="confirm") if self._judged(job.wish()) else job

    def _may(self, order: Order, spec: ActionSpec, now: float, stopped: str, *, ending: bool) -> None:
        policy = self.policy(order.action)
        if not self.enabled(spec):
            raise RequestRefused(f"{order.action} is off (policy.{order.action}.enabled = true turns it on)")
        if ending and not spec.durable:
            raise RequestRefused("the actuator is ending; ask again when it is back")
        if stopped:
            raise RequestRefused(f"the emergency stop is on ({stopped}); reset it first")
        if spec.needs_text and order.text is None:
            raise RequestRefused(f"{order.action} needs a text")
        if order.text is not None and not spec.takes_text:
            raise RequestRefused(f"{order.action} takes no text; leave it out")
        if order.text is not None and len(order.text) > self._settings.text_characters:
            raise RequestRefused(
                f"the text has {len(order.text)} characters; at most {self._settings.text_characters} are taken"
            )
        if order.text is not None and order.text.sensitive and spec.durable:
            raise RequestRefused(f"{order.action} is kept on disk until it is done: it takes no sensitive text")
        if policy.limit is not None:
            count, first = self._ledger.count(order.action, now - policy.limit_seconds)
            if count >= policy.limit:
                wait = max(0.0, first + policy.limit_seconds - now)
                raise RequestRefused(
                    f"rate limit: {policy.limit} jobs in {policy.limit_seconds:g} s (policy.{order.action}.limit); "
                    f"again in {wait:.0f} s"
                )

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

    def enabled(self, spec: ActionSpec) -> bool:
        """May it be asked for at all?"""
        chosen = self.policy(spec.name).enabled
        return spec.enabled if chosen is None else chosen

    def policy(self, action: str) -> PolicySettings:
        """How the owner wants an action treated."""
        return self._settings.policy.get(action) or PolicySettings()

    def confirm(self, order: Order, spec: ActionSpec) -> Confirm:
        """What comes before it is done. Of sensitive text always a confirmation."""
        if order.text is not None and order.text.sensitive:
            return "confirm"
        return self.policy(order.action).confirm or spec.confirm


def withheld(order: Order, sentence: str) -> str:
    """Sensitive text is never repeated, whatever a performer says."""
    text = order.text
    if text is not None and text.sensitive and text.value and text.value in sentence:
        return "the reason is withheld, for it quotes the sensitive text"
    return sentence


def pause_seconds(
    attempt: int, retry: RetrySettings, chance: random.Random, asked_seconds: float, left_seconds: float
) -> float | None:
    """How long a job that failed waits for its next attempt: exponential, with jitter, and not shorter than the other end
    asked for. None: it would expire before. attempt: the one that failed, from 1. left_seconds: until it expires.
    """
    ceiling = min(retry.longest_seconds, retry.first_seconds * 2.0 ** min(attempt - 1, 32))
    pause = max(ceiling * chance.uniform(0.5, 1.0), asked_seconds)
    if pause >= left_seconds:
        # A last attempt, or some, while there is time: half of what is left, again and again.
        pause = max(left_seconds * 0.5, asked_seconds, min(retry.first_seconds, retry.longest_seconds))
    return pause if pause < left_seconds else None
