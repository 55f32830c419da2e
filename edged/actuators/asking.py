"""The other side of the door: how a request is made and signed, and followed to its end."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from edged.actuators.sealing import seal
from edged.actuators.sensitive import Text
from edged.errors import RequestRefused
from edged.jobs import ID_PATTERN
from edged.signing import SIGNATURE, signature

# JSON numbers are doubles in every language: milliseconds are exact enough, and sign the same everywhere.
_DECIMALS = 3


def make_request(
    actuator: str,
    action: str,
    *,
    now: float,
    life_seconds: float,
    text: Text | None = None,
    options: Mapping[str, Any] | None = None,
    key: bytes | None = None,
    job_id: str | None = None,
) -> dict[str, Any]:
    """A request, signed if there is a key. Sensitive text is sealed with it.

    Raises RequestRefused for sensitive text without a key, and for what cannot be sent.
    """
    if job_id is not None and not ID_PATTERN.fullmatch(job_id):
        raise RequestRefused(f"an id has 8 to 64 of the characters A-Z, a-z, 0-9, - and _, and {job_id[:80]!r} is none")
    if text is not None and not _is_unicode(text.value):
        raise RequestRefused("the text is no Unicode (it was not UTF-8 where it came from)")
    made: dict[str, Any] = {
        "id": job_id or uuid.uuid4().hex,
        "actuator": actuator,
        "action": action,
        "issued_at": round(now, _DECIMALS),
        "expires_at": round(now + life_seconds, _DECIMALS),
        "nonce": secrets.token_hex(16),
    }
    if options:
        made["options"] = dict(options)
    if text is not None and text.sensitive:
        if key is None:
            raise RequestRefused("sensitive text is sent sealed, and there is no key to seal it with (give --key)")
        made["sealed"] = seal(text, key, actuator, made["id"])
    elif text is not None:
        made["text"] = text.value
    try:
        signed = signature(made, key or b"")
    except ValueError as error:
        reason = str(error)
    else:
        return made if key is None else {**made, SIGNATURE: signed}
    raise RequestRefused(f"options must be plain JSON, with whole numbers below 2^53: {reason}")


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def encoded(request: Mapping[str, Any]) -> bytes:
    """As it goes over the wire."""
    return msgspec.json.encode(request)
