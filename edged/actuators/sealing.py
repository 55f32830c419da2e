"""Sensitive text on its way through the broker.

ChaCha20-Poly1305 (RFC 8439) with a key of its own, derived from the signing key by HMAC-SHA256 of the words below, and
actuator and id as associated data, so that a sealed text cannot be moved into another request.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets

from edged.actuators.sensitive import Text
from edged.cryptography_library import ChaCha20Poly1305, InvalidTag
from edged.errors import SignatureRefused

_PURPOSE = b"edged sealed text, version 1"
_NONCE_BYTES = 12


def seal(text: Text, key: bytes, actuator: str, request_id: str) -> str:
    """Base64 of nonce, ciphertext and tag."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    clear = text.value.encode("utf-8")
    return base64.b64encode(nonce + _cipher(key).encrypt(nonce, clear, _bound(actuator, request_id))).decode()


def unseal(sealed: str, key: bytes, actuator: str, request_id: str) -> Text:
    """The text. Raises SignatureRefused, without a word of what was in it."""
    try:
        raw = base64.b64decode(sealed, validate=True)
        clear = _cipher(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bound(actuator, request_id))
        return Text(clear.decode("utf-8"), sensitive=True)
    except (InvalidTag, binascii.Error, ValueError):
        pass
    raise SignatureRefused("altered", "the sealed text cannot be opened (sealed with another key, or for another id)")


def _cipher(key: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(hmac.new(key, _PURPOSE, hashlib.sha256).digest())


def _bound(actuator: str, request_id: str) -> bytes:
    return f"{actuator}\n{request_id}".encode()
