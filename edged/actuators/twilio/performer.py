"""Twilio as an actuator: messages and calls to people named in the settings, and chains of them."""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections.abc import Callable

from edged import clock
from edged.actuators.performer import Control, Wish
from edged.actuators.settings import ActuatorSettings
from edged.actuators.twilio.actions import ACTIONS
from edged.actuators.twilio.agreement import binding_problems
from edged.actuators.twilio.breaker import Breaker
from edged.actuators.twilio.client import Keypad, TwilioClient, spoken
from edged.actuators.twilio.courier import Courier, Parcel
from edged.actuators.twilio.credentials import Credentials, find_credentials
from edged.actuators.twilio.escalation import Tried, judge, needed_seconds
from edged.actuators.twilio.keypad import KeypadServer
from edged.actuators.twilio.limits import refusal
from edged.actuators.twilio.line import Line
from edged.actuators.twilio.progress import Alert, Progress
from edged.actuators.twilio.settings import Channel, StepSettings, TwilioSettings
from edged.actuators.twilio.transport import Transport
from edged.actuators.twilio.wording import Wording, check_length, twiml, wording
from edged.errors import (
    ActionFailed,
    Cancelled,
    Later,
    RequestRefused,
    SettingProblem,
    SettingsError,
    StoreError,
    TwilioError,
    TwilioRefused,
)
from edged.notices import ALERT_ESCALATED, ALERT_UNHEARD
from edged.store.database import Database
from edged.store.directory import state_directory
from edged.store.migrations import TWILIO_MIGRATIONS

log = logging.getLogger(__name__)

# The account is looked at this often, and sooner while something is wrong with it.
_LOOK_SECONDS = 3600.0
_LOOK_AGAIN_SECONDS = 60.0
_BY_KEY = "a key in the call"
_CHANNELS: tuple[Channel, ...] = ("sms", "call", "whatsapp")


