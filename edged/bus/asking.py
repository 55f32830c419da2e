"""The other side of the door: how a command to a camera's daemon is made, and signed where it has to be."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from edged.signing import SIGNATURE, signature

# JSON numbers are doubles in every language: milliseconds are exact enough, and sign the same everywhere.
_DECIMALS = 3


def signed_command(
    camera: str,
    command: str,
    key: bytes,
    *,
    now: float,
    life_seconds: float = 30.0,
    options: Mapping[str, Any] | None = None,
    transaction: str | None = None,
) -> dict[str, Any]:
    """What goes on `command/{command}`, good once and for life_seconds. now: Unix seconds.

    Raises ValueError for options that are no plain JSON.
    """
    made: dict[str, Any] = {
        "camera": camera,
        "command": command,
        "issued_at": round(now, _DECIMALS),
        "expires_at": round(now + life_seconds, _DECIMALS),
        "nonce": secrets.token_hex(16),
        "transaction": transaction or secrets.token_hex(8),
    }
    if options:
        made["options"] = dict(options)
    return {**made, SIGNATURE: signature(made, key)}
