"""What Home Assistant is told: complete, within its rules, and true for every payload a camera sends."""

from __future__ import annotations

import json
from typing import Any, get_args, get_origin

import jinja2
import msgspec
import pytest

from edged import events
from edged.configuration.options import Leaf, leaves, remote_of
from edged.discovery import camera
from edged.discovery.controls import controls
from edged.discovery.device import with_removals
from edged.events import Blink, Dwell, Gaze, Happening, Presence
from edged.remote.verdict import Accepted, judge
from edged.settings import Settings
from edged.states import (
    EyesState,
    GazeState,
    IdentityState,
    LivenessState,
    ObjectsState,
    PresenceState,
    SecurityState,
    Summary,
)
from edged.topics import ASPECTS, TOPICS, ConfigState, camera_topic
from tests.bus.listening import health

SINCE = "2026-01-01T00:00:00.000Z"
# Home Assistant refuses the whole device for any other key at the root: abbreviations.py and schemas.py of its
# mqtt integration, MQTT_DEVICE_DISCOVERY schema.
ROOT_KEYS = {"device", "origin", "components", "availability", "availability_mode", "availability_template",
             "availability_topic", "payload_available", "payload_not_available", "encoding", "qos", "command_topic",
             "state_topic"}  # fmt: skip
OPEN = Settings.model_validate({"snapshot": {"enabled": True}})
GUARDED = Settings.model_validate({
    "inference": {"recognition": {"enabled": True}, "liveness": {"enabled": True}, "objects": {"enabled": True}},
    "judgement": {"security": {"enabled": True}},
})  # fmt: skip


def document(settings: Settings = OPEN) -> dict[str, Any]:
    (body,) = camera.device(settings).messages().values()
    found: dict[str, Any] = json.loads(body)
    return found


def components(settings: Settings = OPEN) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = document(settings)["components"]
    return found


