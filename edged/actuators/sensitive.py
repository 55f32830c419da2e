"""A text that somebody else must not read: it shows itself only to those who ask for it by name."""

from __future__ import annotations

import hashlib
import secrets

# A short secret could be found by trying all that hash alike; with a salt that nobody else has, it cannot. It is of
# this process, so that the same secret is recognised again in one log and nowhere else.
_SALT = secrets.token_bytes(32)


class Text:
    """`value` is what to type. Printed, logged or in a traceback it is its length and the start of a hash.

    Of text that is not sensitive the hash is plain SHA-256, so that it can be compared with the sender's; of sensitive
    text it is keyed with a salt of this process. It is no dataclass: whatever writes out the fields of an object
    (`asdict`, msgspec, a debugger's dump) finds none here.
    """

    __slots__ = ("_sensitive", "_value")

    def __init__(self, value: str, *, sensitive: bool = False) -> None:
        self._value = value
        self._sensitive = sensitive

    @property
    def value(self) -> str:
        """What to type. Not for messages."""
        return self._value

    @property
    def sensitive(self) -> bool:
        """May the text or any of its characters be told to anybody?"""
        return self._sensitive

    @property
    def fingerprint(self) -> str:
        """The first eight hexadecimal digits of the hash."""
        encoded = self._value.encode("utf-8", "surrogatepass")
        if self._sensitive:
            return hashlib.blake2b(encoded, key=_SALT).hexdigest()[:8]
        return hashlib.sha256(encoded).hexdigest()[:8]

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Text) and (self._value, self._sensitive) == (other._value, other._sensitive)

    def __hash__(self) -> int:
        return hash((self._value, self._sensitive))

    def __repr__(self) -> str:
        kind = "salted hash" if self._sensitive else "SHA-256"
        return f"<{len(self)} characters, {kind} {self.fingerprint}…>"

    def __reduce__(self) -> str:
        raise TypeError("text to be typed is not pickled: it would be written out in clear")
