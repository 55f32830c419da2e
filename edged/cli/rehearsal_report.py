"""What `edged actuator check` prints."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone

import msgspec
import typer

from edged.actuators.rehearsal import Step
from edged.actuators.settings import ActuatorSettings
from edged.errors import SettingsError
from edged.keys import find_key


def print_settings(settings: ActuatorSettings) -> int:
    """The settings are good: what the actuator is, what its bindings wait for, and what keeps it from working; how much
    that is.
    """
    from edged.actuators.table import build

    performer = build(settings)
    print(f"{settings.actuator} ({settings.kind}): the settings are good")
    for name, spec in performer.actions.items():
        policy = settings.policy.get(name)
        enabled = spec.enabled if policy is None or policy.enabled is None else policy.enabled
        confirm = spec.confirm if policy is None or policy.confirm is None else policy.confirm
        state = {"none": "at once", "countdown": "after a countdown", "confirm": "when confirmed"}[confirm]
        print(f"  {name}: {spec.summary} {'(' + state + ')' if enabled else '(off)'}")
    for binding in settings.bindings:
        print(f"  binding {binding.name}: {binding.topic} -> {binding.action}")
    problems = performer.problems()
    performer.close()
    try:
        if find_key(settings.signing.key_file, settings.signing.credential) is None and settings.signing.required:
            problems.append("there is no key yet: edged actuator keygen FILE, then signing.key_file = FILE")
    except SettingsError as error:
        problems.append(str(error))
    for sentence in problems:
        typer.echo(f"problem: {sentence}", err=True)
    return len(problems)


def print_steps(steps: Iterable[Step], *, as_json: bool) -> None:
    """One line for each binding that fired."""
    count = 0
    for step in steps:
        count += 1
        if as_json:
            print(msgspec.json.encode(step).decode())
            continue
        when = datetime.fromtimestamp(step.at, timezone.utc).astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        text = "" if step.text is None else f" {step.text!r}"
        options = "".join(f" {name}={value}" for name, value in step.options.items())
        kept = f"  kept back: {step.kept}" if step.kept else ""
        print(f"{when}  {step.binding}: {step.action}{text}{options}{kept}")
    if not count and not as_json:
        print("no binding would fire")
