"""The last net under the log: known secrets, and passwords within addresses, become `***`.

No code may hand a secret to the log in the first place, and tests see to that. This is for the texts of libraries,
whose exceptions quote what they were given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pydantic import BaseModel, SecretStr

HIDDEN = "***"
# Replacing "on" or "1234" would spoil lines and protect nothing.
_SHORTEST = 6
# A password may have @ and / in it, written as they are. What has only digits before the path is a port and no password.
_IN_ADDRESS = re.compile(r"(?P<start>\w://[^/?#\s:@\[]*:)(?!\d*(?:[/?#\s]|$))\S{1,500}(?=@)")
_IN_QUERY = re.compile(
    r"(?P<start>[?&][a-z_-]{0,30}(?:pas|pwd|pw|psw|token|secret|key|auth)[a-z_-]{0,30}=)[^&#\s'\"]+", re.IGNORECASE
)


def secrets_of(settings: BaseModel) -> list[str]:
    """Every secret that these settings hold."""
    return [secret.get_secret_value() for secret in _walk(settings)]


def _walk(value: object) -> Iterator[SecretStr]:
    if isinstance(value, SecretStr):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _walk(getattr(value, name))
    elif isinstance(value, dict):
        for each in value.values():
            yield from _walk(each)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            yield from _walk(each)


class Concealer:
    """Hides these secrets."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The longest first: one may be part of another.
        known = sorted({each for each in secrets if len(each) >= _SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """The text without them."""
        if "://" in text:
            text = _IN_QUERY.sub(rf"\g<start>{HIDDEN}", _IN_ADDRESS.sub(rf"\g<start>{HIDDEN}", text))
        return text if self._known is None else self._known.sub(HIDDEN, text)
