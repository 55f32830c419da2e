"""One message or call to one person: sent once, whatever happens on the way, and followed until its fate is known.

Twilio has no key by which it would know a request that it has had already. So each is noted on disk before it is made.
When it is not known whether it arrived (no answer, a broken connection, 5xx, or we were killed), nothing is repeated
until Twilio's own list of messages or calls has been looked at, `settle_seconds` later. Found there and not one of those
we know is ours: for messages the text must be the same, too. Two jobs with the same text to the same person may swap
messages that way, which nobody can tell apart; calls have no text, so only one at a time may be unclear per number.
What remains: a request that reaches Twilio later than `settle_seconds` after it was given up would be sent twice.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from edged.actuators.performer import Control, Text
from edged.actuators.twilio.client import Found, TwilioClient
from edged.actuators.twilio.fates import NAMES, Standing, over, pause_seconds, standing
from edged.actuators.twilio.limits import refusal
from edged.actuators.twilio.line import Line
from edged.actuators.twilio.meanings import meaning
from edged.actuators.twilio.phone_numbers import masked
from edged.actuators.twilio.progress import Progress, Sending
from edged.actuators.twilio.settings import Channel, TwilioSettings
from edged.errors import ActionFailed, Cancelled, TwilioAway, TwilioBusy, TwilioError, TwilioRefused

# Twilio's clock has whole seconds, and ours is compared with it through one answer.
_CLOCK_SECONDS = 30.0
_UNCLEAR_LOOK_SECONDS = 2.0
# Twilio puts it before every message of a trial account.
_TRIAL = "Sent from your Twilio trial account - "


@dataclass(frozen=True)
class Parcel:
    """What is to be sent, once for each job and step. text: as it is for messages. twiml: for calls.

    doubtful_since: Unix seconds; our memory was lost since then, and it may have been sent.
    """

    job: str
    step: int
    channel: Channel
    recipient: str
    emergency: bool
    expires_at: float
    text: Text
    twiml: str = field(default="", repr=False)
    content_sid: str = ""
    content_variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    doubtful_since: float | None = None


class Courier:
    """For the worker's thread."""

    def __init__(self, settings: TwilioSettings, client: TwilioClient, line: Line, progress: Progress) -> None:
        self._settings = settings
        self._client = client
        self._line = line
        self._progress = progress
        # Connecting and answering may each take so long.
        self._longest_seconds = 2 * settings.timeout_seconds

    def turn(self, parcel: Parcel, control: Control) -> Standing:
        """Do what can be done now, and say how it stands.

        Raises ActionFailed with `retry` when it was certainly not sent and may be later, Cancelled when `control` said
        stop before Twilio answered, and StoreError.
        """
        sending = self._progress.sending(parcel.job, parcel.step)
        if sending is None and parcel.doubtful_since is not None:
            sending = self._new(parcel, parcel.doubtful_since, time.time())
            self._progress.begin(sending)
        if sending is None:
            return self._send(parcel, None, control)
        if sending.sid is None:
            return self._look(parcel, sending, control)
        return self._follow(parcel, sending, control)

    def recent(self, name: str, *, emergency: bool, now: float, but: tuple[str, int] = ("", 0)) -> int:
        """How many were sent to a recipient within the time that their limit is about, without one."""
        since = now - self._settings.recipients[name].limit_seconds
        return self._progress.recent(name, emergency=emergency, since=since, but=but)

    def let_go(self, job: str) -> str:
        """A job ends before its time: its calls are hung up. Says what had been done."""
        done = "nothing had been sent"
        for sending in self._progress.sendings(job):
            if sending.sid is None:
                done = "it may have been sent"
            elif sending.channel == "call" and not over(sending.status):
                done = self._hang_up(sending.sid)
            else:
                done = "it had been sent already"
        return done

    # -- sending ------------------------------------------------------------------------------------------------

    def _send(self, parcel: Parcel, before: Sending | None, control: Control) -> Standing:
        """before: what was tried earlier and did not arrive."""
        name, now = self._name(parcel), time.time()
        if now >= parcel.expires_at:
            return Standing("lost", f"{name}: expires_at passed before it could be sent")
        recent = self.recent(parcel.recipient, emergency=parcel.emergency, now=now, but=(parcel.job, parcel.step))
        refused = refusal(self._settings, parcel.recipient, emergency=parcel.emergency, recent=recent, now=now)
        if refused:
            return Standing("lost", f"{name}: not sent: {refused}")
        if parcel.channel == "call" and self._other_call_is_unclear(parcel, now):
            words = f"{name}: waits until it is known whether the call before it went out"
            return Standing("pending", words, _UNCLEAR_LOOK_SECONDS)
        if wait := self._line.wait_seconds():
            raise ActionFailed(f"{name}: {self._why_shut()}", retry=True, retry_after_seconds=wait)
        sending = self._new(parcel, now if before is None else before.first_at, now + self._longest_seconds)
        self._progress.begin(sending)
        try:
            found = self._line.ask(lambda: self._post(parcel, sending), control)
        except TwilioRefused as error:
            self._progress.not_sent(sending)
            return Standing("lost", f"{name}: {error}")
        except (TwilioBusy, TwilioAway) as error:
            if before is None:
                self._progress.not_sent(sending)
            seconds = error.retry_after_seconds if isinstance(error, TwilioBusy) else None
            raise ActionFailed(f"{name}: {error}", retry=True, retry_after_seconds=seconds) from None
        except TwilioError as error:
            self._progress.unclear(sending, time.time())
            words = f"{name}: {error}; it is looked for at Twilio before it is tried again"
            return Standing("pending", words, self._settings.settle_seconds)
        return self._stands(parcel, found.status, found.code, 0.0)

    def _post(self, parcel: Parcel, sending: Sending) -> Found:
        """On a thread of its own: what comes of it is noted even when nobody waits for it any more."""
        to, sender, service = self._addresses(parcel)
        if parcel.channel == "call":
            found = self._client.call(to, sender, parcel.twiml)
        else:
            found = self._client.send(
                to, sender, service, parcel.text.value, parcel.content_sid, parcel.content_variables
            )
        self._progress.taken(sending, found.sid, found.status, time.time())
        return found

    # -- nobody knows -------------------------------------------------------------------------------------------

    def _look(self, parcel: Parcel, sending: Sending, control: Control) -> Standing:
        """Has Twilio got it all the same?"""
        name, now = self._name(parcel), time.time()
        passed = now - sending.given_up_at
        left = min(self._settings.settle_seconds - passed, self._longest_seconds + self._settings.settle_seconds)
        if left > 0:
            words = f"{name}: it is not known whether it arrived; it is looked for at Twilio"
            return Standing("pending", words, left)
        wait = self._line.wait_seconds()
        try:
            if wait:
                raise TwilioAway(self._why_shut())
            listed = self._line.ask(lambda: self._listed(parcel), control)
        except TwilioRefused as error:
            return Standing("lost", f"{name}: it may have been sent, and Twilio does not say: {error}")
        except TwilioError as error:
            if now >= parcel.expires_at:
                return Standing(
                    "lost", f"{name}: it may have been sent, and until it expired nobody could say: {error}"
                )
            words = f"{name}: it is not known whether it arrived: {error}"
            return Standing("pending", words, max(wait, pause_seconds(passed)))
        for found in self._candidates(parcel, sending, listed):
            # Not if it is another sending's.
            if self._progress.taken(sending, found.sid, found.status, now):
                return self._stands(parcel, found.status, found.code, 0.0)
        return self._send(parcel, sending, control)

    def _listed(self, parcel: Parcel) -> list[Found]:
        to, sender, service = self._addresses(parcel)
        if parcel.channel == "call":
            return self._client.calls(to, sender)
        return self._client.messages(to, "" if service else sender)

    def _candidates(self, parcel: Parcel, sending: Sending, listed: list[Found]) -> list[Found]:
        ahead = self._client.clock_ahead_seconds
        since = sending.first_at + ahead - _CLOCK_SECONDS
        until = sending.given_up_at + ahead + self._settings.settle_seconds + _CLOCK_SECONDS
        wanted = parcel.text.value.strip()
        found = [
            each
            for each in {each.sid: each for each in listed}.values()
            if each.outbound
            and (each.created_at is None or since <= each.created_at <= until)
            # What Twilio makes of a content template we do not know.
            and (parcel.channel == "call" or parcel.content_sid or each.body.removeprefix(_TRIAL).strip() == wanted)
        ]
        return sorted(found, key=lambda each: each.created_at or 0.0)

    def _other_call_is_unclear(self, parcel: Parcel, now: float) -> bool:
        recipients = self._settings.recipients
        number = recipients[parcel.recipient].number
        # Afterwards neither can take the other's for its own, see `_candidates`.
        since = now - self._settings.settle_seconds - 2 * _CLOCK_SECONDS
        return any(
            other.job != parcel.job and other.recipient in recipients and recipients[other.recipient].number == number
            for other in self._progress.unclear_calls(since)
        )

    # -- Twilio has it ------------------------------------------------------------------------------------------

    def _follow(self, parcel: Parcel, sending: Sending, control: Control) -> Standing:
        sid = sending.sid
        assert sid is not None
        age_seconds = max(0.0, time.time() - (sending.taken_at or 0.0))
        if over(sending.status):
            return self._stands(parcel, sending.status, sending.code, age_seconds)
        look_up = self._client.call_state if parcel.channel == "call" else self._client.message
        try:
            if not self._line.wait_seconds():
                found = self._line.ask(lambda: look_up(sid), control)
                self._progress.stands(sending, found.status, found.code)
                return self._stands(parcel, found.status, found.code, age_seconds)
        except TwilioRefused as error:
            return Standing("reached", f"{self._name(parcel)}: sent; how it stands cannot be seen: {error}")
        except TwilioError:
            pass  # health says so; the next look may do better
        return self._stands(parcel, sending.status, sending.code, age_seconds)

    def _stands(self, parcel: Parcel, status: str, code: int, age_seconds: float) -> Standing:
        follow_seconds = self._settings.follow_seconds
        return standing(parcel.channel, self._name(parcel), status, meaning(code), age_seconds, follow_seconds)

    def _hang_up(self, sid: str) -> str:
        try:
            self._line.ask(lambda: self._client.hang_up(sid), _Stopped())
        except (TwilioError, Cancelled):
            return "the call could not be hung up"
        return "the call was hung up"

    # -- names --------------------------------------------------------------------------------------------------

    def _addresses(self, parcel: Parcel) -> tuple[str, str, str]:
        """To, from, and the service that sends instead."""
        own, recipient = self._settings, self._settings.recipients[parcel.recipient]
        number = recipient.number.get_secret_value()
        if parcel.channel == "whatsapp":
            number = recipient.whatsapp_number.get_secret_value() or number
            return f"whatsapp:{number}", f"whatsapp:{own.whatsapp_from.get_secret_value()}", ""
        return number, own.from_number.get_secret_value(), own.messaging_service_sid if parcel.channel == "sms" else ""

    def _name(self, parcel: Parcel) -> str:
        to, _, _ = self._addresses(parcel)
        return f"{NAMES[parcel.channel]} {parcel.recipient} ({masked(to)})"

    def _why_shut(self) -> str:
        return "; ".join(self._line.problems()) or "Twilio is left alone for a while"

    @staticmethod
    def _new(parcel: Parcel, first_at: float, given_up_at: float) -> Sending:
        return Sending(
            parcel.job, parcel.step, parcel.channel, parcel.recipient, parcel.emergency, first_at,
            given_up_at,
        )  # fmt: skip


class _Stopped:
    """The control of what is done when a job must stop already."""

    def stopping(self) -> bool:
        return True

    def wait(self, seconds: float) -> bool:
        return True
