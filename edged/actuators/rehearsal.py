"""What the bindings would do with recorded events, in the events' own time. Nothing is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from edged.actuators.bindings import Bindings, Fired, unix_seconds
from edged.actuators.effects import Now
from edged.actuators.settings import ActuatorSettings
from edged.bus.message import Message
from edged.errors import RecordingError
from edged.topics import camera_topic


class Step(msgspec.Struct, frozen=True):
    """A binding that fired. at: Unix seconds. kept: why nothing would be done all the same; empty if it would."""

    at: float
    binding: str
    topic: str
    action: str
    text: str | None
    options: dict[str, Any]
    kept: str


def rehearse(settings: ActuatorSettings, path: Path) -> Iterator[Step]:
    """Play a recording. Raises RecordingError for a line that is none."""
    actions = {each.name: each.action for each in settings.bindings}
    bindings = Bindings(settings.bindings, _local_minute)
    now: Now | None = None
    for message, at in _messages(settings, path):
        if now is not None:
            # What holds for long enough fires between two lines.
            while (wait := bindings.next_seconds(now)) is not None and now.unix + wait <= at:
                now = _later(now, now.unix + max(wait, 1e-3))
                yield from _steps(bindings.tick(now), actions, now.unix)
        now = Now(at, at) if now is None else _later(now, max(at, now.unix))
        yield from _steps(bindings.hear(message, now), actions, now.unix)


def _steps(fired: Iterable[Fired], actions: dict[str, str], at: float) -> Iterator[Step]:
    for each in fired:
        text = None if each.order is None or each.order.text is None else each.order.text.value
        options = {} if each.order is None else dict(each.order.options)
        yield Step(at, each.binding, each.topic, actions[each.binding], text, options, each.reason)


def _messages(settings: ActuatorSettings, path: Path) -> Iterator[tuple[Message, float]]:
    lines = sys.stdin.buffer if str(path) == "-" else _opened(path)
    with lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                fields = msgspec.json.decode(line, type=dict[str, Any])
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise RecordingError(f"{path}, line {number}: is no JSON object ({error})") from None
            found = _message(settings, fields)
            if found is None:
                raise RecordingError(
                    f"{path}, line {number}: is neither an event (camera, kind, at) nor a message (topic, payload)"
                )
            yield found


def _opened(path: Path) -> Any:
    try:
        return path.open("rb")
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}") from None


def _message(settings: ActuatorSettings, fields: dict[str, Any]) -> tuple[Message, float] | None:
    """A line of `edged events --json`, or of `mosquitto_sub -F %j`."""
    topic, payload = fields.get("topic"), fields.get("payload")
    if isinstance(topic, str) and payload is not None:
        body = payload.encode() if isinstance(payload, str) else msgspec.json.encode(payload)
        inner = payload if isinstance(payload, dict) else {}
        at = _time(inner) or _time(fields)
        return Message(topic, body, 1, bool(fields.get("retain"))), time.time() if at is None else at
    camera, at = fields.get("camera"), _time(fields)
    if not isinstance(camera, str) or at is None:
        return None
    if isinstance(fields.get("kind"), str):
        topic = camera_topic(settings.mqtt.prefix, camera, "event", kind=fields["kind"])
    elif isinstance(fields.get("state"), str):
        topic = camera_topic(settings.mqtt.prefix, camera, "state", aspect=fields["state"])
        fields = {name: value for name, value in fields.items() if name not in ("camera", "state")}
    else:
        return None
    return Message(topic, msgspec.json.encode(fields), 1, retain=False), at


def _time(fields: dict[str, Any]) -> float | None:
    for name in ("at", "since", "tst"):
        if isinstance(fields.get(name), str):
            return unix_seconds(fields[name])
    return None


def _later(now: Now, unix: float) -> Now:
    return Now(unix, now.steady + unix - now.unix)


def _local_minute(unix: float) -> int:
    local = time.localtime(unix)
    return local.tm_hour * 60 + local.tm_min
