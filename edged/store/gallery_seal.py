"""Seals of the gallery: who changes, adds, swaps or removes a row without the key is found out.

Each row carries an HMAC-SHA256 of its content; one more row carries the counts and the sum of all row seals modulo
2^256 (an additive multiset hash, Clarke et al., "Incremental Multiset Hash Functions", 2003), itself sealed, so that a
missing or doubled row shows and a change costs no look at the others. An older copy of the whole file has good seals:
only the audit trail can tell of that.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Any

import msgspec

from edged.errors import StoreError
from edged.whole_file import give_to_owner

GALLERY_FILE = "gallery.db"
KEY_FILE = "gallery.key"
_KEY_BYTES = 32
_MODULUS = 1 << 256
_encode = msgspec.msgpack.Encoder().encode


def row_seal(key: bytes, table: str, *content: Any) -> bytes:
    """32 bytes that only holders of the key can make for this content."""
    return hmac.digest(key, _encode((table, *content)), "sha256")


def moved(total: bytes, added: bytes = b"", removed: bytes = b"") -> bytes:
    """The sum of row seals after one came or went."""
    number = int.from_bytes(total, "big") + int.from_bytes(added, "big") - int.from_bytes(removed, "big")
    return (number % _MODULUS).to_bytes(32, "big")


def picture_digest(picture: bytes | None) -> bytes:
    """What a row's seal says of its picture: the picture itself need not be read to check the rest."""
    return hashlib.sha256(picture).digest() if picture is not None else b""


def read_key(folder: Path, key_file: Path | None) -> bytes:
    """The key; made at the first time if no file is named. Raises StoreError with the cure."""
    path = key_file or folder / KEY_FILE
    try:
        if key_file is None and not path.exists():
            # With a new key everybody would look tampered with, and a repair would drop them all.
            if _holds_something(gallery := folder / GALLERY_FILE) and not path.exists():
                raise StoreError(
                    f"the gallery's key {path} is gone, and {gallery} counts for nothing without it (restore the key from a "
                    "copy, set inference.recognition.key_file to where it is, or move the gallery away and enroll anew)"
                )
            _make(path)
        key = path.read_bytes()
    except OSError as error:
        raise StoreError(
            f"the gallery's key {path} cannot be read: {error.strerror} (check inference.recognition.key_file)"
        ) from None
    if len(key) < _KEY_BYTES:
        raise StoreError(
            f"the gallery's key {path} has {len(key)} bytes and must have {_KEY_BYTES} "
            f"(cure: head -c {_KEY_BYTES} /dev/urandom > FILE)"
        )
    return key


def _holds_something(gallery: Path) -> bool:
    return gallery.exists() and gallery.stat().st_size > 0


def _make(path: Path) -> None:
    """Whole or not at all, and by one of several that begin at once."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        give_to_owner(fd, path.parent)
        os.write(fd, secrets.token_bytes(_KEY_BYTES))
        os.fsync(fd)
    finally:
        os.close(fd)
    try:
        os.link(beside, path)
    except FileExistsError:
        pass  # another process was first: its key counts
    finally:
        beside.unlink()
