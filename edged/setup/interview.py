"""The few questions there are about a camera: each answer is tested before it counts, and asked for again if it fails.

Who answers is behind `Person`: a terminal, or nobody, where the answers came along with the command.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import SecretStr

from edged.capture.source import redact
from edged.errors import EdgedError
from edged.settings import CaptureSettings, MqttSettings, TlsSettings
from edged.setup.cameras import FoundCamera
from edged.setup.trying import Tried, status_of
from edged.topics import NAME_PATTERN

TLS_PORT = 8883
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


class Person(Protocol):
    """Whoever answers. `unattended`: nobody does; then a failed test ends it."""

    unattended: bool

    def tell(self, sentence: str) -> None:
        """Say it."""

    def ask(self, question: str, default: str) -> str:
        """An answer, or the default for an empty one."""

    def secret(self, question: str) -> str:
        """An answer that is not shown while it is typed; may be empty."""

    def agrees(self, question: str, *, default: bool) -> bool:
        """Yes or no."""


@dataclass(frozen=True)
class Answers:
    """What was found out. password: only when one was given now; None keeps what there is."""

    name: str
    source: str
    mqtt: MqttSettings
    password: str | None = None

    def changes(self, password_file: str | None) -> Mapping[str, Any]:
        """Dotted paths of a settings file, and what to set there; None: away with it."""
        mqtt = self.mqtt
        changed: dict[str, Any] = {
            "camera": self.name,
            "capture.source": self.source,
            "mqtt.host": mqtt.host,
            "mqtt.port": mqtt.port,
            "mqtt.username": mqtt.username or None,
        }
        if not mqtt.username:
            changed |= {"mqtt.password": None, "mqtt.password_file": None}
        elif password_file is not None:
            changed |= {"mqtt.password": None, "mqtt.password_file": password_file}
        if mqtt.tls.enabled:
            changed["mqtt.tls.enabled"] = True
            if mqtt.tls.ca_file is not None:
                changed["mqtt.tls.ca_file"] = str(mqtt.tls.ca_file)
        else:
            changed["mqtt.tls.enabled"] = None
        return changed


class TestFailed(EdgedError):
    """Nobody is there to give another answer. `exit_status` says which test it was."""

    def __init__(self, what: str, *, camera: bool) -> None:
        self.exit_status = status_of(camera)
        super().__init__(f"{what}; nothing was written (--untested writes it all the same)")


@dataclass(frozen=True)
class Means:
    """What the interview looks with. in_use: the daemon of this name runs, so that its camera is busy."""

    try_camera: Callable[[CaptureSettings], Tried]
    try_broker: Callable[[MqttSettings, str], Tried]
    cameras: Callable[[], list[FoundCamera]]
    in_use: Callable[[str], bool]
    untested: bool = False


def name_problem(name: str) -> str:
    """Why this cannot be a camera's name; empty if it can."""
    if NAME_PATTERN.fullmatch(name):
        return ""
    return f"{name!r} cannot be a name: it needs 1 to 64 of a-z, 0-9, _ and -, as it becomes part of topics"


