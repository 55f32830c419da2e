"""`edged config set` and `edged config get`: the settings of a running daemon, over MQTT."""

from __future__ import annotations

import json
import secrets
from typing import Annotated, Any, Optional

import typer

from edged.cli.options import AsJson, ConfigFile, Set, camera_name, overrides
from edged.configuration import loading as configuration
from edged.errors import BrokerError
from edged.remote.patch import laid_over, leaves_of
from edged.settings import MqttSettings
from edged.topics import camera_topic

Camera = Annotated[str, typer.Option(metavar="NAME", callback=camera_name, help="The camera's name.")]
Host = Annotated[Optional[str], typer.Option(metavar="HOST", help="The MQTT broker.")]
Port = Annotated[Optional[int], typer.Option(metavar="PORT", help="Its port.")]
Prefix = Annotated[Optional[str], typer.Option(metavar="TOPIC", help="First level of the topics.")]
Timeout = Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="How long to wait for the daemon's answer.")]


def set_remote(
    assignments: Annotated[
        Optional[list[str]],
        typer.Argument(metavar="KEY=VALUE", help="e.g. judgement.gaze.dwell_seconds=0.8; VALUE as JSON, or text."),
    ] = None,
    camera: Camera = "front",
    unset: Annotated[Optional[list[str]], typer.Option(metavar="KEY", help="Take one wish back. Repeatable.")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Take all wishes back: the settings file counts.")] = False,
    host: Host = None,
    port: Port = None,
    prefix: Prefix = None,
    timeout: Timeout = 10.0,
    config: ConfigFile = None,
    set_: Set = None,
) -> None:
    """Change settings of a running daemon, and wait for its verdict.

    Exit status 0: accepted, 1: refused, with every reason, or no answer. Password and TLS come from the settings file
    or EDGED_MQTT__… variables.
    """
    patch = _patch(assignments or [], unset or [])
    if not patch and not reset:
        raise typer.BadParameter("give KEY=VALUE, --unset KEY or --reset", param_hint="KEY=VALUE")
    if patch and reset:
        raise typer.BadParameter("--reset takes everything back: give it alone", param_hint="--reset")
    from edged.bus.subscriber import Subscriber

    mqtt = _mqtt(config, host, port, prefix, set_)
    topic = camera_topic(mqtt.prefix, camera, "config_set" if reset else "config_change")
    answers = camera_topic(mqtt.prefix, camera, "response", name=f"cli-{secrets.token_hex(4)}")
    with Subscriber(mqtt, [answers]) as subscriber:
        body = b"" if reset else json.dumps(patch, ensure_ascii=False).encode()
        subscriber.publish(topic, body, retain=reset, response_topic=answers)
        message = subscriber.receive(timeout)
    if message is None:
        raise BrokerError(
            f"no answer from the camera {camera!r} within {timeout:g} s (is its daemon running, on this broker?)"
        )
    result = json.loads(message.payload)
    for error in result["errors"]:
        shown = "" if error["value"] is None else f" = {error['value']!r}"
        typer.echo(
            f"{error['path']}{shown}: {error['reason']}" + (f" ({error['cure']})" if error["cure"] else ""), err=True
        )
    if result["status"] != "accepted":
        raise typer.Exit(1)
    waiting = result["pending_restart"]
    typer.echo(f"accepted, revision {result['revision']}: {', '.join(result['changed']) or 'nothing changed'}")
    if waiting:
        typer.echo(f"in effect after a restart (command/restart): {', '.join(waiting)}")


def get_remote(
    keys: Annotated[Optional[list[str]], typer.Argument(metavar="KEY", help="Settings or sections; none: all.")] = None,
    camera: Camera = "front",
    changed: Annotated[bool, typer.Option("--changed", help="Only what was changed from afar.")] = False,
    as_json: AsJson = False,
    host: Host = None,
    port: Port = None,
    prefix: Prefix = None,
    timeout: Timeout = 5.0,
    config: ConfigFile = None,
    set_: Set = None,
) -> None:
    """Show the settings that a running daemon goes by."""
    if keys and not all(key.strip() for key in keys):
        raise typer.BadParameter("a name is empty", param_hint="KEY")
    from edged.bus.subscriber import Subscriber

    mqtt = _mqtt(config, host, port, prefix, set_)
    with Subscriber(mqtt, [camera_topic(mqtt.prefix, camera, "config_state")]) as subscriber:
        message = subscriber.receive(timeout)
    if message is None:
        raise BrokerError(f"the camera {camera!r} has said nothing of its settings (does it run, on this broker?)")
    state = json.loads(message.payload)
    found = {".".join(path): value for path, value in leaves_of(state["settings"])}
    wanted = [
        path for path in found
        if (not changed or path in state["changed"])
        and (not keys or any(path == key or path.startswith(f"{key}.") for key in keys))
    ]  # fmt: skip
    unknown = [key for key in keys or [] if not any(path == key or path.startswith(f"{key}.") for path in found)]
    if unknown:
        raise typer.BadParameter(f"there is no setting {', '.join(unknown)}", param_hint="KEY")
    if as_json:
        typer.echo(json.dumps({path: found[path] for path in wanted}, indent=2, ensure_ascii=False))
        return
    for path in wanted:
        origin = f"  # {state['changed'][path]}" if path in state["changed"] else ""
        if path in state["pending_restart"]:  # what is shown runs still; the origin is the other value's
            origin = "  # another value awaits a restart"
        typer.echo(f"{path} = {json.dumps(found[path], ensure_ascii=False)}{origin}")


def _mqtt(
    config: Any, host: str | None, port: int | None, prefix: str | None, assignments: list[str] | None
) -> MqttSettings:
    chosen = {"mqtt.host": host, "mqtt.port": port, "mqtt.prefix": prefix}
    wanted = {name: value for name, value in chosen.items() if value is not None} | overrides(assignments)
    return configuration.load(config, wanted).mqtt


def _patch(assignments: list[str], unset: list[str]) -> dict[str, Any]:
    """All of it as one merge patch."""
    patch: dict[str, Any] = {}
    wishes = [*_read(assignments), *((key, None) for key in unset)]
    names = [path for path, _ in wishes]
    if twice := sorted({path for path in names if names.count(path) > 1}):
        raise typer.BadParameter(f"{twice[0]} is given twice; which one counts?", param_hint="KEY=VALUE")
    for path, value in wishes:
        *sections, name = path.split(".")
        nested: Any = {name: value}
        for section in reversed(sections):
            nested = {section: nested}
        patch = laid_over(patch, nested)  # null stays: it is what takes a wish back
    return patch


def _read(assignments: list[str]) -> list[tuple[str, Any]]:
    read = []
    for one in assignments:
        path, equals, text = one.partition("=")
        if not equals or not path.strip():
            raise typer.BadParameter(f"{one!r} has no name and value", param_hint="KEY=VALUE")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        read.append((path.strip(), value))
    return read
