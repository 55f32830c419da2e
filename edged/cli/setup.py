"""`edged setup`: the few questions about a camera, each answer tested, then its settings file and its unit."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from edged.capture.source import redact
from edged.care.places import SettingsFile
from edged.configuration.loading import load
from edged.errors import SettingProblem, SettingsError
from edged.inference.models import ModelStore, default_directory, needed
from edged.settings import MqttSettings, Settings
from edged.setup import cameras, service
from edged.setup.interview import (
    TLS_PORT,
    Answers,
    Means,
    Person,
    broker_of,
    choose_broker,
    choose_source,
    moved,
    name_problem,
)
from edged.setup.settings_file import keep_old, merged, write_secret, write_settings
from edged.setup.trying import first_health, try_broker, try_camera
from edged.toml_file import read_toml

FOLDER = Path("/etc/edged")
_HEALTH_SECONDS = 60.0
_INTERRUPTED = 130
# ProtectHome and PrivateTmp of edged@.service.
_HIDDEN_FROM_UNITS = ("home", "root", "run", "tmp")


class Terminal:
    """Somebody at a terminal."""

    unattended = False

    def tell(self, sentence: str) -> None:
        print(sentence, flush=True)

    def ask(self, question: str, default: str) -> str:
        return str(typer.prompt(question, default=default, show_default=bool(default)))

    def secret(self, question: str) -> str:
        return str(typer.prompt(question, default="", show_default=False, hide_input=True))

    def agrees(self, question: str, *, default: bool) -> bool:
        return typer.confirm(question, default=default)


class Nobody:
    """The answers came with the command; what was not said is as it is by default."""

    unattended = True

    def tell(self, sentence: str) -> None:
        print(sentence, flush=True)

    def ask(self, question: str, default: str) -> str:
        return default

    def secret(self, question: str) -> str:
        return ""

    def agrees(self, question: str, *, default: bool) -> bool:
        return default


def setup(
    name: Annotated[Optional[str], typer.Option(metavar="NAME", help="Name of the camera in topics and logs.")] = None,
    camera: Annotated[
        Optional[str], typer.Option(metavar="URI", help="Where pictures come from: /dev/edged/…, rtsp://…, sitter:")
    ] = None,
    broker: Annotated[Optional[str], typer.Option(metavar="HOST[:PORT]", help="The MQTT broker.")] = None,
    user: Annotated[Optional[str], typer.Option(metavar="USER", help="User at the broker.")] = None,
    password_file: Annotated[
        Optional[Path], typer.Option(metavar="FILE", help="Its first line is the password; it is copied.")
    ] = None,
    tls: Annotated[
        Optional[bool], typer.Option("--tls/--no-tls", help=f"Speak TLS to the broker; port {TLS_PORT} means yes.")
    ] = None,
    ca_file: Annotated[
        Optional[Path], typer.Option(metavar="FILE", help="Certificate authority of the broker, if it is your own.")
    ] = None,
    directory: Annotated[Path, typer.Option(metavar="DIR", help="Where NAME.toml goes.")] = FOLDER,
    yes: Annotated[
        bool, typer.Option("--yes", help="Ask nothing: take the options, and defaults for the rest.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Change a settings file that is there already.")
    ] = False,
    untested: Annotated[bool, typer.Option("--untested", help="Write answers that fail their test as well.")] = False,
    enable: Annotated[
        Optional[bool], typer.Option("--enable/--no-enable", help="Start the camera now and at each boot, or do not.")
    ] = None,
) -> None:
    """Ask what is needed for a camera, test each answer, write its settings, and start it.

    A settings file that is there already is changed only where the answers differ; a copy is kept as NAME.toml.old.
    Without a terminal: --yes, with --camera and --broker.
    """
    if not yes and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise typer.BadParameter("there is no terminal to ask at: give --yes, with --camera and --broker")
    # What settings name is looked for beside them, wherever this command was called.
    directory = directory.absolute()
    _check_folder(directory)
    # A broker that is away is an answer here; the bus need not log it beside.
    logging.getLogger("edged").addHandler(logging.NullHandler())
    person: Person = Nobody() if yes else Terminal()
    if broker is None and not person.unattended:
        _refuse_unused({"--user": user, "--password-file": password_file, "--tls": tls, "--ca-file": ca_file})
    if ca_file is not None:
        _check_authority(ca_file, tls, directory)
    given_password = _first_line(password_file)
    means = Means(try_camera, try_broker, cameras.found, service.active, untested)
    try:
        chosen = _choose_name(person, name)
        path = directory / f"{chosen}.toml"
        before = _before(path, chosen)
        if path.exists() and not (overwrite or person.agrees(f"{path} is there already. Change it?", default=False)):
            if person.unattended:
                raise _problem(f"{path} is there already", "--overwrite changes it, and keeps a copy")
            person.tell("Nothing was changed.")
            return
        source = choose_source(person, means, chosen, _source(person, camera, path), before.capture)
        given = _given_broker(person, broker, user, tls, ca_file, before.mqtt, known=path.exists())
        if password_file is not None and given is not None and not given.username:
            raise _problem("--password-file goes with --user", "--user NAME")
        mqtt, password = choose_broker(person, means, chosen, given, before.mqtt, given_password)
        _write(person, path, Answers(chosen, source, mqtt, password or None))
        _say_models(person)
        _start(person, load(path, environment={}), directory, enable)
    except typer.Abort:
        print("\nStopped; what was not written yet is as it was.", file=sys.stderr)
        raise typer.Exit(_INTERRUPTED) from None


def _check_folder(directory: Path) -> None:
    if not directory.is_dir():
        cure = (
            "sudo scripts/install makes it, or name another with --directory"
            if directory == FOLDER
            else "make it first"
        )
        raise _problem(f"there is no folder {directory}", cure)
    if not os.access(directory, os.W_OK | os.X_OK):
        raise _problem(f"this user may not write in {directory}", "sudo edged setup, or --directory")


def _problem(reason: str, cure: str) -> SettingsError:
    return SettingsError([SettingProblem("", None, reason, cure)], "setup")


def _choose_name(person: Person, given: str | None) -> str:
    wanted = given
    while True:
        name = (
            wanted if wanted is not None else person.ask("Name of the camera, such as the place it looks at", "front")
        )
        problem = name_problem(name)
        if not problem:
            return name
        if person.unattended:
            raise _problem(problem, "--name front")
        person.tell(f"  {problem[:1].upper()}{problem[1:]}.")
        wanted = None


def _before(path: Path, name: str) -> Settings:
    """The settings that are there, or the defaults. Raises SettingsError for what is there and is not a camera's."""
    if not path.exists():
        return load(None, {"camera": name}, {})
    if SettingsFile(path, read_toml(path)).actuator:
        raise _problem(f"{path} is an actuator's", "give the camera another name")
    return load(path, environment={})


