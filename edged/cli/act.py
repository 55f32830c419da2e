"""`edged act`: ask an actuator for something, signed, and follow the job to its end."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Optional

import msgspec
import typer

from edged.actuators.asking import encoded, make_request
from edged.actuators.keys import find_key, read_key
from edged.actuators.sensitive import Text
from edged.cli.options import AsJson, ConfigFile, Set, overrides
from edged.errors import BrokerError, SettingProblem, SettingsError
from edged.jobs import FINAL, JobState
from edged.settings import MqttSettings
from edged.topics import actuator_topic

STATUSES = {"succeeded": 0, "failed": 1, "rejected": 6, "cancelled": 7, "expired": 8}
_FIRST_ANSWER_SECONDS = 10.0
_AFTER_EXPIRY_SECONDS = 10.0


def act(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The actuator.")],
    action: Annotated[str, typer.Argument(metavar="ACTION", help="What to do; also cancel, confirm, stop and reset.")],
    what: Annotated[
        Optional[str],
        typer.Argument(
            metavar="[TEXT|JOB]", help="The text; - reads it from standard input. For cancel and confirm the job's id."
        ),
    ] = None,
    option: Annotated[
        Optional[list[str]],
        typer.Option("--option", "-o", metavar="KEY=VALUE", help="An option of the action; VALUE as JSON, or text."),
    ] = None,
    sensitive: Annotated[
        bool,
        typer.Option("--sensitive", help="Send the text sealed: nobody on the way can read it. It must be confirmed."),
    ] = False,
    key: Annotated[Optional[Path], typer.Option(metavar="FILE", help="The key (edged actuator keygen).")] = None,
    expires: Annotated[
        float, typer.Option(min=1.0, metavar="SECONDS", help="Nothing is begun later than this.")
    ] = 30.0,
    job: Annotated[
        Optional[str],
        typer.Option("--id", metavar="ID", help="Id of the job; the same id is done once, however often asked."),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Follow the job to its end.")] = True,
    as_json: AsJson = False,
    host: Annotated[Optional[str], typer.Option(metavar="HOST", help="The MQTT broker.")] = None,
    port: Annotated[Optional[int], typer.Option(metavar="PORT", help="Its port.")] = None,
    prefix: Annotated[Optional[str], typer.Option(metavar="TOPIC", help="First level of the topics.")] = None,
    config: ConfigFile = None,
    set_: Set = None,
) -> None:
    """Ask an actuator for something, and follow the job to its end.

    Exit status: 0 succeeded, 1 failed, 6 rejected, 7 cancelled, 8 expired, 5 no broker or no answer. Key, password and
    TLS come from the actuator's settings file or EDGED_ACTUATOR_… variables. Ctrl-C cancels the job.
    """
    mqtt, secret = _settings(name, config, host, port, prefix, key, set_)
    options = _options(option or [])
    text: Text | None = None
    if action in ("cancel", "confirm"):
        if what is not None:
            options["job"] = what
    elif action in ("stop", "reset"):
        if what is not None:
            options["reason"] = what
    elif what is not None:
        text = Text(sys.stdin.read().removesuffix("\n") if what == "-" else what, sensitive=sensitive)
    request = make_request(
        name, action, now=time.time(), life_seconds=expires, text=text, options=options, key=secret, job_id=job
    )
    end = _follow(mqtt, name, request, secret, expires, wait=wait, as_json=as_json)
    raise typer.Exit(STATUSES[end] if end else 0)


def _follow(
    mqtt: MqttSettings, name: str, request: dict[str, Any], key: bytes | None, expires: float, *, wait: bool,
    as_json: bool,
) -> str:  # fmt: skip
    """Send and listen; how it ended."""
    from edged.bus.subscriber import Subscriber

    asked_on = actuator_topic(mqtt.prefix, name, "request")
    told_on = actuator_topic(mqtt.prefix, name, "job", id=request["id"])
    deadline = time.monotonic() + _FIRST_ANSWER_SECONDS
    with Subscriber(mqtt, [told_on]) as subscriber:
        subscriber.publish(asked_on, encoded(request))
        while True:
            try:
                message = subscriber.receive(deadline - time.monotonic())
            except KeyboardInterrupt:
                typer.echo("cancelling", err=True)
                cancel = make_request(
                    name, "cancel", now=time.time(), life_seconds=10, options={"job": request["id"]}, key=key
                )
                subscriber.publish(asked_on, encoded(cancel))
                deadline = time.monotonic() + _FIRST_ANSWER_SECONDS
                continue
            if message is None:
                raise BrokerError(f"the actuator {name!r} says nothing of the job (does it run, on this broker?)")
            state = msgspec.json.decode(message.payload, type=JobState)
            if as_json:
                print(message.payload.decode(), flush=True)
            else:
                print(f"{state.state}: {state.reason}", flush=True)
            if state.state in FINAL or not wait:
                return state.state if state.state in FINAL else ""
            # A job that runs may take as long as its own timeout; one that waits ends when the request expires.
            left = max(expires, state.remaining_seconds or 0.0) + _AFTER_EXPIRY_SECONDS
            deadline = time.monotonic() + (86400.0 if state.state == "running" else left)


def _settings(
    name: str, config: Path | None, host: str | None, port: int | None, prefix: str | None, key: Path | None,
    assignments: list[str] | None,
) -> tuple[MqttSettings, bytes | None]:  # fmt: skip
    from edged.actuators.loading import load_asker

    chosen = {"mqtt.host": host, "mqtt.port": port, "mqtt.prefix": prefix}
    wanted = {each: value for each, value in chosen.items() if value is not None} | overrides(assignments)
    settings = load_asker(name, config, wanted)
    if key is not None:
        return settings.mqtt, read_key(key, "--key")
    return settings.mqtt, find_key(settings.signing.key_file, settings.signing.credential)


def _options(pairs: list[str]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    problems = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            problems.append(SettingProblem("--option", pair, "has no name and value", "write --option chord=ctrl+c"))
        try:
            read[name] = json.loads(value)
        except ValueError:
            read[name] = value
    if problems:
        raise SettingsError(problems, "command line")
    return read
