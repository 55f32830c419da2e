"""Bindings that could never reach anybody are named before somebody needs them."""

from __future__ import annotations

from typing import Any

import pytest

from edged.actuators.settings import BindingSettings
from edged.actuators.twilio.agreement import binding_problems
from edged.actuators.twilio.settings import TwilioSettings

OWN = TwilioSettings.model_validate(
    {
        "from_number": "+15005550006",
        "recipients": {"anna": {"number": "+491701234567"}},
        "chains": {"fall": [{"do": "sms", "to": "anna", "wait_seconds": 60}, {"do": "call", "to": "anna"}]},
        "templates": {"fall": "{who} fell, seen by {camera.name}", "big": {"text": "{x}", "content_variables": {"1": "{y}"}}},
    }
)  # fmt: skip
GOOD: dict[str, Any] = {
    "action": "alert", "expires_seconds": 3600, "options": {"chain": "fall", "template": "fall", "fields": {"who": "A", "camera": "{c}"}}
}  # fmt: skip


def problems(**changes: Any) -> list[str]:
    options = {**GOOD["options"], **changes.pop("options", {})}
    given = {"name": "b", "topic": "x", **GOOD, **changes}
    given["options"] = {name: value for name, value in options.items() if value is not None}
    return [str(each) for each in binding_problems(OWN, BindingSettings.model_validate(given))]


def test_a_good_one_has_none() -> None:
    assert problems() == []
    assert problems(action="other") == []
    assert problems(options={"template": "{t}", "chain": "{c}", "fields": None}) == [], "the event may say it"
    assert problems(action="call", options={"to": "anna", "chain": None}) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"options": {"chain": "fal"}}, "bindings.b.options.chain = 'fal': there is no such chain (there are fall)"),
        ({"options": {"template": "fal"}}, "bindings.b.options.template = 'fal': there is no such template (there are fall, big)"),
        ({"options": {"fields": {"who": "A"}}}, "bindings.b.options.fields: template 'fall' needs the field 'camera'"),
        ({"options": {"template": "big", "fields": {"x": 1}}}, "bindings.b.options.fields: template 'big' needs the field 'y'"),
        ({"options": {"template": None}}, "bindings.b.text: alert needs a text, or options.template"),
        ({"text": "x"}, "bindings.b.text: is given beside options.template"),
        ({"expires_seconds": 10}, "bindings.b.expires_seconds = 10.0: is too short: chain 'fall' takes up to"),
        ({"action": "sms", "options": {"to": "ana"}}, "bindings.b.options.to = 'ana': there is no such recipient (there are anna)"),
        ({"action": "whatsapp", "options": {"to": "anna"}}, "bindings.b.action = 'whatsapp': a WhatsApp message needs whatsapp_from"),
    ],
)  # fmt: skip
def test_what_could_never_work_is_named(changes: dict[str, Any], said: str) -> None:
    (found,) = problems(**changes)
    assert found.startswith(said)
