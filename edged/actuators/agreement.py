"""Do an actuator's settings agree with what it can do? Pure; both `edged actuator check` and the start ask it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from edged.actuators.controls import CONTROLS
from edged.actuators.options import check_names, read_options
from edged.actuators.performer import ActionSpec
from edged.actuators.settings import ActuatorSettings, BindingSettings
from edged.actuators.templates import has_fields, texts_in
from edged.errors import RequestRefused, SettingProblem


def disagreements(settings: ActuatorSettings, actions: Mapping[str, ActionSpec]) -> list[SettingProblem]:
    """Policies and bindings for actions that there are not, or that could never be done as they stand."""
    problems = [
        SettingProblem(f"policy.{name}", None, "there is no such action", _near(name, [*actions]))
        for name in settings.policy
        if name not in actions
    ]
    for binding in settings.bindings:
        problems += _of_binding(settings, binding, actions)
    return problems


def _of_binding(
    settings: ActuatorSettings, binding: BindingSettings, actions: Mapping[str, ActionSpec]
) -> Iterator[SettingProblem]:
    at = f"bindings.{binding.name}"
    spec = actions.get(binding.action)
    if spec is None:
        if binding.action not in CONTROLS:
            cure = _near(binding.action, [*actions, *CONTROLS])
            yield SettingProblem(f"{at}.action", binding.action, "there is no such action", cure)
        elif binding.action == "reset" and settings.signing.required:
            reason = "whoever may publish an event could end the emergency stop, and that takes a signature"
            yield SettingProblem(f"{at}.action", "reset", reason, "use edged act, or the button of Home Assistant")
        elif binding.text is not None:
            yield SettingProblem(f"{at}.text", None, f"{binding.action} takes no text", "leave it out")
        return
    policy = settings.policy.get(spec.name)
    if not (spec.enabled if policy is None or policy.enabled is None else policy.enabled):
        cure = f"policy.{spec.name}.enabled = true turns it on"
        yield SettingProblem(f"{at}.action", binding.action, "is off, so it would always be refused", cure)
    if spec.needs_text and binding.text is None:
        yield SettingProblem(f"{at}.text", None, f"{binding.action} needs a text", 'e.g. text = "{camera}"')
    if not spec.takes_text and binding.text is not None:
        yield SettingProblem(f"{at}.text", binding.text, f"{binding.action} takes no text", "leave it out")
    # What a field will hold is not known before the event, but what the options are called is.
    filled = {
        name for name, value in binding.options.items() if any(has_fields(each) for _, each in texts_in(value, ""))
    }
    try:
        check_names(spec, binding.options)
        if not filled:
            read_options(spec, binding.options)
    except RequestRefused as error:
        yield SettingProblem(f"{at}.options", None, str(error))


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
