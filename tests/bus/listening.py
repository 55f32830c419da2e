"""A subscriber that checks everything it hears against the published contract, and events to be heard."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
from jsonschema import Draft202012Validator

from edged import contract
from edged.bus.message import Message
from edged.bus.subscriber import Subscriber
from edged.events import Blink, Happening, envelope
from edged.states import HealthState
from edged.topics import TOPICS

# Consumers pass over unknown fields, but edged itself must not send what the contract does not name.
_VALIDATORS = {
    name: Draft202012Validator(
        {**schema, "additionalProperties": False}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    for name, schema in contract.schemas().items()
}


def check(message: Message) -> None:
    """A message of edged's keeps to the contract: payload, QoS and retain flag."""
    leaf = message.topic.split("/camera/", 1)[1].split("/", 1)[1]
    key = leaf.replace("/", "_") if leaf.startswith("config/") else leaf.split("/")[0]
    row = TOPICS[key]
    if row.direction == "in":
        return  # anybody may say anything there
    assert message.qos == row.qos, message
    if message.retain:
        assert row.retain, message
    name = contract.schema_of(message.topic)
    if name is not None:
        body = msgspec.json.decode(message.payload)
        if name == "response" and "revision" in body:
            name = "config-result"  # to one who asked config/change with a response topic
        _VALIDATORS[name].validate(body)
    elif key == "availability":
        assert message.payload in (b"online", b"offline")


class Listening:
    """What was heard, in order."""

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self.heard: list[Message] = []

    def until(self, enough: Callable[[], bool], timeout_seconds: float = 15.0) -> None:
        """Listen until enough was heard; a failed wait shows what was."""
        deadline = time.monotonic() + timeout_seconds
        while not enough():
            message = self.subscriber.receive(0.05)
            if message is not None:
                if "/camera/" in message.topic:
                    check(message)
                self.heard.append(message)
            elif time.monotonic() > deadline:
                last = [(each.topic, each.payload[:80]) for each in self.heard[-10:]]
                raise AssertionError(f"not heard in time; the last of {len(self.heard)}: {last}")

    def rest(self, quiet_seconds: float = 0.3) -> None:
        """Listen until it is quiet."""
        deadline = time.monotonic() + quiet_seconds
        count = len(self.heard)

        def quiet() -> bool:
            nonlocal deadline, count
            if len(self.heard) > count:
                count, deadline = len(self.heard), time.monotonic() + quiet_seconds
            return time.monotonic() >= deadline

        self.until(quiet, 60)

    def on(self, ending: str) -> list[bytes]:
        """Payloads on topics that end so."""
        return [message.payload for message in self.heard if message.topic.endswith(ending)]

    def last(self, ending: str) -> Any:
        payloads = self.on(ending)
        return msgspec.json.decode(payloads[-1]) if payloads else None

    def sequences(self) -> list[int]:
        """`seq` of the events, in order of arrival, doubles (same id) dropped."""
        seen: dict[str, int] = {}
        for message in self.heard:
            if "/event/" in message.topic:
                payload = msgspec.json.decode(message.payload)
                assert seen.setdefault(payload["id"], payload["seq"]) == payload["seq"]
        return list(seen.values())

    def online(self) -> bool:
        return self.on("/availability")[-1:] == [b"online"]


def blink(sequence: int, wall_ns: int = 1_800_000_000_000_000_000) -> dict[str, Any]:
    body = Blink("single", 1, 5, 120.0, 0.1, "none", 1)
    return envelope(Happening(body, 5, 166.7, 5, wall_ns), "front", sequence, b"session")


def health(reason: str = "") -> HealthState:
    return HealthState(
        status="ok",
        reasons=[reason] if reason else [],
        at="2026-01-01T00:00:00.000Z",
        frames_per_second=15.0,
        capture_frames_per_second=15.0,
        latency_ms={"p50": 9.0},
        stage_ms={"detect": 1.0},
        analysed_frames=100,
        dropped_frames=0,
        restarts={"capture": 0},
        missing_models=[],
        lost_events=0,
        waiting_events=0,
        oldest_event_seconds=None,
        temperature_celsius=None,
        throttled=None,
        throttled_since_boot=None,
        frames_per_second_limit=None,
        hooks={},
        version="0",
    )
