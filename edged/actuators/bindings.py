"""What an actuator does by itself: messages in, orders out. No clock, no threads, no network.

A condition is as the last message on its topic left it. A message with an `id` and a time, `at`, is an event: each one for
which all holds fires. Any other message is a state: it fires when all begins to hold, once, and again only after it has
not held; a binding without conditions, or with `every_message`, fires with each. With `for_seconds` either fires when all
has held for so long. A message the broker kept and repeats is no news: it fires nothing by itself, though time begins to
count with it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, NamedTuple

import msgspec

from edged.actuators.effects import Now
from edged.actuators.job import Order
from edged.actuators.sensitive import Text
from edged.actuators.settings import ActuatorSettings, BindingSettings, ConditionSettings
from edged.actuators.templates import fill, fill_all, look_up
from edged.bus.message import Message
from edged.topics import actuator_topic

_LARGEST_PAYLOAD_BYTES = 256 * 1024


class Fired(NamedTuple):
    """A binding fired. order: what it wants; None when something kept it, which `reason` says."""

    binding: str
    topic: str
    order: Order | None
    reason: str = ""


@dataclass
class _Watch:
    """One binding on one topic. since: per condition, from when on it has held (steady seconds); None: it does not."""

    since: list[float | None]
    fields: dict[str, Any] = field(default_factory=dict)
    message: Message | None = None
    done: bool = False


class Bindings:
    """All bindings of one actuator."""

    def __init__(
        self,
        settings: Sequence[BindingSettings],
        local_minute: Callable[[float], int],
        *,
        own_topics: str = "",
        memory: int = 4096,
    ) -> None:
        """local_minute: minutes after local midnight of Unix seconds. own_topics: how the topics begin that this actuator
        itself writes; one that answered to its own words would never be quiet. memory: most topics that are remembered.
        """
        self._settings = settings
        self._local_minute = local_minute
        self._own_topics = own_topics
        self._memory = memory
        self._watches: dict[tuple[str, str], _Watch] = {}
        self._firings: dict[str, deque[float]] = {each.name: deque() for each in settings}

    @property
    def filters(self) -> list[str]:
        """What to subscribe to."""
        return list(dict.fromkeys(each.topic for each in self._settings))

    def hear(self, message: Message, now: Now) -> list[Fired]:
        """A message on any topic."""
        mine = [each for each in self._settings if matches(each.topic, message.topic)]
        if not mine or (self._own_topics and message.topic.startswith(self._own_topics)):
            return []
        fields = _fields(message)
        if fields is None:
            # A state that was taken back, or nothing that could be read: nothing is known to hold any more.
            for binding in mine:
                self._watches.pop((binding.name, message.topic), None)
            return []
        found = []
        for binding in mine:
            found += self._hear(binding, message, fields, now)
        return found

    def remember(self, binding: str, ago_seconds: float, now: Now) -> None:
        """It fired so long ago, before this process began: pauses and limits count over a restart."""
        if binding in self._firings:
            self._firings[binding].append(now.steady - ago_seconds)

    def tick(self, now: Now) -> list[Fired]:
        """Time passed: what has held for long enough?"""
        found = []
        for binding in filter(_waits, self._settings):
            for (name, _), watch in list(self._watches.items()):
                if name == binding.name and watch.message is not None and not watch.done:
                    found += self._maybe(binding, watch, watch.message, now)
        return found

    def next_seconds(self, now: Now) -> float | None:
        """How long until `tick` has something to do; None: not before a message comes."""
        moments = []
        for binding in filter(_waits, self._settings):
            for (name, _), watch in self._watches.items():
                if name != binding.name or watch.done or None in watch.since:
                    continue
                due = [
                    since + condition.for_seconds
                    for since, condition in zip(watch.since, binding.when, strict=True)
                    if since is not None
                ]
                if due:
                    moments.append(max(0.0, max(due) - now.steady))
        return min(moments, default=None)

    def _hear(self, binding: BindingSettings, message: Message, fields: dict[str, Any], now: Now) -> list[Fired]:
        key = (binding.name, message.topic)
        watch = self._watches.pop(key, None) or _Watch([None] * len(binding.when))
        self._watches[key] = watch
        while len(self._watches) > self._memory:
            del self._watches[next(iter(self._watches))]
        held = bool(watch.message) and None not in watch.since
        watch.since = [
            (now.steady if since is None else since) if holds(condition, fields) else None
            for since, condition in zip(watch.since, binding.when, strict=True)
        ]
        holds_now = None not in watch.since
        waits = _waits(binding)
        each = is_event(fields) or binding.every_message or not binding.when
        watch.fields, watch.message = fields, message
        if not holds_now:
            watch.done = False
            return []
        if message.retain and not waits:
            watch.done = True  # as it was before we came
            return []
        if (each and not waits) or not held:
            watch.done = False
        if watch.done:
            return []
        if not waits:
            old = self._too_old(binding, fields, now)
            if old:
                watch.done = True
                return [Fired(binding.name, message.topic, None, old)]
        return self._maybe(binding, watch, message, now)

    def _maybe(self, binding: BindingSettings, watch: _Watch, message: Message, now: Now) -> list[Fired]:
        for since, condition in zip(watch.since, binding.when, strict=True):
            if since is None or now.steady - since < condition.for_seconds - 1e-6:
                return []
        watch.done = True
        kept = self._kept_back(binding, message, watch.fields, now)
        if kept:
            return [Fired(binding.name, message.topic, None, kept)]
        try:
            order = _order(binding, message, watch.fields, now)
        except KeyError as error:
            missing = f"the message has no field {error.args[0]}"
            return [Fired(binding.name, message.topic, None, missing)]
        self._firings[binding.name].append(now.steady)
        return [Fired(binding.name, message.topic, order)]

    def _kept_back(self, binding: BindingSettings, message: Message, fields: Mapping[str, Any], now: Now) -> str:
        if message.duplicate and not _stable(fields):
            # Nobody can tell whether it was acted on before.
            return "the broker sent this message again, and it may have been acted on"
        window = binding.minutes()
        if window is not None and not _within(window, self._local_minute(now.unix)):
            return f"it is not within {binding.hours}"
        # By the clock that is never set: one that jumps must neither end a pause nor make it last for ever.
        firings = self._firings[binding.name]
        while firings and now.steady - firings[0] >= max(binding.limit_seconds, binding.cooldown_seconds):
            firings.popleft()
        if firings and now.steady - firings[-1] < binding.cooldown_seconds:
            return f"it fired {now.steady - firings[-1]:.1f} s ago (cooldown_seconds = {binding.cooldown_seconds:g})"
        recent = [at for at in firings if now.steady - at < binding.limit_seconds]
        if binding.limit is not None and len(recent) >= binding.limit:
            return f"it fired {len(recent)} times in {binding.limit_seconds:g} s (limit = {binding.limit})"
        return ""

    @staticmethod
    def _too_old(binding: BindingSettings, fields: Mapping[str, Any], now: Now) -> str:
        at = fields.get("at")
        if not isinstance(at, str):
            return ""
        seconds = unix_seconds(at)
        if seconds is None:
            return ""
        age = now.unix - seconds
        if age > binding.event_age_seconds:
            return f"the event is {age:.1f} s old (event_age_seconds = {binding.event_age_seconds:g})"
        return ""


def holds(condition: ConditionSettings, fields: Mapping[str, Any]) -> bool:
    """Is it so? A field that is not there, or of another type, makes no condition true."""
    try:
        value = look_up(fields, condition.field)
    except KeyError:
        return False
    if condition.equals is not None and not _same(value, condition.equals):
        return False
    if condition.one_of and not any(_same(value, each) for each in condition.one_of):
        return False
    if condition.at_least is None and condition.at_most is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return (condition.at_least is None or value >= condition.at_least) and (
        condition.at_most is None or value <= condition.at_most
    )


def matches(topic_filter: str, topic: str) -> bool:
    """Does a filter with + and # cover a topic (MQTT 5, section 4.7)?"""
    wanted, given = topic_filter.split("/"), topic.split("/")
    if given[0].startswith("$") and wanted[0] in ("+", "#"):
        return False
    for position, level in enumerate(wanted):
        if level == "#":
            return True
        if position >= len(given) or level not in ("+", given[position]):
            return False
    return len(wanted) == len(given)


