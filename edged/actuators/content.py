"""What a request asks for, as a short digest: two that ask for the same have the same. Pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from edged.actuators.sensitive import Text
from edged.signing import canonical

_CONTENT = b"edged content of a request, version 1\n"


def digest(action: str, text: Text | None, options: Mapping[str, Any], key: bytes | None) -> str:
    """What is asked for, as 32 hexadecimal digits that only holders of the key can compare with a guess. Two requests
    that ask for the same have the same; empty where the options are no plain JSON.
    """
    said: Any = None if text is None else [text.value, text.sensitive]
    try:
        what = canonical({"action": action, "text": said, "options": dict(options)})
    except ValueError:
        return ""
    return hmac.new(key or b"", _CONTENT + what, hashlib.sha256).hexdigest()[:32]
