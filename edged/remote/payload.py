"""Bytes from the broker to a patch: anybody may send anything here."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from edged.errors import SettingProblem

MAX_BYTES = 64 * 1024
MAX_DEPTH = 16
EXAMPLE = '{"judgement": {"gaze": {"dwell_seconds": 0.8}}}'
_PLACE = "payload"


class _Wrong(ValueError):
    pass


def read_patch(payload: bytes) -> dict[str, Any] | SettingProblem:
    """The patch, or why it is none. An empty payload is an empty patch. Never raises for what it is given."""
    if len(payload) > MAX_BYTES:
        return _problem(f"has {len(payload)} bytes", f"at most {MAX_BYTES} are read")
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        return _problem(f"is not UTF-8 (byte {error.start})", "send JSON as UTF-8")
    if text.startswith("\ufeff"):
        return _problem("begins with a byte order mark", "send JSON as UTF-8 without it")
    if not text.strip():
        return {}
    if _depth(text) > MAX_DEPTH:
        return _problem(f"is nested deeper than {MAX_DEPTH} levels", f"send an object like {EXAMPLE}")
    try:
        found = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_finite, parse_int=_whole
        )
        text.encode("utf-8")
        json.dumps(found, ensure_ascii=False).encode("utf-8")  # half a surrogate pair has no place in any text
    except _Wrong as error:
        return _problem(str(error), "")
    except UnicodeEncodeError:
        return _problem("has a text with half a surrogate pair", "send whole characters")
    except (ValueError, RecursionError) as error:
        return _problem(f"is not JSON: {error}", f"send an object like {EXAMPLE}")
    if not isinstance(found, dict):
        return _problem(f"is {_kind(found)}, not an object", f"send an object like {EXAMPLE}")
    return found


def _problem(reason: str, cure: str) -> SettingProblem:
    return SettingProblem(_PLACE, None, reason, cure)


def _depth(text: str) -> int:
    """Of the brackets outside of texts, so that the parser's recursion is never tried."""
    depth = deepest = 0
    inside = escaped = False
    for character in text:
        if inside:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                inside = False
        elif character == '"':
            inside = True
        elif character in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "}]":
            depth -= 1
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Wrong(f"has the key {name[:60]!r} twice")
        found[name] = value
    return found


def _no_number(text: str) -> NoReturn:
    raise _Wrong(f"has {text}, which is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _Wrong(f"has {text[:40]}, which is too large for a number")
    return value


def _whole(text: str) -> int:
    if len(text) > 18:
        raise _Wrong(f"has {text[:18]}…, which is too large for a number")
    return int(text)


def _kind(value: Any) -> str:
    names = {"list": "a list", "str": "a text", "int": "a number", "float": "a number", "bool": "true or false"}
    return names.get(type(value).__name__, "null")