def is_event(fields: Mapping[str, Any]) -> bool:
    """It happened once, and has an id and a time, as edged's own events do. An id alone may be that of a device."""
    return isinstance(fields.get("id"), str) and bool(fields["id"]) and isinstance(fields.get("at"), str)


def unix_seconds(at: str) -> float | None:
    """Unix seconds of a time as edged writes it; None for what is none."""
    # Python 3.10 reads no Z and no +0100; mosquitto_sub writes both after another.
    offset = re.sub(r"Z?([+-]\d\d):?(\d\d)$", r"\1:\2", at)
    try:
        moment = datetime.fromisoformat(offset.replace("Z", "+00:00"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None


def own_topics(settings: ActuatorSettings) -> str:
    """How the topics begin that this actuator writes."""
    return actuator_topic(settings.mqtt.prefix, settings.actuator, "health").removesuffix("health")


def local_minute(unix: float) -> int:
    """Minutes after midnight of a moment, as clocks on the wall show it."""
    local = time.localtime(unix)
    return local.tm_hour * 60 + local.tm_min


def _waits(binding: BindingSettings) -> bool:
    return any(condition.for_seconds for condition in binding.when)


def _stable(fields: Mapping[str, Any]) -> bool:
    """Sent again it is known again."""
    return is_event(fields) or isinstance(fields.get("since"), str)


def _same(value: Any, wanted: Any) -> bool:
    # In Python 1 == True.
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def _within(window: tuple[int, int], minute: int) -> bool:
    first, last = window
    return first <= minute < last if first <= last else minute >= first or minute < last


def _fields(message: Message) -> dict[str, Any] | None:
    if not message.payload or len(message.payload) > _LARGEST_PAYLOAD_BYTES:
        return None
    try:
        value = msgspec.json.decode(message.payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # Many devices send bare words: `ON`.
        value = message.payload.decode("utf-8", "replace")
    return {str(name): each for name, each in value.items()} if isinstance(value, dict) else {"value": value}


def _order(binding: BindingSettings, message: Message, fields: Mapping[str, Any], now: Now) -> Order:
    named = {"topic": message.topic, **fields}
    text = None if binding.text is None else Text(fill(binding.text, named))
    job_id = _job_id(binding, message, fields)
    return Order(
        job_id, binding.action, text, fill_all(binding.options, named), now.unix, now.unix + binding.expires_seconds,
        f"binding {job_id}", f"binding {binding.name}",
    )  # fmt: skip


def _job_id(binding: BindingSettings, message: Message, fields: Mapping[str, Any]) -> str:
    """The same event gives the same id, so that it is acted on once however often it comes; so does the same state."""
    what: bytes
    if is_event(fields):
        what = msgspec.json.encode([fields["id"], fields["at"]])
    elif _stable(fields):
        what = message.payload
    else:
        what = secrets.token_bytes(16)
    digest = hashlib.sha256(b"\0".join((binding.name.encode(), message.topic.encode(), what)))
    return f"b-{digest.hexdigest()[:30]}"
