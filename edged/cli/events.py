"""`edged events`: subscribe to a broker and print events as they come."""

from __future__ import annotations

import difflib
import os
import sys
import time
from datetime import datetime
from typing import Annotated, Any, Optional

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from edged.bus.message import Message
from edged.bus.subscriber import Subscriber
from edged.cli.options import AsJson, BrokerHost, BrokerPort, ConfigFile, Prefix, Set, overrides
from edged.configuration import loading as configuration
from edged.events import EVENT_KINDS
from edged.topics import ASPECTS, NAME_PATTERN, camera_topic

ANY = "+"
# How long to sleep at most while nothing comes; a broken connection is told after that.
_WAIT_SECONDS = 0.5
_COLOURS = {
    "blink": "cyan",
    "gaze": "green",
    "dwell": "blue",
    "presence": "magenta",
    "drowsy": "yellow",
    "health": "red",
}
_COMMON = {"id", "at", "camera", "kind", "seq", "v", "frame", "at_ms"}


def events(
    config: ConfigFile = None,
    host: BrokerHost = None,
    port: BrokerPort = None,
    prefix: Prefix = None,
    camera: Annotated[str, typer.Option(metavar="NAME", help="Only this camera; + means every one.")] = ANY,
    kind: Annotated[
        Optional[list[str]],
        typer.Option(metavar="KIND", help=f"Only events of this kind ({', '.join(EVENT_KINDS)}). Repeatable."),
    ] = None,
    states: Annotated[
        bool, typer.Option("--states", help="Also print how things are now, and each change of it.")
    ] = False,
    as_json: AsJson = False,
    count: Annotated[int, typer.Option(min=0, metavar="N", help="End after so many lines; 0: never.")] = 0,
    timeout: Annotated[
        float,
        typer.Option(min=0, metavar="SECONDS", help="End after this time; 0: never. With --count, too few is failure."),
    ] = 0,
    set_: Set = None,
) -> None:
    """Subscribe to a broker and print events as they come.

    Password and TLS come from the settings file or EDGED_MQTT__… variables. With --json, one payload a line;
    a state's payload is preceded by its camera and the name of the state.
    """
    chosen = {"mqtt.host": host, "mqtt.port": port, "mqtt.prefix": prefix}
    wanted = {name: value for name, value in chosen.items() if value is not None} | overrides(set_)
    settings = configuration.load(config, wanted).mqtt
    filters = topic_filters(settings.prefix, camera, kind or [], states=states)
    deadline = time.monotonic() + timeout if timeout else None
    with Subscriber(settings, filters, patience_seconds=0) as subscriber:
        try:
            printed = _print(subscriber, count, deadline, as_json=as_json)
        except BrokenPipeError:
            # Whoever read us has enough (`| head`). Python would complain once more while it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
    if printed < count:
        raise typer.Exit(1)


def topic_filters(prefix: str, camera: str, kinds: list[str], *, states: bool) -> list[str]:
    """The subscriptions for a choice of events. Raises typer.BadParameter for a name that cannot be."""
    if camera != ANY and not NAME_PATTERN.fullmatch(camera):
        raise typer.BadParameter(
            f"{camera!r} is no camera's name (a-z, 0-9, _ and -, or + for all)", param_hint="--camera"
        )
    for kind in kinds:
        if kind not in EVENT_KINDS:
            near = difflib.get_close_matches(kind, EVENT_KINDS, n=1)
            guess = f" Did you mean {near[0]}?" if near else ""
            raise typer.BadParameter(
                f"there is no kind {kind!r} ({', '.join(EVENT_KINDS)}).{guess}", param_hint="--kind"
            )
    filters = [camera_topic(prefix, camera, "event", kind=kind) for kind in kinds or [ANY]]
    if states:
        filters += [camera_topic(prefix, camera, "state", aspect=aspect) for aspect in ASPECTS]
    return filters


class _Console(Console):
    """Leaves it to us what a reader that has enough means; rich would end the process with status 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def _print(subscriber: Subscriber, count: int, deadline: float | None, *, as_json: bool) -> int:
    """Print what comes until there is enough of it; how many lines that were."""
    console = _Console(highlight=False, soft_wrap=True)
    complaints = Console(stderr=True, highlight=False, soft_wrap=True)
    printed = 0
    problem = ""
    while not count or printed < count:
        remaining = _WAIT_SECONDS if deadline is None else min(_WAIT_SECONDS, deadline - time.monotonic())
        if remaining <= 0:
            break
        message = subscriber.receive(remaining)
        if subscriber.problem != problem:
            problem = subscriber.problem
            complaints.print(Text(f"edged: {problem}; trying again" if problem else "edged: connected again"))
        if message is None or not message.payload:
            continue
        payload = read(message)
        if payload is None:
            complaints.print(Text(f"edged: what came on {_plain(message.topic)} is no JSON object"))
            continue
        if as_json:
            print(msgspec.json.encode(payload).decode(), flush=True)
        else:
            console.print(line(payload))
        printed += 1
    return printed


def read(message: Message) -> dict[str, Any] | None:
    """The payload of an event or a state; None if it is no JSON object. A state gets its camera and name."""
    try:
        payload = msgspec.json.decode(message.payload, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    *_, camera, branch, leaf = message.topic.split("/")
    return {"camera": camera, "state": leaf, **payload} if branch == "state" else payload


def line(payload: dict[str, Any]) -> Text:
    """One readable line: local time, camera, kind, and what there is to say."""
    kind = str(payload.get("kind", payload.get("state", "?")))
    is_state = "state" in payload
    moment = _local_time(str(payload.get("at", payload.get("since", ""))))
    text = Text(moment.ljust(13), style="dim")
    text.append(_plain(str(payload.get("camera", "?"))).ljust(10) + " ", style="bold")
    text.append((f"[{_plain(kind)}]" if is_state else _plain(kind)).ljust(11), style=_COLOURS.get(kind, "white"))
    rest = {name: value for name, value in payload.items() if name not in _COMMON and name not in {"state", "since"}}
    said = _said(kind, rest) if not is_state else ""
    text.append(_plain(said or ", ".join(f"{name} {_value(value)}" for name, value in rest.items())), style="default")
    return text


def _said(kind: str, fields: dict[str, Any]) -> str:
    """The event in words; empty if it is not of the shape we know (another version of edged may have sent it)."""
    try:
        return _PHRASES[kind].format(**{name: "nobody" if value is None else value for name, value in fields.items()})
    except (KeyError, ValueError, IndexError, AttributeError):
        return ""


_PHRASES = {
    "presence": "{change}, {people} in view",
    "gaze": "{zone}, before {previous} for {held_ms:.0f} ms",
    "dwell": "{zone} for {held_ms:.0f} ms",
    "blink": "{gesture}, {duration_ms:.0f} ms, down to {lowest_openness:.2f}",
    "drowsy": "drowsy {drowsy}, PERCLOS {perclos_percent:.1f} % over {window_seconds:.0f} s",
    "health": "{status}, before {previous}: {cause}, {reason}",
}


def _value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _local_time(moment: str) -> str:
    try:
        # Python 3.10 does not read the Z.
        return datetime.fromisoformat(moment.replace("Z", "+00:00")).astimezone().strftime("%H:%M:%S.%f")[:-3]
    except ValueError:
        return "?"


def _plain(text: str) -> str:
    """What strangers may publish must not steer the terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)