class TwilioPerformer:
    """Who is reached through Twilio."""

    kind = "twilio"
    actions = ACTIONS

    def __init__(self, settings: ActuatorSettings) -> None:
        """Raises SettingsError for credentials that are none or missing, and for bindings that could never work."""
        own: TwilioSettings = getattr(settings, self.kind)
        self._settings = settings
        self._own = own
        self._credentials = find_credentials(own.credentials_file, own.credential)
        self._check_settings()
        self._chance = random.Random()
        self._line = Line(Breaker(own.breaker))
        self._wake: Callable[[str], None] = lambda _: None
        self._guard = threading.Lock()
        self._kept: Progress | None = None
        self._client: TwilioClient | None = None
        self._keypad: KeypadServer | None = None
        self._store_problem = ""
        # With what Twilio's answers counted when the account could not be looked at: the next one proves it passed.
        self._account_problem: tuple[str, int | None] = ("", None)
        self._attached = False
        self._look_due_steady = 0.0
        self._looking = False

    # -- the contract -------------------------------------------------------------------------------------------

    def attach(self, wake: Callable[[str], None]) -> None:
        """From here on jobs come, and keys are heard."""
        self._wake = wake
        self._attached = True
        callback = self._own.callback
        if callback.public_url and self._credentials is not None and not self._settings.dry_run:
            self._keypad = KeypadServer(callback, self._credentials.token, self._pressed)

    def check(self, wish: Wish) -> None:
        try:
            self._check(wish, time.time())
        except StoreError as error:
            raise RequestRefused(f"what was sent cannot be looked up: {error}") from None

    def sensitive(self, wish: Wish) -> bool:
        return False

    def perform(self, wish: Wish, control: Control) -> str:
        try:
            if wish.action == "acknowledge":
                return self._acknowledge(wish)
            if wish.ended:
                raise Cancelled(self._let_go(wish))
            return self._alert(wish, control) if wish.action == "alert" else self._one(wish, control)
        except Cancelled as error:
            if wish.ended:
                raise
            # Whether this is the end of the job or of the actuator only the engine knows: in the first case it comes
            # back with `ended`, in the second after the restart.
            raise Later(str(error), 0.0) from None
        except StoreError as error:
            raise ActionFailed(str(error), retry=True) from None

    def release(self) -> None:
        """Nothing is held here: a job that is ended lets go of its call itself."""

    def problems(self) -> list[str]:
        if self._settings.dry_run or not self._attached:
            return []
        self._look_at_account()
        account, unseen_at = self._account_problem
        if unseen_at is not None and self._line.answers() > unseen_at:
            account = ""
        server = "" if self._keypad is None else self._keypad.problem
        return [each for each in [*self._line.problems(), account, server, self._store_problem] if each]

    def close(self) -> None:
        if self._keypad is not None:
            self._keypad.close()
        with self._guard:
            if self._kept is not None:
                self._kept.close()

    # -- what may be asked --------------------------------------------------------------------------------------

    def _check(self, wish: Wish, now: float) -> None:
        if wish.action == "acknowledge":
            self._waiting(wish)
            return
        words, emergency = wording(self._own, wish), bool(wish.options["emergency"])
        if wish.action == "alert":
            self._check_chain(wish, words, now)
            return
        channel, to = self._channel(wish.action), self._recipient(wish.options["to"])
        if missing := self._own.missing_sender(channel):
            raise RequestRefused(f"{missing} (in [twilio])")
        check_length(self._own, channel, to, words.text.value, None)
        if refused := self._refusal(to, now, emergency=emergency):
            raise RequestRefused(refused)

    def _check_chain(self, wish: Wish, words: Wording, now: float) -> None:
        steps = self._chain(wish.options["chain"])
        for step in steps:
            check_length(self._own, step.do, step.to, words.text.value, self._door("x" * 24))
        needed, left = needed_seconds(steps), wish.expires_at - now
        if needed >= left:
            raise RequestRefused(
                f"chain {wish.options['chain']!r} takes up to {needed:g} s until its last step, and nothing is begun after "
                f"expires_at, which is in {left:.0f} s: ask with a longer life (edged act --expires {needed + 60:.0f})"
            )
        emergency = bool(wish.options["emergency"])
        refused = {step.to: self._refusal(step.to, now, emergency=emergency) for step in steps}
        if all(refused.values()):
            raise RequestRefused("; ".join(dict.fromkeys(refused.values())))

    def _refusal(self, name: str, now: float, *, emergency: bool) -> str:
        recent = 0 if self._settings.dry_run else self._courier().recent(name, emergency=emergency, now=now)
        return refusal(self._own, name, emergency=emergency, recent=recent, now=now)

    def _recipient(self, name: str) -> str:
        if name not in self._own.recipients:
            known = ", ".join(self._own.recipients) or "none are set"
            if re.fullmatch(r"[+\d\s()/.-]{5,}", name):
                raise RequestRefused(
                    f"people are named, never dialled: a number was given as recipient (there are: {known})"
                )
            raise RequestRefused(f"there is no recipient {name!r} (there are: {known})")
        return name

    def _chain(self, name: str) -> list[StepSettings]:
        if name not in self._own.chains:
            known = ", ".join(self._own.chains) or "none are set"
            raise RequestRefused(f"there is no chain {name!r} (there are: {known})")
        return self._own.chains[name]

    @staticmethod
    def _channel(action: str) -> Channel:
        (channel,) = (each for each in _CHANNELS if each == action)
        return channel

    def _check_settings(self) -> None:
        problems = []
        if self._credentials is None and not self._settings.dry_run:
            cure = "docs/twilio.md says where they may be"
            problems.append(
                SettingProblem("twilio.credentials_file", None, "is not set, and there are no credentials", cure)
            )
        if self._own.callback.public_url and self._credentials is not None and not self._credentials.token:
            cure = "add TWILIO_AUTH_TOKEN to the credentials"
            problems.append(SettingProblem("twilio.callback", None, "needs what Twilio signs its callbacks with", cure))
        for binding in self._settings.bindings:
            problems += binding_problems(self._own, binding)
        if problems:
            raise SettingsError(problems, "twilio")

    # -- one message, one call ----------------------------------------------------------------------------------

    def _one(self, wish: Wish, control: Control) -> str:
        channel, to = self._channel(wish.action), self._recipient(wish.options["to"])
        parcel = self._parcel(wish, wording(self._own, wish), 0, channel, to, None)
        stands = self._courier().turn(parcel, control)
        if stands.fate == "pending":
            raise Later(stands.words, stands.seconds)
        if stands.fate == "lost":
            raise ActionFailed(stands.words)
        return stands.words

    def _parcel(
        self, wish: Wish, words: Wording, step: int, channel: Channel, to: str, keypad: Keypad | None
    ) -> Parcel:
        said = twiml(self._own, to, words.text.value, keypad) if channel == "call" else ""
        doubtful = self._store_problem and (wish.interrupted or wish.attempt > 1)
        return Parcel(
            wish.id, step, channel, to, bool(wish.options["emergency"]), wish.expires_at, words.text, said,
            words.content_sid if channel == "whatsapp" else "", words.content_variables,
            wish.issued_at if doubtful else None,
        )  # fmt: skip

    def _let_go(self, wish: Wish) -> str:
        self._progress().close_alert(wish.id)
        return self._courier().let_go(wish.id)

    # -- chains -------------------------------------------------------------------------------------------------

    def _alert(self, wish: Wish, control: Control) -> str:
        progress, steps, words = self._progress(), self._chain(wish.options["chain"]), wording(self._own, wish)
        progress.open_alert(wish.id, time.time())
        while True:
            alert = progress.alert(wish.id)
            assert alert is not None
            if alert.acknowledged_at is not None:
                if alert.acknowledged_by != _BY_KEY:  # else they hear our thanks in that call
                    self._courier().let_go(wish.id)
                progress.close_alert(wish.id)
                return _acknowledged(alert)
            if alert.step >= len(steps):  # the chain was made shorter meanwhile
                raise self._nobody(alert)
            tried = self._try(wish, words, alert, steps[alert.step], control)
            now = time.time()
            verdict = judge(steps, alert.step, alert.step_began_at, wish.expires_at, tried, now)
            if verdict.what == "wait":
                raise Later(verdict.words, verdict.seconds)
            progress.step(alert, verdict.words, now)
            if verdict.what == "next":
                log.warning(
                    "job %s: nobody yet, on to step %d of %d", wish.id, alert.step + 2, len(steps),
                    extra=ALERT_ESCALATED.extra(EDGED_JOB_ID=wish.id),
                )  # fmt: skip
            if verdict.what == "over":
                raise self._nobody(progress.alert(wish.id) or alert)

    def _try(self, wish: Wish, words: Wording, alert: Alert, step: StepSettings, control: Control) -> Tried:
        parcel = self._parcel(wish, words, alert.step, step.do, step.to, self._door(alert.keypad))
        try:
            stands = self._courier().turn(parcel, control)
        except ActionFailed as error:
            self._progress().tried(alert)
            retry = self._settings.retry
            pause = min(retry.longest_seconds, retry.first_seconds * 2.0 ** min(alert.tries, 32))
            seconds = max(pause * self._chance.uniform(0.5, 1.0), error.retry_after_seconds or 0.0)
            return Tried("again", str(error), seconds)
        return Tried(stands.fate, stands.words, stands.seconds)

    def _nobody(self, alert: Alert) -> ActionFailed:
        self._progress().close_alert(alert.job)
        log.error("job %s: nobody acknowledged the alert", alert.job, extra=ALERT_UNHEARD.extra(EDGED_JOB_ID=alert.job))
        return ActionFailed(f"nobody acknowledged it: {'; '.join(alert.notes)}")

    # -- acknowledgement ----------------------------------------------------------------------------------------

    def _waiting(self, wish: Wish) -> list[str]:
        """The alerts that an acknowledgement is about."""
        waiting = [] if self._settings.dry_run else self._progress().open_alerts()
        job: str | None = wish.options["job"]
        if job is None and waiting:
            return waiting
        if job is not None and job in waiting:
            return [job]
        which = "no alert waits" if job is None else f"no alert {job!r} waits"
        raise RequestRefused(f"{which} for an acknowledgement (those that do: {', '.join(waiting) or 'none'})")

    def _acknowledge(self, wish: Wish) -> str:
        done = [
            job for job in self._waiting(wish) if self._progress().acknowledge(job, wish.options["by"], time.time())
        ]
        for job in done:
            self._wake(job)
        return f"acknowledged: {', '.join(done)}"

    def _door(self, keypad: str) -> Keypad | None:
        """How a call is answered by a key, where that is configured and works."""
        if self._keypad is None or self._keypad.problem:
            return None
        return Keypad(self._keypad.url(keypad), self._own.callback.prompt)

    def _pressed(self, keypad: str, digit: str) -> str:
        """On a thread of the HTTP server."""
        callback = self._own.callback
        said, door = callback.too_late, None
        try:
            alert = self._progress().alert_of_keypad(keypad)
            if alert is not None and not alert.over:
                if digit != callback.digit:
                    said, door = callback.prompt, self._door(keypad)
                else:
                    said = callback.thanks
                    if self._progress().acknowledge(alert.job, _BY_KEY, time.time()):
                        log.info("job %s: acknowledged by a key in the call", alert.job)
                    self._wake(alert.job)
        except StoreError as error:
            log.error("a key in a call could not be noted: %s", error)
            said = callback.prompt
        return spoken(said, language=self._own.language, voice=self._own.voice, times=1, keypad=door)

    # -- what is needed -----------------------------------------------------------------------------------------

    def _progress(self) -> Progress:
        with self._guard:
            if self._kept is None:
                folder = state_directory(self._settings.store)
                database = Database(folder / f"actuator-{self._settings.actuator}.twilio.db", TWILIO_MIGRATIONS)
                if database.set_aside is not None:
                    self._store_problem = (
                        f"the memory of what was sent was damaged and begun anew; the old one is {database.set_aside}"
                    )
                self._kept = Progress(database)
                self._kept.forget_old(clock.for_ages())
            return self._kept

    def _courier(self) -> Courier:
        return Courier(self._own, self._twilio(), self._line, self._progress())

    def _twilio(self) -> TwilioClient:
        with self._guard:
            if self._client is None:
                own = self._own
                credentials = self._credentials or Credentials("", "", "", "")
                transport = Transport(own.timeout_seconds)
                self._client = TwilioClient(
                    credentials, transport, region=own.region, edge=own.edge, api_url=own.api_url
                )
            return self._client

    def _look_at_account(self) -> None:
        """Wrong credentials are found now and not when somebody needs help. On a thread of its own."""
        now = time.monotonic()
        if self._looking or now < self._look_due_steady or self._line.wait_seconds():
            return
        self._looking = True
        threading.Thread(target=self._look, name="twilio account", daemon=True).start()

    def _look(self) -> None:
        problem, pause_seconds = "", _LOOK_SECONDS
        unseen_at: int | None = None
        answers = self._line.answers()
        try:
            status = self._line.ask(self._twilio().account_status)
            if status != "active":
                problem, pause_seconds = f"the Twilio account is {status} (see its console)", _LOOK_AGAIN_SECONDS
        except TwilioError as error:
            problem, pause_seconds = str(error), _LOOK_AGAIN_SECONDS
            unseen_at = None if isinstance(error, TwilioRefused) else answers
        try:
            self._progress().forget_old(clock.for_ages())
        except StoreError as error:
            problem, unseen_at = str(error), None
        self._account_problem = (problem, unseen_at)
        self._look_due_steady = time.monotonic() + pause_seconds
        self._looking = False


def _acknowledged(alert: Alert) -> str:
    assert alert.acknowledged_at is not None
    by = f" by {alert.acknowledged_by}" if alert.acknowledged_by else ""
    seconds = max(0.0, alert.acknowledged_at - alert.opened_at)
    return f"acknowledged{by} after {seconds:.0f} s, at step {alert.step + 1}"
