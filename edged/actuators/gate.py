"""From a message on `request` to an order that may be trusted, or to a refusal that is counted."""

from __future__ import annotations

import secrets
from collections import Counter
from typing import Any

import msgspec

from edged.actuators.effects import Effect, Now, Tell
from edged.actuators.engine import Engine
from edged.actuators.job import Order, rejected
from edged.actuators.sealing import unseal
from edged.actuators.sensitive import Text
from edged.actuators.settings import ActuatorSettings
from edged.actuators.signing import check_times, verify
from edged.bus.message import Message
from edged.errors import SignatureRefused, StoreError
from edged.jobs import FINAL, ID_PATTERN, UNKNOWN_ID, ActuatorRequest

MAX_PAYLOAD_BYTES = 256 * 1024
_OFFSETS = 20


class Gate:
    """One actuator's door."""

    def __init__(self, settings: ActuatorSettings, key: bytes | None, engine: Engine) -> None:
        """key: None only where signing is off."""
        self._settings = settings
        self._key = key
        self._engine = engine
        self._ages: list[float] = []
        self.clock_problem = ""
        self.refused: Counter[str] = Counter()

    @property
    def clock_offset_seconds(self) -> float | None:
        """How far the clocks of senders seem to be ahead of ours: of the last requests, the one least delayed."""
        return -min(self._ages) if self._ages else None

    def take(self, message: Message, now: Now) -> list[Effect]:
        """Judge a message; never raises for what it contains."""
        if message.retain and not message.payload:
            return []  # somebody clears a retained request
        raw: dict[str, Any] = {}
        try:
            raw = _object(message.payload)
            return self._trusted(raw, message, now)
        except SignatureRefused as error:
            self.refused[error.kind] += 1
            if error.kind == "clock":
                self.clock_problem = str(error)
            return self._tell_refused(raw, str(error), now)
        except StoreError as error:
            self._engine.last_error = str(error)
            self.refused["unnoted"] += 1
            return self._tell_refused(raw, f"the request cannot be noted, so it is not done: {error}", now)

    def _trusted(self, raw: dict[str, Any], message: Message, now: Now) -> list[Effect]:
        request = _request(raw)
        if self._stops_unsigned(request):
            # An id of its own: pressed again, the emergency stop must work again.
            drawn = secrets.token_hex(16)
            order = Order(drawn, "stop", None, request.options, now.unix, now.unix + 1.0, drawn)
            return self._engine.submit(order, now)
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
        elif request.actuator not in (None, self._settings.actuator):
            raise SignatureRefused("altered", f"the request is for another actuator than {self._settings.actuator}")
        if request.id is None or not ID_PATTERN.fullmatch(request.id):
            raise SignatureRefused("malformed", f"id must match {ID_PATTERN.pattern}")
        known = self._engine.known(request.id)
        if known is not None:
            kind = "repeated" if message.duplicate or known.state not in FINAL else "replayed"
            self.refused[kind] += 1
            return [Tell(known)]
        signing = self._settings.signing
        check_times(
            request.issued_at, request.expires_at, now.unix, signing.clock_tolerance_seconds, signing.longest_life_seconds
        )  # fmt: skip
        assert request.issued_at is not None
        assert request.expires_at is not None
        trusted_since = self._engine.trusted_since
        if request.issued_at < trusted_since + signing.clock_tolerance_seconds:
            raise SignatureRefused(
                "stale",
                "the memory of this actuator was damaged and begun anew: what was issued before that cannot be told from a "
                "repetition (ask again)",
            )
        self.clock_problem = ""
        if not message.duplicate:
            self._ages = [*self._ages, now.unix - request.issued_at][-_OFFSETS:]
        order = Order(
            request.id, request.action, self._text(request), request.options, request.issued_at, request.expires_at,
            request.nonce or f"id {request.id}",
        )  # fmt: skip
        return self._engine.submit(order, now)

    def _stops_unsigned(self, request: ActuatorRequest) -> bool:
        free = self._settings.signing.unsigned_stop or not self._settings.signing.required
        return request.action == "stop" and request.signature is None and free

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

    def _tell_refused(self, raw: dict[str, Any], reason: str, now: Now) -> list[Effect]:
        """A stranger must not be able to say anything of a job that is there."""
        given = raw.get("id")
        job_id = given if isinstance(given, str) and ID_PATTERN.fullmatch(given) else UNKNOWN_ID
        action = raw.get("action")
        if job_id != UNKNOWN_ID:
            try:
                if self._engine.known(job_id) is not None:
                    return []
            except StoreError:
                return []
        named = action if isinstance(action, str) else "unknown"
        self._engine.ends["rejected"] += 1
        return [Tell(rejected(self._settings.actuator, job_id, named, reason, now.unix))]


def _object(payload: bytes) -> dict[str, Any]:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise SignatureRefused(
            "malformed", f"the payload has {len(payload)} bytes; at most {MAX_PAYLOAD_BYTES} are read"
        )
    try:
        return msgspec.json.decode(payload, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    # Without the reason: it could quote what may not be quoted.
    raise SignatureRefused("malformed", "the payload is no JSON object (docs/actuators.md shows one)")


def _request(raw: dict[str, Any]) -> ActuatorRequest:
    try:
        return msgspec.convert(raw, ActuatorRequest)
    except msgspec.ValidationError as error:
        problem = str(error)
    raise SignatureRefused("malformed", f"the request is not of the right shape: {problem}")
