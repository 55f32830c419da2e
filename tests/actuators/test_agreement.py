"""Settings that could never work are refused when they are read, naming binding and field."""

from __future__ import annotations

from typing import Any

import pytest

from edged.actuators.agreement import disagreements
from edged.actuators.settings import ActuatorSettings
from tests.actuators.bench import ACTIONS


def problems(binding: dict[str, Any], **settings: Any) -> list[str]:
    made = ActuatorSettings.model_validate({"bindings": [{"name": "b", "topic": "t", **binding}], **settings})
    return [str(each) for each in disagreements(made, ACTIONS)]


@pytest.mark.parametrize(
    "good",
    [
        {"action": "do"}, {"action": "do", "options": {"number": 5}}, {"action": "do", "options": {"number": "{value}"}},
        {"action": "say", "text": "{value}"}, {"action": "cancel"}, {"action": "stop"}, {"action": "confirm"},
    ],
)  # fmt: skip
def test_these_agree(good: dict[str, Any]) -> None:
    assert problems(good) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"action": "doo"}, "bindings.b.action = 'doo': there is no such action (did you mean do?)"),
        ({"action": "off"}, "bindings.b.action = 'off': is off, so it would always be refused (policy.off.enabled = true turns it on)"),
        ({"action": "reset"}, "bindings.b.action = 'reset': whoever may publish an event could end the emergency stop"),
        ({"action": "say"}, "bindings.b.text: say needs a text"),
        ({"action": "mute", "text": "x"}, "bindings.b.text = 'x': mute takes no text"),
        ({"action": "stop", "text": "x"}, "bindings.b.text: stop takes no text (leave it out)"),
        ({"action": "do", "options": {"number": "5"}}, "bindings.b.options: the options of do are wrong: Expected `int`"),
        ({"action": "do", "options": {"nummer": "{x}"}}, "bindings.b.options: do has no option 'nummer' (there are refuse"),
    ],
)  # fmt: skip
def test_what_could_never_work_is_named(wrong: dict[str, Any], said: str) -> None:
    (found,) = problems(wrong)
    assert found.startswith(said)


def test_a_policy_for_an_action_that_there_is_not_is_no_policy_at_all() -> None:
    said = "policy.doo: there is no such action (did you mean do?)"
    assert problems({"action": "do"}, policy={"doo": {"confirm": "confirm"}}) == [said]


def test_what_is_turned_on_or_off_counts() -> None:
    assert problems({"action": "off"}, policy={"off": {"enabled": True}}) == []
    assert "is off" in problems({"action": "do"}, policy={"do": {"enabled": False}})[0]
    assert problems({"action": "reset"}, signing={"required": False}) == []
