"""The settings of actuators for people to read: a commented file for each kind, and the page of all of them."""

from __future__ import annotations

from typing import Any

from edged.actuators.settings import ActuatorSettings
from edged.actuators.table import KINDS, own_settings
from edged.configuration.loading import ACTUATOR_PREFIX, variable_of
from edged.configuration.reference import sections
from edged.configuration.text import lines

_EXAMPLE_HEAD = """\
# Settings of edged for an actuator: {summary} Every option, its meaning, its range and its default.
#
#   edged actuator keygen {kind}.key
#   edged actuator check {kind} -c {kind}.toml
#   edged actuator run {kind} -c {kind}.toml
#
# Lines with a # before the name show the default, or an example where there is none; take the # away to change one.
# Anything here may also be set by a variable, EDGED_ACTUATOR_MQTT__HOST for host in [mqtt], and on the command line,
# --set mqtt.host=broker; the command line wins over variables, variables over this file. Relative paths are relative to
# this file. It is written by `edged actuator example {kind}`.
"""
_PAGE_HEAD = """\
# Settings of actuators

<!-- Generated from edged/actuators/settings.py and the settings of each kind: scripts/generate-docs -->

Settings come from a TOML file (`-c FILE`), then `EDGED_ACTUATOR_*` environment variables, then the command line
(`--set NAME=VALUE`); the later wins. `edged actuator example KIND` prints a commented file with every default,
`edged actuator check NAME -c FILE` says all that is wrong at once.

A variable is the dotted name in capitals, with two underscores between the levels: `mqtt.host` is `{variable}`.
Nothing here can be changed over MQTT.

Every actuator has the settings that follow; those of its kind come after them: {kinds}.
"""
# What has no default and stands in the example as something to begin with.
_EXAMPLES: dict[str, Any] = {
    "mqtt.password": "better: password_file",
    "mqtt.password_file": "/etc/edged/mqtt_password",
    "mqtt.tls.ca_file": "ca.pem",
    "mqtt.tls.certificate_file": "client.pem",
    "mqtt.tls.key_file": "client.key",
    "store.directory": "/var/lib/edged",
    "policy.NAME.enabled": True,
    "policy.NAME.confirm": "countdown",
    "policy.NAME.countdown_seconds": 3.0,
    "policy.NAME.timeout_seconds": 60.0,
    "policy.NAME.limit": 10,
    "bindings.name": "greet",
    "bindings.topic": "edged/camera/front/event/blink",
    "bindings.action": "type",
    "bindings.text": "{camera}",
    "bindings.limit": 10,
    "bindings.when.field": "gesture",
    "bindings.when.equals": "double",
    "bindings.when.one_of": ["double", "triple"],
    "bindings.when.at_least": 100,
    "bindings.when.at_most": 500,
}


def example(kind: str) -> str:
    """The text of `config/KIND.toml`. Raises KeyError for a kind that there is not."""
    head = _EXAMPLE_HEAD.format(kind=kind, summary=KINDS[kind].summary)
    active = {
        "actuator": kind, "kind": kind, "mqtt.host": "localhost", "mqtt.port": 1883, "signing.key_file": f"{kind}.key",
    }  # fmt: skip
    if (length := KINDS[kind].queue_length) is not None:
        active["queue_length"] = length
    if (port := KINDS[kind].metrics_port) is not None:
        active["metrics.port"] = port
    common = lines(ActuatorSettings, active, _EXAMPLES, remote=False)
    section = own_settings(kind)
    own = lines(section, {}, _EXAMPLES, remote=False, at=f"{kind}.")
    title = f"# {(section.__doc__ or '').strip().splitlines()[0]}"
    return "\n".join([head, *common, "", title, f"[{kind}]", *own]) + "\n"


def markdown() -> str:
    """The text of `docs/settings-actuators.md`."""
    kinds = ", ".join(f"[{kind}](#{kind})" for kind in KINDS)
    text = _PAGE_HEAD.format(variable=variable_of("mqtt.host", ACTUATOR_PREFIX), kinds=kinds)
    text += "".join(sections(ActuatorSettings, remote=False))
    for kind in KINDS:
        text += "".join(sections(own_settings(kind), remote=False, at=f"{kind}.", heading=f"`[{kind}]`"))
    return text
