"""From a message on `request` to an order that may be trusted, or to a refusal that is counted."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from edged.actuators.content import digest
from edged.actuators.controls import stop_reason
from edged.actuators.effects import Effect, Now, Tell
from edged.actuators.engine import Engine
from edged.actuators.job import Order, rejected
from edged.actuators.sealing import unseal
from edged.actuators.sensitive import Text
from edged.actuators.settings import ActuatorSettings
from edged.bus.message import Message
from edged.errors import SignatureRefused, StoreError
from edged.events import iso_utc
from edged.jobs import FINAL, ID_PATTERN, MAX_REQUEST_BYTES, UNKNOWN_ID, ActuatorRequest, JobState
from edged.signing import check_times, plain_object, verify

# What a request is refused for that may be good later, or in another guise.
_NOTED = ("clock", "stale", "retained")
_RESET_SECONDS = 10.0
_OFFSETS = 20
# So many requests in a row must have come late before a sender's clock is said to be behind.
_LATE = 3


class Gate:
    """One actuator's door."""

    def __init__(self, settings: ActuatorSettings, key: bytes | None, engine: Engine) -> None:
        """key: None only where signing is off."""
        self._settings = settings
        self._key = key
        self._engine = engine
        self._ages: list[float] = []
        self._ahead = ""
        self.refused: Counter[str] = Counter()

    @property
    def clock_offset_seconds(self) -> float | None:
        """How far the clocks of senders seem to be ahead of ours: of the last requests, the one least delayed."""
        return -min(self._ages) if self._ages else None

    @property
    def clock_problem(self) -> str:
        """Whose clock is wrong, as far as can be told; empty when the last requests came in time."""
        if self._ahead:
            return self._ahead
        late = min(self._ages[-_LATE:], default=0.0)
        if len(self._ages) < _LATE or late <= self._settings.signing.clock_tolerance_seconds:
            return ""
        return (
            f"the last requests came {late:.1f} s after they were issued: the clock of whoever sends them is behind the "
            "clock of this machine (set both by NTP), or they waited at the broker"
        )

    def take(self, message: Message, now: Now) -> list[Effect]:
        """Judge a message; never raises for what it contains."""
        if message.retain and not message.payload:
            return []  # somebody clears a retained request
        effects = self._engine.tick(now)  # what is due comes before what is asked
        raw: dict[str, Any] = {}
        try:
            raw = plain_object(message.payload, MAX_REQUEST_BYTES)
            if self._stops(raw) and raw.get("signature") is None:
                return [*effects, *self._stop_all_the_same(raw, now)]
            return [*effects, *self._trusted(raw, message, now)]
        except SignatureRefused as error:
            self.refused[error.kind] += 1
            if error.kind == "clock":
                self._ahead = str(error)
            if self._stops(raw):
                return [*effects, *self._stop_all_the_same(raw, now, f"; the request itself is refused: {error}")]
            noted = error.kind in _NOTED and self._note_refusal(raw, str(error), now)
            return [*effects, *(noted or self._tell_refused(raw, str(error), now))]
        except StoreError as error:
            self._engine.register.last_error = str(error)
            self.refused["unnoted"] += 1
            if raw.get("action") == "stop":
                return [*effects, *self._stop_all_the_same(raw, now, f"; it cannot be noted: {error}")]
            reason = f"the request cannot be noted, so it is not done: {error}"
            return [*effects, *self._tell_refused(raw, reason, now)]

    def _trusted(self, raw: dict[str, Any], message: Message, now: Now) -> list[Effect]:
        request = _request(raw)
        if message.retain:
            raise SignatureRefused(
                "retained",
                "retained requests are refused, since the broker repeats them at every connect (publish without the "
                "retain flag, and clear this one with an empty retained message)",
            )
        if self._settings.signing.required:
            if self._key is None:
                raise SignatureRefused("unsigned", "there is no key here to check signatures with (signing.key_file)")
            verify(raw, self._key, self._settings.actuator)
            if not request.nonce or len(request.nonce) > 128:
                raise SignatureRefused("unsigned", "a signed request needs a nonce of 1 to 128 characters")
        else:
            if request.actuator not in (None, self._settings.actuator):
                raise SignatureRefused("altered", f"the request is for another actuator than {self._settings.actuator}")
            if request.action == "reset" and request.id is None:
                # A switch sends the same words each time. It is free to, for done twice it is the same.
                moment = {"issued_at": now.unix, "expires_at": now.unix + _RESET_SECONDS}
                request = msgspec.structs.replace(request, id=secrets.token_hex(16), **moment)
        if request.id is None or not ID_PATTERN.fullmatch(request.id):
            raise SignatureRefused("malformed", f"id must match {ID_PATTERN.pattern}")
        text = self._text(request)
        content = digest(request.action, text, request.options, self._key)
        known = self._engine.register.known(request.id)
        if known is not None:
            return [Tell(self._repeated(request, known, content, message))]
        signing = self._settings.signing
        if request.issued_at is not None and not message.duplicate:
            self._ages = [*self._ages, now.unix - request.issued_at][-_OFFSETS:]
        check_times(
            request.issued_at, request.expires_at, now.unix, signing.clock_tolerance_seconds, signing.longest_life_seconds
        )  # fmt: skip
        assert request.issued_at is not None
        assert request.expires_at is not None
        if self._engine.trusted_since > now.unix + signing.clock_tolerance_seconds:
            # It was begun while the clock was ahead. It would refuse everything until that time comes.
            self._engine.begin_memory(now)
        if request.issued_at < self._engine.trusted_since:
            since = iso_utc(int(self._engine.trusted_since * 1e9))
            raise SignatureRefused(
                "stale",
                f"the memory of this actuator begins at {since}: what was issued before cannot be told from a repetition "
                "(ask again)",
            )
        self._ahead = ""
        order = Order(
            request.id, request.action, text, request.options, request.issued_at, request.expires_at,
            request.nonce or f"id {request.id}", digest=content,
        )  # fmt: skip
        return self._engine.submit(order, now)

    def _repeated(self, request: ActuatorRequest, known: JobState, content: str, message: Message) -> JobState:
        """The answer there was; whoever meant something else by the same id learns that it was not done."""
        if not self._engine.register.is_of(known.id, content):
            self.refused["conflict"] += 1
            reason = f"this id was used before, for something else ({known.state}: {known.reason}): nothing is done"
            return msgspec.structs.replace(known, reason=reason, refused_nonce=request.nonce or "")
        self.refused["repeated" if message.duplicate or known.state not in FINAL else "replayed"] += 1
        return known

    def _stops(self, raw: Mapping[str, Any]) -> bool:
        """The emergency stop, which works for everybody unless the owner says otherwise. Whatever else is wrong with such
        a request (a clock, a retain flag, a field too many), somebody wants this to stop.
        """
        free = self._settings.signing.unsigned_stop or not self._settings.signing.required
        return raw.get("action") == "stop" and raw.get("actuator") in (None, self._settings.actuator) and free

    def _stop_all_the_same(self, raw: Mapping[str, Any], now: Now, although: str = "") -> list[Effect]:
        """Noted under no id: pressed again, the emergency stop must work again. Who gave an id hears of it there."""
        options = raw.get("options")
        reason = stop_reason(options.get("reason") if isinstance(options, Mapping) else None)
        effects = self._engine.stop(reason, now)
        given = raw.get("id")
        mine = isinstance(given, str) and ID_PATTERN.fullmatch(given) and not self._is_known(given)
        self._engine.register.ends["succeeded"] += 1
        told = rejected(
            self._settings.actuator, str(given) if mine else secrets.token_hex(16), "stop",
            f"stopped, until reset{although}", now.unix,
        )  # fmt: skip
        return [*effects, Tell(msgspec.structs.replace(told, state="succeeded"))]

    def _is_known(self, job_id: str) -> bool:
        """Is there such a job? Where that cannot be told nothing may be said of it."""
        try:
            return self._engine.register.known(job_id) is not None
        except StoreError:
            return True

    def _text(self, request: ActuatorRequest) -> Text | None:
        if request.sealed is None:
            return None if request.text is None else Text(request.text)
        if request.text is not None:
            raise SignatureRefused("malformed", "text and sealed are not given together")
        if self._key is None:
            raise SignatureRefused(
                "malformed", "a sealed text cannot be opened here: there is no key (signing.key_file)"
            )
        return unseal(request.sealed, self._key, self._settings.actuator, str(request.id))

    def _note_refusal(self, raw: dict[str, Any], reason: str, now: Now) -> list[Effect]:
        """What was told as rejected is never done, though its time may come yet, and somebody may send it on without the
        retain flag. Only what is signed is noted: strangers must not fill the memory.
        """
        try:
            request = _request(raw)
            if self._settings.signing.required:
                verify(raw, self._key or b"", self._settings.actuator)
            given, nonce = request.id, request.nonce or f"id {request.id}"
            if given is None or not ID_PATTERN.fullmatch(given):
                return []
            known = self._engine.register.known(given)
            if known is not None:
                return [Tell(known)]  # whoever asks again has not heard it
            if self._engine.register.is_used(nonce):
                return []
            text = self._text(request)
            order = Order(
                given, request.action, text, request.options, request.issued_at or now.unix,
                request.expires_at or now.unix, nonce, digest=digest(request.action, text, request.options, self._key),
            )  # fmt: skip
            return self._engine.register.refuse(order, reason, now)
        except (SignatureRefused, StoreError):
            return []

    def _tell_refused(self, raw: dict[str, Any], reason: str, now: Now) -> list[Effect]:
        """A stranger must not be able to say anything of a job that is there."""
        given = raw.get("id")
        job_id = given if isinstance(given, str) and ID_PATTERN.fullmatch(given) else UNKNOWN_ID
        action = raw.get("action")
        if job_id != UNKNOWN_ID and self._is_known(job_id):
            return []
        named = action if isinstance(action, str) else "unknown"
        self._engine.register.ends["rejected"] += 1
        return [Tell(rejected(self._settings.actuator, job_id, named, reason, now.unix))]


def _request(raw: dict[str, Any]) -> ActuatorRequest:
    try:
        return msgspec.convert(raw, ActuatorRequest)
    except msgspec.ValidationError as error:
        problem = str(error)
    raise SignatureRefused("malformed", f"the request is not of the right shape: {problem}")