def _source(person: Person, given: str | None, path: Path) -> str | None:
    if given is None and person.unattended and not path.exists():
        raise _problem(
            "no camera was named", "--camera /dev/video0; edged setup without --yes lists those that are here"
        )
    return given if given is not None or not person.unattended else load(path, environment={}).capture.source


def _given_broker(
    person: Person,
    broker: str | None,
    user: str | None,
    tls: bool | None,
    ca_file: Path | None,
    before: MqttSettings,
    *,
    known: bool,
) -> MqttSettings | None:
    """The broker of the command line; None: ask for it."""
    if broker is None:
        if not person.unattended:
            return None
        if not known:
            raise _problem("no broker was named", "--broker localhost")
        given = before
    else:
        try:
            given = moved(before, *broker_of(broker, TLS_PORT if tls or (ca_file and tls is None) else 1883))
        except ValueError as error:
            raise _problem(str(error), "") from None
    if user is not None and user != given.username:
        given = given.model_copy(update={"username": user, "password": None, "password_file": None})
    # Whoever names an authority does not want to be heard in clear.
    speaks = tls if tls is not None else ca_file is not None or given.tls.enabled or given.port == TLS_PORT
    changed = given.tls.model_copy(update={"enabled": speaks, **({"ca_file": ca_file.absolute()} if ca_file else {})})
    return given.model_copy(update={"tls": changed})


def _refuse_unused(given: dict[str, object]) -> None:
    """Who is asked for the broker is asked for these as well. Raises SettingsError."""
    for option, value in given.items():
        if value is not None:
            raise _problem(f"{option} goes with --broker", "--broker HOST, or leave it out and answer")


def _check_authority(path: Path, tls: bool | None, directory: Path) -> None:
    """Raises SettingsError: it would not be used, or the daemon would not find it."""
    if tls is False:
        raise _problem("--ca-file is of no use without TLS", "leave --no-tls out")
    if not path.is_file():
        raise _problem(f"--ca-file {path} is not there", "the certificate authority of the broker, as PEM")
    if directory == FOLDER and path.absolute().parts[1] in _HIDDEN_FROM_UNITS:
        raise _problem(f"--ca-file {path} is where the daemon may not look", f"copy it to {FOLDER} and name it there")


def _first_line(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise _problem(f"--password-file {path}: {reason}", "its first line is the password") from None
    if not lines or not lines[0]:
        raise _problem(f"--password-file {path} is empty", "its first line is the password")
    return lines[0]


def _write(person: Person, path: Path, answers: Answers) -> None:
    secret = path.with_name(f"{answers.name}.mqtt_password")
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    text = merged(old, answers.changes(str(secret) if answers.password is not None else None), str(path))
    if answers.password is not None:
        write_secret(secret, answers.password)
        person.tell(f"Wrote {secret}, for root and the daemon only.")
    if text == old:
        person.tell(f"{path} is right as it is.")
        return
    if old:
        person.tell(f"The settings until now are in {keep_old(path)}.")
    write_settings(path, text)
    person.tell(f"Wrote {path}: camera {redact(answers.source)}, broker {answers.mqtt.host}:{answers.mqtt.port}.")


def _say_models(person: Person) -> None:
    settings = load(None, {}, {})
    store = ModelStore(default_directory(settings.models))
    if any(store.problem(model) is not None for model in needed()):
        person.tell("The networks are not here yet: edged models pull")


def _start(person: Person, settings: Settings, directory: Path, enable: bool | None) -> None:
    """Offer the unit, and say what the daemon says of itself."""
    name = settings.camera
    if directory != FOLDER or not service.available():
        if enable:
            raise _problem(
                "there is no unit edged@ that reads this folder", "scripts/install; the folder is /etc/edged"
            )
        person.tell(f"Run it: edged run -c {directory / f'{name}.toml'}")
        return
    if enable is None and not person.unattended:
        enable = person.agrees("Start it now, and at each boot?", default=True)
    if not enable:
        person.tell(f"Later: sudo systemctl enable --now edged@{name}")
        return
    service.start(name)
    said = first_health(settings.mqtt, name, _HEALTH_SECONDS)
    person.tell(f"edged@{name} runs. {f'It says: {said}.' if said else 'It has not said yet how it is.'}")
    person.tell(f"Look: systemctl status edged@{name}; sudo edged events -c {directory / f'{name}.toml'}")