def broker_of(text: str, default_port: int) -> tuple[str, int]:
    """HOST, HOST:PORT, [IPV6]:PORT. Raises ValueError with a sentence for anything else."""
    host, port = text.strip(), str(default_port)
    if host.startswith("[") and "]" in host:
        host, _, rest = host[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    try:
        if ":" in host:
            ipaddress.IPv6Address(host)
    except ValueError:
        raise ValueError(f"{text!r} is no broker: write HOST or HOST:PORT") from None
    if ":" not in host and not _HOST.fullmatch(host):
        raise ValueError(f"{text!r} is no broker: write HOST or HOST:PORT, such as localhost or broker:8883")
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ValueError(f"{port!r} is no port: it is a number from 1 to 65535, mostly 1883, with TLS {TLS_PORT}")
    return host, int(port)


def choose_source(person: Person, means: Means, name: str, given: str | None, before: CaptureSettings) -> str:
    """The camera: one of those that were found, or any other address. Raises TestFailed."""
    wanted = given
    while True:
        source = wanted if wanted is not None else _ask_source(person, means.cameras(), before.source)
        if not source and wanted is None:  # one may have been plugged in meanwhile
            continue
        tried = _look(means, name, source, before)
        if tried.ok:
            person.tell(f"  camera: {tried.what}")
            return source
        if means.untested:
            person.tell(f"  camera: {tried.what}; taken untested")
            return source
        if person.unattended:
            raise TestFailed(f"the camera does not work: {tried.what}", camera=True)
        person.tell(f"  No picture: {tried.what}.")
        if person.agrees("  Take this camera all the same?", default=False):
            return source
        wanted = None


def _look(means: Means, name: str, source: str, before: CaptureSettings) -> Tried:
    try:
        capture = CaptureSettings.model_validate({**before.model_dump(), "source": source})
    except ValueError:
        return Tried(False, f"{redact(source)!r} is no picture source")
    tried = means.try_camera(capture)
    if not tried.ok and tried.busy and source == before.source and means.in_use(name):
        return Tried(True, f"in use by edged@{name}, which is as it should be")
    return tried


def _ask_source(person: Person, cameras: list[FoundCamera], before: str) -> str:
    """By its number, or any address; empty: look again."""
    if cameras:
        person.tell("Cameras found:")
        for number, camera in enumerate(cameras, 1):
            person.tell(f"  {number}  {camera}")
            if camera.address != camera.node:
                person.tell(f"     as {camera.address}")
    else:
        person.tell(
            "No camera was found. Plug one in and press Enter to look again, or name another source (rtsp://…, a file)."
        )
    default = next(
        (str(number) for number, camera in enumerate(cameras, 1) if before in (camera.address, camera.node)), ""
    )
    default = default or (before if before != CaptureSettings().source else "1" if cameras else "")
    shown = redact(default)
    while True:
        answer = person.ask("Which camera (a number, or an address)", shown).strip()
        answer = default if answer == shown else answer
        if answer.isdecimal() and cameras:
            if 1 <= int(answer) <= len(cameras):
                return cameras[int(answer) - 1].address
            person.tell(f"  There is no camera {answer}: the numbers are 1 to {len(cameras)}.")
        elif answer:
            return answer
        else:
            return ""


def choose_broker(
    person: Person, means: Means, name: str, given: MqttSettings | None, before: MqttSettings, password: str | None
) -> tuple[MqttSettings, str | None]:
    """The broker, and the password if one was given. Raises TestFailed.

    given: from the command line, complete but for the password; before: of the settings that are there.
    """
    wanted, secret = given, password
    while True:
        if wanted is None:
            wanted, secret = _ask_address(person, before), None
        tried = means.try_broker(_with_password(wanted, secret), name)
        if not tried.ok and tried.refused and not person.unattended:
            person.tell(f"  {_capital(tried.what)}.")
            username = person.ask("User name", wanted.username or name)
            secret = person.secret("Password")
            wanted = wanted.model_copy(update={"username": username})
            tried = means.try_broker(_with_password(wanted, secret), name)
        if tried.ok:
            person.tell(f"  broker: {tried.what}")
            return wanted, secret
        if means.untested:
            person.tell(f"  broker: {tried.what}; taken untested")
            return wanted, secret
        if person.unattended:
            raise TestFailed(tried.what, camera=False)
        person.tell(f"  {_capital(tried.what)}.")
        if person.agrees("  Take this broker all the same? The daemon tries again for ever", default=False):
            return wanted, secret
        wanted = None


def _ask_address(person: Person, before: MqttSettings) -> MqttSettings:
    default = before.host if before.port in (1883, TLS_PORT) else f"{before.host}:{before.port}"
    if before.port == TLS_PORT:
        default = f"{before.host}:{TLS_PORT}"
    while True:
        try:
            host, port = broker_of(person.ask("MQTT broker (HOST or HOST:PORT)", default), 1883)
        except ValueError as error:
            person.tell(f"  {_capital(str(error))}.")
            continue
        wanted = moved(before, host, port)
        if port == TLS_PORT or wanted.tls.enabled:
            tls = wanted.tls.model_copy(update={"enabled": person.agrees("Over TLS?", default=True)})
            wanted = wanted.model_copy(update={"tls": tls})
        return wanted


def moved(before: MqttSettings, host: str, port: int) -> MqttSettings:
    """The same at another place. Another host is never told who we are at the one before."""
    changes: dict[str, Any] = {"host": host, "port": port}
    if (host, port) != (before.host, before.port):
        changes["tls"] = TlsSettings(ca_file=before.tls.ca_file)
    if host != before.host:
        changes |= {"username": "", "password": None, "password_file": None}
    return before.model_copy(update=changes)


def _with_password(mqtt: MqttSettings, password: str | None) -> MqttSettings:
    if password is None:
        return mqtt
    return mqtt.model_copy(update={"password": SecretStr(password) if password else None, "password_file": None})


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
