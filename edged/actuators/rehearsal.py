"""What the bindings would do with recorded events, in the events' own time. Nothing is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from edged.actuators.bindings import Bindings, Fired, local_minute, own_topics, unix_seconds
from edged.actuators.effects import Now
from edged.actuators.job import Order
from edged.actuators.options import read_options
from edged.actuators.performer import ActionSpec
from edged.actuators.settings import ActuatorSettings
from edged.bus.message import Message
from edged.errors import RecordingError, RequestRefused
from edged.topics import NAME_PATTERN, camera_topic


class Step(msgspec.Struct, frozen=True):
    """A binding that fired. at: Unix seconds. kept: why nothing would be done all the same; empty if it would. What only
    the running actuator knows (other jobs, limits of actions, what the performer takes) is not in it.
    """

    at: float
    binding: str
    topic: str
    action: str
    text: str | None
    options: dict[str, Any]
    kept: str


def rehearse(settings: ActuatorSettings, path: Path, actions: Mapping[str, ActionSpec]) -> Iterator[Step]:
    """Play a recording. actions: what the actuator can do. Raises RecordingError for a line that is none."""
    wanted = {each.name: actions.get(each.action) or each.action for each in settings.bindings}
    bindings = Bindings(settings.bindings, local_minute, own_topics=own_topics(settings))
    seen: set[str] = set()
    now: Now | None = None
    for message, at in _messages(settings, path):
        if now is not None:
            # What holds for long enough fires between two lines.
            while (wait := bindings.next_seconds(now)) is not None and now.unix + wait <= at:
                now = _later(now, now.unix + max(wait, 1e-3))
                yield from _steps(bindings.tick(now), wanted, now.unix, seen)
        now = Now(at, at) if now is None else _later(now, max(at, now.unix))
        yield from _steps(bindings.hear(message, now), wanted, now.unix, seen)
    end = now
    while now is not None and end is not None and (wait := bindings.next_seconds(now)) is not None:
        now = _later(now, now.unix + max(wait, 1e-3))
        for step in _steps(bindings.tick(now), wanted, now.unix, seen):
            after = f"the recording ends {now.unix - end.unix:.1f} s before: it would, if all stayed as it was"
            yield step if step.kept else msgspec.structs.replace(step, kept=after)


def _steps(fired: Iterable[Fired], wanted: Mapping[str, ActionSpec | str], at: float, seen: set[str]) -> Iterator[Step]:
    for each in fired:
        action = wanted[each.binding]
        kept = each.reason or _kept(action, each.order, seen)
        text = None if each.order is None or each.order.text is None else each.order.text.value
        options = {} if each.order is None else dict(each.order.options)
        name = action if isinstance(action, str) else action.name
        yield Step(at, each.binding, each.topic, name, text, options, kept)


def _kept(action: ActionSpec | str, order: Order | None, seen: set[str]) -> str:
    """Why nothing would come of an order, as far as can be told here."""
    if order is None:
        return ""
    if order.id in seen:
        return "it was acted on when it came first"
    seen.add(order.id)
    try:
        if isinstance(action, ActionSpec):
            read_options(action, order.options)
    except RequestRefused as error:
        return f"it would be rejected: {error}"
    return ""


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
    topic = fields.get("topic")
    if isinstance(topic, str) and "payload" in fields:
        body = _body(fields["payload"])
        # When it came counts, and only where nobody wrote that down when it happened.
        at = _time(fields) or _time(_inner(body))
        return Message(topic, body, 1, bool(fields.get("retain"))), time.time() if at is None else at
    camera, at = fields.get("camera"), _time(fields)
    if not isinstance(camera, str) or not NAME_PATTERN.fullmatch(camera) or at is None:
        return None
    if isinstance(fields.get("kind"), str):
        topic = camera_topic(settings.mqtt.prefix, camera, "event", kind=fields["kind"])
    elif isinstance(fields.get("state"), str):
        topic = camera_topic(settings.mqtt.prefix, camera, "state", aspect=fields["state"])
        fields = {name: value for name, value in fields.items() if name not in ("camera", "state")}
    else:
        return None
    return Message(topic, msgspec.json.encode(fields), 1, retain=False), at


def _body(payload: Any) -> bytes:
    if payload is None:
        return b""
    return payload.encode() if isinstance(payload, str) else msgspec.json.encode(payload)


def _inner(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def _time(fields: dict[str, Any]) -> float | None:
    found = (unix_seconds(fields[name]) for name in ("tst", "at", "since") if isinstance(fields.get(name), str))
    return next((seconds for seconds in found if seconds is not None), None)


def _later(now: Now, unix: float) -> Now:
    return Now(unix, now.steady + unix - now.unix)
