"""Signed requests: HMAC-SHA256 over the canonical JSON (RFC 8785) of everything but the signature itself.

The only file that imports rfc8785. Pure: the caller says what time it is.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import msgspec
import rfc8785

from edged.errors import SignatureRefused

SIGNATURE = "signature"
MAX_DEPTH = 16


def canonical(request: Mapping[str, Any]) -> bytes:
    """What is signed: keys sorted, no spaces, UTF-8, without the signature. Raises ValueError for what is no JSON."""
    return rfc8785.dumps({name: value for name, value in request.items() if name != SIGNATURE})


def signature(request: Mapping[str, Any], key: bytes) -> str:
    """64 hexadecimal digits."""
    return hmac.new(key, canonical(request), hashlib.sha256).hexdigest()


def verify(request: Mapping[str, Any], key: bytes, to: str, *, field: str = "actuator") -> None:
    """Raises SignatureRefused (unsigned, altered) unless the request was signed with the key, for this addressee.

    to: the name that `field` of the request must have, e.g. of an actuator or a camera.
    """
    given = request.get(SIGNATURE)
    if given is None:
        raise SignatureRefused(
            "unsigned", "the request is not signed (edged act and edged command sign; docs/actuators.md says how)"
        )
    try:
        wanted = signature(request, key)
    except ValueError as error:
        raise SignatureRefused("altered", f"what is signed must be plain JSON: {error}") from None
    if not isinstance(given, str) or not hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode()):
        raise SignatureRefused("altered", "the signature does not fit: altered on the way, or signed with another key")
    if request.get(field) != to:
        raise SignatureRefused("altered", f"the request is signed for another {field} than {to}")


def check_times(
    issued_at: float | None, expires_at: float | None, now: float, tolerance_seconds: float, longest_seconds: float
) -> None:
    """Raises SignatureRefused (stale, clock) unless issued_at ≤ now < expires_at, as far as clocks agree (Unix seconds).

    Nothing is added to expires_at: it is honoured to the second, by the clock of this machine.
    """
    if issued_at is None or expires_at is None:
        raise SignatureRefused("stale", "issued_at and expires_at (Unix seconds) are missing")
    if issued_at - now > tolerance_seconds:
        raise SignatureRefused(
            "clock",
            f"the sender's clock is {issued_at - now:.1f} s ahead of the clock of this machine: the two disagree "
            f"by more than {tolerance_seconds:g} s (set both by NTP)",
        )
    if expires_at <= issued_at:
        raise SignatureRefused("stale", "expires_at is not after issued_at")
    if expires_at - issued_at > longest_seconds:
        raise SignatureRefused(
            "stale",
            f"the request is good for {expires_at - issued_at:.0f} s, longer than signing.longest_life_seconds "
            f"({longest_seconds:.0f} s)",
        )
    if now >= expires_at:
        raise SignatureRefused(
            "stale",
            f"the request expired {now - expires_at:.1f} s ago by the clock of this machine: it waited for too long, "
            "or the sender's clock is behind",
        )


def plain_object(payload: bytes, most_bytes: int) -> dict[str, Any]:
    """What a payload says, if it is one JSON object that means the same to every reader. Raises SignatureRefused."""
    if len(payload) > most_bytes:
        raise SignatureRefused("malformed", f"the payload has {len(payload)} bytes; at most {most_bytes} are read")
    problem = "is no JSON object (docs/actuators.md and docs/security-policy.md show one)"
    try:
        # A name given twice means one thing to one reader and another to the next: what was signed must be one thing.
        json.loads(payload.decode("utf-8"), object_pairs_hook=_each_name_once, parse_int=str, parse_float=str)
        found = msgspec.json.decode(payload, type=dict[str, Any])
        if _depth(found) <= MAX_DEPTH:
            return found
        problem = f"is nested deeper than {MAX_DEPTH} levels"
    except _NameTwice:
        problem = "has a name twice"
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    # Without the reason: it could quote what may not be quoted.
    raise SignatureRefused("malformed", f"the payload {problem}")


class _NameTwice(ValueError):
    pass


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _NameTwice
    return found


def _depth(value: Any) -> int:
    """Levels of lists and tables in each other, without recursion."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)]
    return depth
