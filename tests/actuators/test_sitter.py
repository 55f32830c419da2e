"""The sitter cancels by a long blink or a look away, and by nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edged.actuators.settings import ActuatorSettings
from edged.actuators.sitter import cancels, cancels_by
from edged.bus.message import Message
from edged.events import iso_utc

NOW = 1_700_000_000.0


def chosen(**cancel: Any) -> ActuatorSettings:
    return ActuatorSettings.model_validate({"cancel": {"camera": "front", **cancel}})


def event(kind: str, *, age_seconds: float = 0.1, retain: bool = False, **fields: Any) -> Message:
    at = iso_utc(int((NOW - age_seconds) * 1e9))
    payload = json.dumps({"id": "1", "camera": "front", "kind": kind, "at": at, **fields}).encode()
    return Message(f"edged/camera/front/event/{kind}", payload, 1, retain)


def test_a_long_blink_cancels_unless_set_otherwise() -> None:
    assert cancels(chosen(), event("blink", gesture="long"), NOW) == "long blink"
    assert cancels(chosen(), event("blink", gesture="double"), NOW) == ""
    assert cancels(chosen(gestures=["double"]), event("blink", gesture="double"), NOW) == "double blink"
    assert cancels(chosen(gestures=[]), event("blink", gesture="long"), NOW) == ""


def test_looking_away_cancels_where_it_is_set() -> None:
    assert cancels(chosen(), event("gaze", zone="away"), NOW) == ""
    assert cancels(chosen(zones=["away"]), event("gaze", zone="away"), NOW) == "looked away"
    assert cancels(chosen(zones=["away"]), event("gaze", zone="left"), NOW) == ""


def test_only_that_camera_is_listened_to_and_only_for_what_can_cancel() -> None:
    assert cancels_by(ActuatorSettings()) == []
    assert cancels_by(chosen()) == ["edged/camera/front/event/blink"]
    assert cancels_by(chosen(gestures=[], zones=["away"])) == ["edged/camera/front/event/gaze"]
    other = event("blink", gesture="long")
    assert cancels(chosen(), Message("edged/camera/back/event/blink", other.payload, 1, retain=False), NOW) == ""
    assert cancels(ActuatorSettings(), other, NOW) == ""


def test_what_is_old_or_kept_by_the_broker_or_not_dated_cancels_nothing() -> None:
    assert cancels(chosen(), event("blink", gesture="long", age_seconds=2.9), NOW)
    assert not cancels(chosen(), event("blink", gesture="long", age_seconds=3.1), NOW)
    assert not cancels(chosen(), event("blink", gesture="long", retain=True), NOW)
    undated: list[Any] = [None, 5, "soon", "", []]
    for at in undated:
        assert not cancels(chosen(), event("blink", gesture="long", at=at), NOW)


@pytest.mark.parametrize("payload", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"at": {}}'])
def test_rubbish_cancels_nothing(payload: bytes) -> None:
    assert cancels(chosen(), Message("edged/camera/front/event/blink", payload, 1, retain=False), NOW) == ""
    for gesture in (["long"], {"long": 1}, None, 5):
        assert cancels(chosen(), event("blink", gesture=gesture), NOW) == ""


@pytest.mark.parametrize("wrong", [{"gestures": ["lang"]}, {"zones": ["nowhere"]}, {"camera": "a/b"}])
def test_a_gesture_that_there_is_not_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is none of|pattern"):
        chosen(**wrong)
