"""`edged act`: ask an actuator for something, signed, and follow the job to its end."""

from __future__ import annotations

import getpass
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from edged.actuators.asking import encoded, make_request
from edged.actuators.controls import CONTROLS
from edged.actuators.sensitive import Text
from edged.cli.following import STATUSES, Follower
from edged.cli.options import AsJson, BrokerHost, BrokerPort, ConfigFile, Prefix, Set, overrides
from edged.errors import RequestRefused, SettingProblem, SettingsError
from edged.jobs import MAX_REQUEST_BYTES
from edged.keys import find_key, read_key
from edged.settings import MqttSettings


def act(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The actuator.")],
    action: Annotated[str, typer.Argument(metavar="ACTION", help="What to do; also cancel, confirm, stop and reset.")],
    what: Annotated[
        Optional[str],
        typer.Argument(
            metavar="[TEXT|JOB]",
            help="The text; - reads it from standard input. For cancel and confirm the job's id, for stop the reason.",
        ),
    ] = None,
    option: Annotated[
        Optional[list[str]],
        typer.Option("--option", "-o", metavar="KEY=VALUE", help="An option of the action; VALUE as JSON, or text."),
    ] = None,
    sensitive: Annotated[
        bool,
        typer.Option(
            "--sensitive",
            help="The text is asked for, or read from standard input, and sent sealed: nobody on the way can read it. "
            "The job must be confirmed.",
        ),
    ] = False,
    confirm: Annotated[bool, typer.Option("--confirm", help="Confirm the job when it waits for that.")] = False,
    key: Annotated[Optional[Path], typer.Option(metavar="FILE", help="The key (edged actuator keygen).")] = None,
    expires: Annotated[
        float, typer.Option(min=1.0, max=604800.0, metavar="SECONDS", help="Nothing is begun later than this.")
    ] = 30.0,
    job: Annotated[
        Optional[str],
        typer.Option("--id", metavar="ID", help="Id of the job; the same id is done once, however often asked."),
    ] = None,
    queue: Annotated[
        bool,
        typer.Option("--queue", help="Send it to an actuator that is offline: it is done if that is back in time."),
    ] = False,
    wait: Annotated[bool, typer.Option(help="Follow the job to its end, not only until it is accepted.")] = True,
    as_json: AsJson = False,
    host: BrokerHost = None,
    port: BrokerPort = None,
    prefix: Prefix = None,
    config: ConfigFile = None,
    set_: Set = None,
) -> None:
    """Ask an actuator for something, and follow the job to its end.

    Exit status: 0 succeeded, 1 failed, 6 rejected, 7 cancelled, 8 expired, 5 no broker or no answer, 2 wrong usage, 130
    left by Ctrl-C. Key, password and TLS come from the actuator's settings file or EDGED_ACTUATOR_… variables. Ctrl-C
    cancels the job, a second one leaves; a closed terminal leaves the job to the actuator.
    """
    mqtt, secret = _settings(name, config, host, port, prefix, key, set_)
    options = _options(option or [])
    if action in CONTROLS:
        if sensitive:
            raise _wrong("--sensitive", None, f"{action} takes no text", "leave it out")
        if what is not None:
            options["job" if action in ("cancel", "confirm") else "reason"] = what
        text = None
    else:
        text = _text(what, sensitive=sensitive)
    request = _request(name, action, expires, text, options, secret, job)
    follower = Follower(mqtt, name, request, secret, expires, confirms=confirm, as_json=as_json)
    end = follower.follow(to_the_end=wait, queue=queue or action == "stop")
    raise typer.Exit(STATUSES.get(end, 0))


def _request(
    name: str, action: str, expires: float, text: Text | None, options: Mapping[str, Any], key: bytes | None,
    job: str | None,
) -> dict[str, Any]:  # fmt: skip
    try:
        made = make_request(
            name, action, now=time.time(), life_seconds=expires, text=text, options=options, key=key, job_id=job
        )
    except RequestRefused as error:
        raise _wrong("the request", None, str(error), "") from None
    if (size := len(encoded(made))) > MAX_REQUEST_BYTES:
        raise _wrong("TEXT", None, f"makes a request of {size} bytes", f"at most {MAX_REQUEST_BYTES} are taken")
    return made


def _text(what: str | None, *, sensitive: bool) -> Text | None:
    """The text, from where it may come: one that is sensitive never from the command line, which `ps` shows to all."""
    if what == "-" or (sensitive and what is None and not sys.stdin.isatty()):
        try:
            return Text(sys.stdin.buffer.read().decode("utf-8").removesuffix("\n"), sensitive=sensitive)
        except UnicodeDecodeError:
            pass
        # Outside of the handler: the exception carries the text.
        raise _wrong("TEXT", None, "standard input is no UTF-8", "")
    if not sensitive:
        return None if what is None else Text(what)
    if what is not None:
        raise _wrong(
            "TEXT", None, "is sensitive, and everybody on this machine can read a command line",
            "leave it out and it is asked for, or write - and pipe it in",
        )  # fmt: skip
    try:
        # Not typer.prompt: that asks before the echo is off.
        return Text(getpass.getpass("Text: "), sensitive=True)
    except EOFError:
        raise _wrong("TEXT", None, "nothing was given", "type it, or pipe it in") from None


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
        except (ValueError, RecursionError):
            read[name] = value
    if problems:
        raise SettingsError(problems, "command line")
    return read


def _wrong(what: str, value: str | None, reason: str, cure: str) -> SettingsError:
    return SettingsError([SettingProblem(what, value, reason, cure)], "command line")
