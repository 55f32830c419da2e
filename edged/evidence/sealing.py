"""How evidence is encrypted: AES-256-GCM (NIST SP 800-38D) with a key of its own for each file.

The key of a file is derived from the owner's key by HKDF-SHA256 (RFC 5869) with a random salt and the event's id. So the
process that takes pictures is given a key that opens this one file and no other; and the parts of a file can be numbered
instead of drawing nonces: no number is used twice with the same key.

The library is loaded when something is sealed or opened: most daemons keep no evidence, and count their megabytes.
"""

from __future__ import annotations

import hashlib
import os

from edged.errors import EvidenceError

KEY_BYTES = 32
SALT_BYTES = 16
TAG_BYTES = 16
_PURPOSE = b"edged evidence, version 1\n"
_NAME = b"edged name of an evidence key, version 1\n"


def new_salt() -> bytes:
    """Random; one for each file."""
    return os.urandom(SALT_BYTES)


def key_name(key: bytes) -> str:
    """Which key it is, without saying what it is: 8 hexadecimal digits."""
    return hashlib.sha256(_NAME + key).hexdigest()[:8]


def file_key(key: bytes, salt: bytes, event: str) -> bytes:
    """The key of one file, from the owner's."""
    from edged.cryptography_library import HKDF, SHA256

    return HKDF(SHA256(), KEY_BYTES, salt, _PURPOSE + event.encode()).derive(key)


def seal(part: bytes, of_file: bytes, number: int, bound: bytes) -> bytes:
    """Ciphertext and tag of a part. bound: what must be the same when it is opened. Never the same number twice with a key."""
    from edged.cryptography_library import AESGCM

    return AESGCM(of_file).encrypt(_nonce(number), part, bound)


def unseal(sealed: bytes, of_file: bytes, number: int, bound: bytes) -> bytes:
    """A part in clear. Raises EvidenceError when it, its number, what it is bound to or the key is not what it was."""
    from edged.cryptography_library import AESGCM, InvalidTag

    try:
        return AESGCM(of_file).decrypt(_nonce(number), sealed, bound)
    except (InvalidTag, ValueError):
        pass
    raise EvidenceError("was altered, or sealed with another key")


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")
