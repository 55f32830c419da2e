"""Signed commands: are they from whoever has the key, for this camera, in time, and for the first time?"""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from edged.errors import SettingsError, SignatureRefused
from edged.keys import find_key
from edged.settings import Settings
from edged.signing import check_times, verify
from edged.store.kept import KeptFile
from edged.topics import SignedCommand

log = logging.getLogger(__name__)

_NONCE_CHARACTERS = 128
# So many in one life of a command: more would be a flood, and who floods has the key.
_MOST_NONCES = 256


class Trust:
    """One camera's. problem: why no signed command is taken, or empty."""

    def __init__(self, settings: Settings, kept: KeptFile, now: float, steady: float) -> None:
        """now: Unix seconds. steady: of a clock that is never set."""
        self._settings = settings.signing
        self._camera = settings.camera
        self._kept = kept
        self._key: bytes | None = None
        self._nonces = dict(kept.now.nonces)
        # What was used before is not known: what was issued before could be a repetition.
        self._forgotten = bool(kept.damage) or not kept.lasting
        self._begun_steady = steady
        self.problem = ""
        try:
            self._key = find_key(self._settings.key_file, self._settings.credential)
        except SettingsError as error:
            self.problem = f"no signed command is taken: {error}"
            log.error("%s", self.problem)
        policy = settings.judgement.security
        if self._key is None and not self.problem and policy.enabled and policy.blocks():
            self.problem = (
                "a block of the seat could not be released: there is no key of signed commands "
                "(edged actuator keygen FILE, then signing.key_file = FILE)"
            )

    def check(self, name: str, raw: dict[str, Any], now: float, steady: float) -> SignedCommand:
        """The command, to be carried out once. now: Unix seconds; steady: as at the start. Raises SignatureRefused."""
        if self._key is None:
            raise SignatureRefused("unsigned", "there is no key here to check signatures with (signing.key_file)")
        verify(raw, self._key, self._camera, field="camera")
        try:
            command = msgspec.convert(raw, SignedCommand)
        except msgspec.ValidationError as error:
            raise SignatureRefused("malformed", f"the command is not of the right shape: {error}") from None
        if command.command != name:
            raise SignatureRefused(
                "altered", f"the command is signed as {command.command[:64]!r}, and came as {name!r}"
            )
        if not 1 <= len(command.nonce) <= _NONCE_CHARACTERS:
            raise SignatureRefused("malformed", f"the nonce has 1 to {_NONCE_CHARACTERS} characters")
        check_times(
            command.issued_at,
            command.expires_at,
            now,
            self._settings.clock_tolerance_seconds,
            self._settings.longest_life_seconds,
        )
        if command.nonce in self._nonces:
            raise SignatureRefused("replayed", "the command was carried out before (sign it anew)")
        if command.issued_at < self._since(now, steady):
            raise SignatureRefused(
                "stale",
                "the command is from before edged started or was restored, and may have been carried out (sign it anew)",
            )
        self._remember(command, now)
        return command

    def _since(self, now: float, steady: float) -> float:
        """What was issued before this may have been carried out and forgotten (Unix seconds).

        The start is told by the clock of now: the one of then may have been years away from it.
        """
        since = now - (steady - self._begun_steady) if self._forgotten else self._kept.now.trusted_since
        return since + self._settings.clock_tolerance_seconds if since else 0.0

    def _remember(self, command: SignedCommand, now: float) -> None:
        """Before it is carried out: a plug that is pulled then must not let it be carried out twice."""
        self._nonces = {nonce: expires for nonce, expires in self._nonces.items() if expires > now}
        if len(self._nonces) >= _MOST_NONCES:
            raise SignatureRefused("stale", "too many signed commands at once (wait a minute)")
        self._nonces[command.nonce] = command.expires_at
        self._kept.replace(nonces=dict(self._nonces))
