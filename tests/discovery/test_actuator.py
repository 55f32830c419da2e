"""What Home Assistant is told of an actuator, and what it sends when somebody presses there."""

from __future__ import annotations

import json
import time
from typing import Any

import jinja2
import msgspec
import pytest

from edged.actuators.table import KINDS, device, settings_model
from edged.discovery.device import Device
from edged.jobs import ID_PATTERN, ActuatorHealth, ActuatorRequest, JobState
from edged.signing import check_times
from edged.topics import ACTUATOR_TOPICS, actuator_topic

AT = "2026-01-01T00:00:00.000Z"
TYPING = {"snippets": {"hello": "Hello!"}}
HEALTH = ActuatorHealth("ok", [], AT, "typing", "typing", ["type"], None, False, 0, None, {}, {}, "", None, 0, "1")
JOB = JobState("0123456789", "typing", "type", "running", AT, "begun")


def made(*, signed: bool, kind: str = "typing", **more: Any) -> Device:
    given = {"signing": {"required": signed}, "kind": kind, "actuator": kind, **more}
    return device(settings_model(kind).model_validate(given))


def document(found: Device) -> dict[str, Any]:
    (body,) = found.messages().values()
    read: dict[str, Any] = json.loads(body)
    return read


def render(template: str, value: str) -> str:
    """As Home Assistant renders the template of a command."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    environment.globals.update(now=time.time, as_timestamp=float)
    return environment.from_string(template).render(value=value)


def request(component: dict[str, Any], value: str) -> ActuatorRequest:
    assert component["command_topic"] == "edged/actuator/typing/request"
    return msgspec.json.decode(render(component["command_template"], value), type=ActuatorRequest)


def test_where_requests_must_be_signed_it_can_look_and_stop_and_nothing_else() -> None:
    components = document(made(signed=True, typing=TYPING))["components"]
    asking = {key: one for key, one in components.items() if "command_topic" in one}
    assert set(asking) == {"stop"}
    assert json.loads(asking["stop"]["payload_press"]) == {"action": "stop"}
    assert {"job", "last_error", "stopped", "status"} <= set(components)
    silent = made(signed=True, typing=TYPING, signing={"required": True, "unsigned_stop": False})
    assert not any("command_topic" in one for one in document(silent)["components"].values())


def test_switched_off_it_says_nothing() -> None:
    assert made(signed=True, home_assistant={"enabled": False}).messages() == {}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("signed", [True, False])
def test_every_entity_of_every_kind_has_an_identity_and_topics_of_the_table(kind: str, signed: bool) -> None:
    components = document(made(signed=signed, kind=kind))["components"].values()
    known = {actuator_topic("edged", kind, key, id="+") for key in ACTUATOR_TOPICS}
    for one in components:
        topics = [value for name, value in one.items() if name.endswith("_topic")]
        topics += [each["topic"] for each in one["availability"]]
        assert set(topics) <= known
    for key in ("unique_id", "default_entity_id", "name"):
        found = [one[key] for one in components]
        assert len(set(found)) == len(found)


def test_what_it_shows_is_what_the_actuator_says() -> None:
    components = document(made(signed=True))["components"]
    stopped = msgspec.structs.replace(HEALTH, status="stopped", stopped_since=AT, last_error="x" * 400)
    for body, expected in (
        (HEALTH, {"last_error": "none", "stopped": "OFF", "problem": "OFF", "reason": "all is well"}),
        (stopped, {"last_error": "x" * 250, "stopped": "ON", "status": "stopped"}),
    ):
        read = msgspec.to_builtins(body)
        for key, shown in expected.items():
            template = jinja2.Template(components[key]["value_template"], undefined=jinja2.StrictUndefined)
            assert template.render(value_json=read) == shown
    template = jinja2.Template(components["job"]["value_template"])
    assert template.render(value_json=msgspec.to_builtins(JOB)) in components["job"]["options"]


@pytest.mark.parametrize(
    "text", ["Grüße", 'say "hi"', "back\\slash", "line\nbreak", "{{ 7 * 7 }}", "{% raw %}", "a&b<c>", "😀"]
)
def test_what_is_written_there_is_typed_as_it_is(text: str) -> None:
    components = document(made(signed=False, typing=TYPING))["components"]
    for key in ("type_text", "type_message"):
        asked = request(components[key], text)
        assert (asked.action, asked.text) == ("type", text)
        assert asked.id is not None
        assert ID_PATTERN.fullmatch(asked.id)
        check_times(asked.issued_at, asked.expires_at, time.time(), 10.0, 86400.0)


def test_snippets_are_buttons_and_the_stop_is_a_switch_where_signing_is_off() -> None:
    components = document(made(signed=False, typing=TYPING))["components"]
    asked = request(components["snippet_hello"], "PRESS")
    assert (asked.action, asked.options, asked.text) == ("snippet", {"name": "hello"}, None)
    stop = components["stop"]
    assert stop["platform"] == "switch"
    assert json.loads(stop["payload_on"]) == {"action": "stop"}
    assert json.loads(stop["payload_off"]) == {"action": "reset"}
    assert request(components["confirm"], "PRESS").action == "confirm"


def test_what_is_off_has_no_button() -> None:
    components = document(made(signed=False, kind="lock_screen"))["components"]
    assert "lock" in components
    assert not {"block", "release", "sign_out"} & set(components)
    policy = {"block": {"enabled": True}}
    components = document(made(signed=False, kind="lock_screen", policy=policy))["components"]
    assert {"block", "release"} <= set(components)


def test_whoever_can_be_reached_is_a_notification_by_name_and_no_number_is_said() -> None:
    own = {
        "from_number": "+15005550006",
        "recipients": {"anna": {"number": "+491701234567"}},
        "chains": {"fall": [{"do": "call", "to": "anna"}]},
    }
    found = made(signed=False, kind="twilio", twilio=own)
    components = document(found)["components"]
    assert {"alert_fall", "sms_anna", "call_anna", "acknowledge"} <= set(components)
    assert "whatsapp_anna" not in components, "no number to send from is set"
    assert "1701234567" not in str(found.messages())
    body = render(components["alert_fall"]["command_template"], "Anna has fallen")
    assert json.loads(body)["options"] == {"chain": "fall"}