def render(template: str, body: Any) -> str:
    """As Home Assistant does: the payload as `value`, and what it is as JSON as `value_json`."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    text = body if isinstance(body, str) else json.dumps(body)
    try:
        value_json = json.loads(text)
    except ValueError:
        value_json = None
    return environment.from_string(template).render(value=text, value_json=value_json)


def plain(struct: Any) -> Any:
    return msgspec.to_builtins(struct)


def event(body: Any) -> dict[str, Any]:
    return events.envelope(Happening(body, 1, 1.0, 1, 1), "front", 1, b"x")


def visible() -> dict[str, Any]:
    nested = Settings().model_dump(mode="json", exclude={"mqtt"})
    return plain(ConfigState(SINCE, 0, nested, {}, [], False))  # type: ignore[no-any-return]


SEAT = events.Seat(
    "phone", "right_user", False, False, "enforce", ["sign_out"], events.Advice(sign_out=True), [], ["objects"], "Anna", 1,
    1000.0, 5,
)  # fmt: skip


def security_state(verdict: Any) -> Any:
    safe = verdict == "right_user"
    return plain(
        SecurityState(
            verdict, safe, False, None, None, "enforce", [], events.Advice(), [], [], None, None, False, SINCE
        )
    )


SUMMARY = Summary(SINCE, 10.0, 150, 15.0, 1, 100.0, 90.0, 3, 18.0, None, 0.0, 1.5, None)
SAMPLES: dict[str, list[Any]] = {
    "state/presence": [plain(PresenceState(True, 1, SINCE)), plain(PresenceState(False, 0, SINCE))],
    "state/gaze": [
        plain(GazeState("at_screen", "none", SINCE, 0.5, None)),
        plain(GazeState(None, "none", SINCE, None, None)),
    ],
    "state/eyes": [plain(EyesState(None, False, SINCE)), plain(EyesState(True, True, SINCE))],
    "summary": [plain(SUMMARY)],
    "health": [
        plain(health()),
        {**plain(health()), "reasons": ["no camera (plug it in)"], "latency_ms": {"p95": 12.5}},
    ],
    "event/blink": [event(Blink("double", 1, 2, 300.0, 0.1, "none", 1))],
    "event/gaze": [event(Gaze("left", None, "right", 1, 10.0, 1))],
    "event/dwell": [event(Dwell("left", "right", 1, 1000.0, 1))],
    "event/presence": [event(Presence("arrived", 1, 1))],
    "config/state": [visible()],
    "state/identity": [
        plain(IdentityState("known", "Anna", None, [], SINCE)),
        plain(IdentityState("unknown", None, "unknown-3", [], SINCE)),
        plain(IdentityState(None, None, None, [], SINCE)),
    ],
    "state/liveness": [
        plain(LivenessState("spoof", "print", ["network"], "blink", SINCE)),
        plain(LivenessState(None, None, [], None, SINCE)),
    ],
    "state/objects": [plain(ObjectsState(True, 2, 1, SINCE)), plain(ObjectsState(False, 0, 0, SINCE))],
    "state/security": [security_state(verdict) for verdict in get_args(events.SeatVerdict)],
    "event/identity": [event(events.Who("known", "Anna", None, "undecided", None, 0.7, 0.4, 3, 3, 1))],
    "event/security": [event(SEAT)],
}


def samples_of(topic: str) -> list[Any]:
    return SAMPLES[topic.removeprefix("edged/camera/front/")]


def test_the_device_has_no_key_that_home_assistant_does_not_know() -> None:
    assert set(document()) <= ROOT_KEYS
    assert document()["origin"]["name"] == "edged"
    assert document()["device"]["identifiers"] == ["edged_front"]


def test_every_entity_has_an_identity_of_its_own() -> None:
    entities = [one for one in components().values() if one["platform"] != "device_automation"]
    for key in ("unique_id", "default_entity_id", "name"):
        found = [one[key] for one in entities]
        assert len(set(found)) == len(found), [name for name in found if found.count(name) > 1]
    other = components(Settings.model_validate({"mqtt": {"prefix": "home/edged"}}))
    assert not {one.get("unique_id") for one in other.values()} & {one["unique_id"] for one in entities}


def test_every_topic_is_one_of_the_table() -> None:
    known = {
        camera_topic("edged", "front", key, kind=kind, aspect=aspect, name=name)
        for key in TOPICS
        for kind in events.EVENT_KINDS
        for aspect in ASPECTS
        for name in ("restart", "pause", "snapshot", "reconnect", "challenge")
    }
    for component in (*components().values(), *components(GUARDED).values()):
        topics = [value for name, value in component.items() if name.endswith("topic") or name == "topic"]
        topics += [one["topic"] for one in component.get("availability", [])]
        assert topics
        assert set(topics) <= known, component


ALL = {**components(), **components(GUARDED)}


@pytest.mark.parametrize("key", [key for key, one in ALL.items() if "value_template" in one])
def test_every_template_gives_what_its_platform_takes(key: str) -> None:
    component = ALL[key]
    for sample in samples_of(component.get("state_topic") or component["topic"]):
        shown = render(component["value_template"], sample)
        platform = component["platform"]
        if platform in ("binary_sensor", "switch"):
            assert shown in ("ON", "OFF", "None"), shown
        elif platform == "event":
            assert json.loads(shown)["event_type"] in component["event_types"]
        elif platform == "number":
            assert component["min"] <= float(shown) <= component["max"]
        elif "options" in component:
            assert shown in [*component["options"], "None"]
        else:
            assert shown
            assert len(shown) <= 255


def test_availability_is_the_daemon_and_for_the_camera_its_freshness_too() -> None:
    one = components()["someone"]
    assert one["availability_mode"] == "all"
    daemon, camera = one["availability"]
    assert daemon == {"topic": "edged/camera/front/availability"}
    shown = {status: render(camera["value_template"], {"status": status})
             for status in ("ok", "degraded", "stalled", "no_camera", "starting", "paused")}  # fmt: skip
    assert [status for status, said in shown.items() if said == "online"] == ["ok", "degraded"]
    assert components()["status"]["availability"] == [daemon]


def test_what_the_policy_sees_by_has_no_control_that_would_be_refused() -> None:
    guarding = Settings.model_validate(
        {"inference": {"recognition": {"enabled": True}}, "judgement": {"security": {"enabled": True}}}
    )
    keys = {one.key for one in controls(guarding)}
    assert "set_judgement_presence_leave_seconds" in keys
    assert not [key for key in keys if key.startswith(("set_inference_liveness", "set_judgement_objects"))]
    assert "set_inference_liveness_enabled" in {one.key for one in controls(Settings())}


def test_every_option_that_may_change_from_afar_has_a_control_whose_wish_is_granted() -> None:
    lists = {leaf.path for leaf in leaves() if get_origin(leaf.field.annotation) in (list, tuple)}
    wanted = {leaf.path for leaf in leaves() if remote_of(leaf.field) != "never"} - lists
    assert len(list(controls(Settings()))) == len(wanted)
    for path in wanted:
        one = components()["set_" + path.replace(".", "_")]
        values: list[str]
        if one["platform"] == "switch":
            wishes = [one["payload_on"], one["payload_off"]]
        else:
            (sample,) = samples_of("config/state")
            values = one.get("options", [render(one["value_template"], sample)])
            wishes = [render(one["command_template"], value) if one["platform"] == "select" else
                      jinja2.Environment().from_string(one["command_template"]).render(value=value) for value in values]  # fmt: skip
        for wish in wishes:
            verdict = judge(Settings(), {}, wish.encode(), "config/change")
            assert isinstance(verdict, Accepted), (path, wish, verdict)


@pytest.mark.parametrize(
    "leaf", [leaf for leaf in leaves() if remote_of(leaf.field) != "never"], ids=lambda leaf: leaf.path
)
def test_a_number_can_be_set_to_its_limits(leaf: Leaf) -> None:
    one = components().get("set_" + leaf.path.replace(".", "_"), {})
    if one.get("platform") != "number":
        return
    for limit in (one["min"], one["max"]):
        wish = jinja2.Environment().from_string(one["command_template"]).render(value=limit)
        verdict = judge(Settings(), {}, wish.encode(), "config/change")
        # It may be out of order with another setting, which is said of the section, but not out of range.
        assert isinstance(verdict, Accepted) or leaf.path not in {problem.path for problem in verdict.problems}


def test_what_the_owner_has_switched_off_is_not_offered() -> None:
    closed = components(Settings.model_validate({"remote": {"enabled": False}}))
    assert not [key for key in closed if key.startswith("set_") or key in ("snapshot", "last_snapshot")]
    assert camera.device(Settings.model_validate({"home_assistant": {"enabled": False}})).messages() == {}


def test_what_is_off_is_not_shown_and_the_seat_is_also_while_the_camera_is_gone() -> None:
    seat = {"person", "recognised", "liveness", "challenge_step", "challenge", "phone", "persons", "seat",
            "seat_unsafe", "seat_blocked", "security", "trigger_security_spoof"}  # fmt: skip
    assert not seat & set(components())
    assert seat <= set(components(GUARDED))
    daemon = [{"topic": "edged/camera/front/availability"}]
    for key in ("seat", "seat_unsafe", "seat_blocked", "security"):
        assert components(GUARDED)[key]["availability"] == daemon
    unsafe = components(GUARDED)["seat_unsafe"]["value_template"]
    assert [render(unsafe, security_state(each)) for each in ("right_user", "phone", "starting")] == ["OFF", "ON", "ON"]


def test_component_discovery_says_the_same_with_a_message_an_entity() -> None:
    settings = Settings.model_validate({"home_assistant": {"discovery": "components"}})
    found = camera.device(settings).messages()
    assert len(found) == len(components(Settings()))
    one = json.loads(found["homeassistant/binary_sensor/edged_front/someone/config"])
    assert one["object_id"] == "edged_front_someone"
    assert one["device"] == document()["device"]
    assert "platform" not in one


def test_triggers_for_gestures_and_dwells() -> None:
    found = {(one["type"], one["subtype"]) for one in components().values() if one["platform"] == "device_automation"}
    assert ("blink", "double") in found
    assert ("dwell", "left") in found
    trigger = components()["trigger_blink_double"]
    assert render(trigger["value_template"], SAMPLES["event/blink"][0]) == trigger["payload"]


def test_a_switch_of_the_way_migrates_what_is_still_there_and_only_that() -> None:
    device = Settings()
    single = Settings.model_validate({"home_assistant": {"discovery": "components"}})
    someone = camera.device(device).component_topic("someone", "binary_sensor")
    assert camera.device(device).moves(someone)
    assert camera.device(single).moves(camera.device(device).topic)
    assert not camera.device(device).moves(camera.device(device).topic), "the same way moves nothing"
    for gone in ("sensor/edged_front/someone", "binary_sensor/edged_back/someone", "binary_sensor/edged_front/x"):
        assert not camera.device(device).moves(f"homeassistant/{gone}/config"), gone
    off = Settings.model_validate({"home_assistant": {"enabled": False}})
    assert not camera.device(off).moves(someone), "what is switched off is cleared, not moved"


def test_what_is_gone_is_taken_away_and_what_changed_its_platform_is_too() -> None:
    (body,) = camera.device(OPEN).messages().values()
    found = json.loads(with_removals(body, {"old": "sensor", "someone": "sensor"}))["components"]
    assert found["old"] == {"platform": "sensor"}
    assert found["someone"] == {"platform": "sensor"}
    rest = components()
    del rest["someone"], found["someone"], found["old"]
    assert found == rest
