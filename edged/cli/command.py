"""`edged command`: ask a camera's daemon for something, signed where that is wanted, and print its answer."""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from edged.bus.asking import signed_command
from edged.cli.options import AsJson, BrokerHost, BrokerPort, ConfigFile, Prefix, Set, overrides
from edged.configuration import loading as configuration
from edged.errors import BrokerError, SettingProblem, SettingsError
from edged.keys import find_key, read_key
from edged.settings import Settings
from edged.topics import COMMANDS, NAME_PATTERN, SIGNED_COMMANDS, camera_topic

_CURE = "edged command --help lists them"


def command(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help=f"{', '.join(COMMANDS)}; signed: {', '.join(SIGNED_COMMANDS)}.")
    ],
    given: Annotated[
        Optional[list[str]],
        typer.Argument(metavar="[KEY=VALUE]", help="Options, e.g. name=Anna seconds=5; VALUE as JSON, or text."),
    ] = None,
    camera: Annotated[Optional[str], typer.Option(metavar="NAME", help="The camera's name.")] = None,
    key: Annotated[
        Optional[Path], typer.Option(metavar="FILE", help="The key of signed commands (edged actuator keygen).")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="How long to wait for the answer.")] = 10.0,
    as_json: AsJson = False,
    host: BrokerHost = None,
    port: BrokerPort = None,
    prefix: Prefix = None,
    config: ConfigFile = None,
    set_: Set = None,
) -> None:
    """Ask a camera's daemon for something, and wait for its answer.

    release ends a block of the seat, unlocked tells of an unlock, challenge asks for a sign of life; people, enroll,
    forget and name concern who is known. Exit status: 0 done, 1 refused, 5 no broker or no answer. Key, password and TLS
    come from the daemon's settings file or EDGED_… variables.
    """
    if name not in (*COMMANDS, *SIGNED_COMMANDS):
        raise _wrong("NAME", name, f"is no command (there are {', '.join((*COMMANDS, *SIGNED_COMMANDS))})", _CURE)
    settings = _settings(config, host, port, prefix, camera, set_)
    options = _options(given or [])
    secret = _key(settings, key) if name in SIGNED_COMMANDS else None
    from edged.bus.subscriber import Subscriber

    answers = camera_topic(settings.mqtt.prefix, settings.camera, "response", name=f"cli-{secrets.token_hex(4)}")
    topic = camera_topic(settings.mqtt.prefix, settings.camera, "command", name=name)
    wait_seconds = timeout + _lasts_seconds(name, options)
    with Subscriber(settings.mqtt, [answers]) as subscriber:
        # As late as can be: a signed command is good for some seconds only.
        payload = _payload(settings.camera, name, options, secret)
        subscriber.publish(topic, json.dumps(payload, ensure_ascii=False).encode(), response_topic=answers)
        message = subscriber.receive(wait_seconds)
    if message is None:
        raise BrokerError(
            f"no answer from the camera {settings.camera!r} within {wait_seconds:g} s (is its daemon running, on this "
            "broker?)"
        )
    answer = json.loads(message.payload)
    if as_json:
        typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    elif answer["status"] == "ok":
        typer.echo(json.dumps(answer["data"], indent=2, ensure_ascii=False) if answer["data"] else "done")
    else:
        typer.echo(answer["error"], err=True)
    if answer["status"] != "ok":
        raise typer.Exit(1)


def _settings(
    config: Path | None, host: str | None, port: int | None, prefix: str | None, camera: str | None,
    assignments: list[str] | None,
) -> Settings:  # fmt: skip
    if camera is not None and not NAME_PATTERN.fullmatch(camera):
        raise _wrong("--camera", camera, "is no name of a camera", "a-z, 0-9, - and _, at most 64")
    chosen = {"mqtt.host": host, "mqtt.port": port, "mqtt.prefix": prefix, "camera": camera}
    wanted = {name: value for name, value in chosen.items() if value is not None} | overrides(assignments)
    return configuration.load(config, wanted)


def _key(settings: Settings, key_file: Path | None) -> bytes:
    signing = settings.signing
    key = read_key(key_file, "--key") if key_file is not None else find_key(signing.key_file, signing.credential)
    if key is None:
        raise _wrong("--key", None, "this is a signed command, and there is no key", "give --key FILE")
    return key


def _payload(camera: str, name: str, options: dict[str, Any], key: bytes | None) -> dict[str, Any]:
    if key is None:
        return {"transaction": secrets.token_hex(8), **options}
    try:
        return signed_command(camera, name, key, now=time.time(), options=options)
    except ValueError as error:
        raise _wrong("KEY=VALUE", None, f"options must be plain JSON: {error}", "") from None


def _lasts_seconds(name: str, options: dict[str, Any]) -> float:
    """An enrolment is answered at its end."""
    seconds = options.get("seconds", 5.0)
    return float(seconds) if name == "enroll" and isinstance(seconds, int | float) else 0.0


def _options(pairs: list[str]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise _wrong("KEY=VALUE", pair, "has no name and value", "write name=Anna")
        try:
            read[name] = json.loads(value)
        except (ValueError, RecursionError):
            read[name] = value
    return read


def _wrong(what: str, value: str | None, reason: str, cure: str) -> SettingsError:
    return SettingsError([SettingProblem(what, value, reason, cure)], "command line")
