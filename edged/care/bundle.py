"""A support bundle: what helps others to find out what is wrong, and nothing of anybody.

No pictures, no vectors, no keys, no names of people, no addresses of others: what goes in is made here, piece by piece,
and every text passes through a `Redactor` that knows what this installation must not tell.
"""

from __future__ import annotations

import contextlib
import getpass
import importlib.metadata
import io
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

import edged
from edged.actuators.loading import load_actuator
from edged.actuators.settings import ActuatorSettings
from edged.bus.subscriber import Subscriber
from edged.care.places import Places, SettingsFile, databases, parts_of
from edged.care.redaction import Redactor, settings_told
from edged.care.upgrade import check
from edged.configuration.loading import load, load_with_origins
from edged.doctor.examination import examine
from edged.errors import BackupError, EdgedError, SettingsError
from edged.settings import MqttSettings, Settings
from edged.store.database import Error, damage, free_bytes, reading, shape_of
from edged.topics import actuator_topic, camera_topic
from edged.whole_file import whole_file

_LISTEN_SECONDS = 3.0
_COMMAND_SECONDS = 20.0
_UNITS = ("edged.target", "edged@*", "edged-actuator@*", "edged-evidence-upload@*")
_UNIT_FACTS = (
    "Id", "ActiveState", "SubState", "Result", "NRestarts", "ExecMainStatus", "StateChangeTimestamp", "MemoryCurrent",
    "FragmentPath", "DropInPaths",
)  # fmt: skip
_HELLO = """\
A support bundle of edged, made by `edged support-bundle`.

Names of cameras and actuators are numbered. [name], [person], [address], [number], [hidden] and the like stand for what was
taken out; so does \N{BULLET}\N{BULLET}\N{BULLET} in settings. Look through it before you give it away: it is yours.
"""


@dataclass(frozen=True)
class Piece:
    """One file of the bundle. about: what is in it, for its owner."""

    name: str
    about: str
    content: bytes


def collect(where: Places, *, lines: int, logs: Iterable[Path] = (), listen: bool = True) -> list[Piece]:
    """All pieces, redacted. lines: of the journal, and of each of the logs. listen: ask the broker how all are.

    Raises BackupError when what is kept may not be read by this user.
    """
    if where.state.is_dir() and not os.access(where.state, os.R_OK | os.X_OK):
        raise BackupError(f"{where.state} may not be read by this user, so names could not be taken out (use sudo)")
    redactor, all_known = _knowing(where)
    cameras = [camera for one in where.files if not one.actuator and (camera := _camera(one)) is not None]
    actuators = [actuator for one in where.files if one.actuator and (actuator := _actuator(one)) is not None]
    makers: list[tuple[str, str, Callable[[], Any]]] = [
        ("versions.json", "versions of edged, Python, libraries and system; kind of board", _versions),
        ("settings.json", "settings: numbers, switches and choices; no texts, no names", lambda: _settings(where)),
        ("check.json", "what edged upgrade-check finds", lambda: [asdict(each) for each in check(where, None)]),
        ("kept.json", "databases: sizes, rows, damage; nothing of what is in them", lambda: _kept(where.state)),
        ("doctor.json", "what edged doctor finds", lambda: _doctor(cameras)),
        ("units.txt", "how the units are", _units),
    ]
    if all_known:
        makers.append(("log.txt", f"last {lines} lines of the log", lambda: _log(lines, logs)))
    else:
        about = "no log: who is known cannot be read here, so names could not be taken out of it"
        makers.append(("log.txt", about, lambda: about))
    if listen and all_known:
        makers.append(("health.json", "last health on the broker", lambda: _health(cameras, actuators)))
    pieces = [Piece("README.txt", "what this is", _HELLO.encode())]
    for name, about, make in makers:
        try:
            made = make()
        except (EdgedError, OSError, Error) as error:
            made = {"problem": str(error)}
        if isinstance(made, str):
            content = redactor.text(made)
        else:
            # Versions of libraries look like addresses, and are nobody's secret.
            told = made if make is _versions else redactor.tree(made)
            content = json.dumps(told, indent=1, ensure_ascii=False, default=str) + "\n"
        pieces.append(Piece(name, about, content.encode("utf-8", "replace")))
    return pieces


def write(path: Path, pieces: Iterable[Piece]) -> int:
    """A tar.gz, whole or not at all, for its owner only; its size in bytes. Raises BackupError."""
    beside = path.with_name(f".{path.name}.new")
    try:
        with whole_file(path, beside) as sink:
            with tarfile.open(fileobj=sink, mode="w:gz") as archive:
                for piece in pieces:
                    member = tarfile.TarInfo(f"edged-support/{piece.name}")
                    member.size, member.mode, member.mtime = len(piece.content), 0o600, int(time.time())
                    archive.addfile(member, io.BytesIO(piece.content))
            size = sink.tell()
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror or error}") from None
    return size


# --- what must not be told ----------------------------------------------------------------------------------------


def _knowing(where: Places) -> tuple[Redactor, bool]:
    """A redactor that knows this installation, and whether it knows everybody."""
    redactor = Redactor()
    numbers = {True: 0, False: 0}
    for one in where.files:
        numbers[one.actuator] += 1
        kind = "actuator" if one.actuator else "camera"
        for name in {one.name, one.path.stem}:
            redactor.hide(name, f"{kind}-{numbers[one.actuator]}", least=2)
    all_known = _know_people(redactor, where)
    for one in where.files:
        redactor.hide_all(one.values, "[hidden]")
        for _, path in one.files():
            redactor.hide_file(path)
    with contextlib.suppress(BackupError):
        for found in parts_of(where)[0]:
            if found.part == "keys" or found.path.suffix == ".key":
                redactor.hide_file(found.path)
    for name in {socket.gethostname(), platform.node(), getpass.getuser(), os.environ.get("SUDO_USER", "")}:
        redactor.hide(name, "[machine or user]")
    return redactor, all_known


def _know_people(redactor: Redactor, where: Places) -> bool:
    """Everybody by name, and by each part of it: those who are known, were seen, may sit there, or can be called.

    False: a file that may name more cannot be read.
    """
    state, all_known = where.state, True
    for one in where.files:
        for name in _named_people(one.values):
            _hide_name(redactor, name)
    questions = {"gallery.db": "SELECT name FROM person", "*.history.db": "SELECT DISTINCT person FROM past"}
    for pattern, question in questions.items():
        for path in state.glob(pattern):
            try:
                with reading(path) as database:
                    names = [str(name) for (name,) in database.execute(question).fetchall()]
            except Error:
                all_known = False
                continue
            for name in names:
                if not name.startswith("unknown-"):
                    _hide_name(redactor, name)
    for path in state.glob("*.kept.json"):
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            redactor.hide_all(msgspec.json.decode(path.read_bytes()).get("overlay", {}), "[hidden]")
    return all_known


def _hide_name(redactor: Redactor, name: str) -> None:
    for word in (name, *name.split()):
        redactor.hide(word, "[person]", least=2)


def _named_people(values: Any, at: str = "") -> Iterator[str]:
    """Of settings: lists of who may sit there, and names of recipients."""
    if isinstance(values, Mapping):
        if at == "recipients":
            yield from map(str, values)
        for name, value in values.items():
            yield from _named_people(value, str(name))
    elif isinstance(values, list):
        for value in values:
            if at == "right_people":
                yield str(value)
            else:
                yield from _named_people(value)


# --- the pieces ---------------------------------------------------------------------------------------------------


def _camera(one: SettingsFile) -> Settings | None:
    try:
        # As the unit has it: the file's name is the camera's, where the file does not say.
        return load_with_origins(one.path, {"camera": one.name}, environment={}).settings
    except SettingsError:
        return None


def _actuator(one: SettingsFile) -> ActuatorSettings | None:
    try:
        return load_actuator(one.name, one.path, environment={}).settings
    except SettingsError:
        return None


def _versions() -> dict[str, Any]:
    libraries = {}
    for line in importlib.metadata.requires("edged") or []:
        found = re.match(r"[A-Za-z0-9_.-]+", line)
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            if found is not None:
                libraries[found[0]] = importlib.metadata.version(found[0])
    return {
        "edged": edged.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "kernel": platform.release(),
        "system": _first_words(Path("/etc/os-release"), ("PRETTY_NAME", "VERSION_ID", "ID")),
        "board": _read(Path("/proc/device-tree/model")).strip("\0\n "),
        "processors": os.cpu_count(),
        "memory": _first_words(Path("/proc/meminfo"), ("MemTotal", "MemAvailable", "SwapTotal", "SwapFree")),
        "uptime_seconds": _read(Path("/proc/uptime")).split(" ", maxsplit=1)[0],
        "libraries": libraries,
    }


def _first_words(path: Path, wanted: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for line in _read(path).splitlines():
        name, _, value = line.replace("=", ":", 1).partition(":")
        if name in wanted:
            found[name] = value.strip().strip('"')
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _settings(where: Places) -> list[dict[str, Any]]:
    told = []
    for one in where.files:
        entry: dict[str, Any] = {"kind": "actuator" if one.actuator else "camera"}
        try:
            if one.problem:
                entry["problem"] = "cannot be read as TOML"
            elif one.actuator:
                entry["settings"] = settings_told(load_actuator(one.name, one.path, environment={}).settings)
            else:
                entry["settings"] = settings_told(load_with_origins(one.path, environment={}).settings)
        except SettingsError as error:
            entry["refused"] = [f"{problem.path}: {problem.reason}" for problem in error.problems]
        told.append(entry)
    return told


def _kept(state: Path) -> dict[str, Any]:
    if not state.is_dir():
        return {"problem": "nothing has been kept yet"}
    told: dict[str, Any] = {"free_bytes": shutil.disk_usage(state).free, "databases": [], "files": []}
    for path, migrations in databases(state):
        entry: dict[str, Any] = {"name": path.name, "bytes": path.stat().st_size}
        try:
            entry["unused_bytes"] = free_bytes(path)
            entry["shape"] = asdict(shape_of(path, migrations))
            entry["damage"] = damage(path)
            with reading(path) as database:
                entry["rows"] = {name: database[name].count for name in database.table_names()}
        except Error as error:
            entry["problem"] = str(error)
        told["databases"].append(entry)
    for path in sorted(state.iterdir()):
        if path.is_file() and path.suffix != ".db":
            told["files"].append({"name": path.name, "bytes": path.stat().st_size})
    evidence = [path.stat().st_size for path in state.glob("evidence/*/**/*") if path.is_file()]
    told["evidence"] = {"files": len(evidence), "bytes": sum(evidence)}
    return told


def _doctor(cameras: list[Settings]) -> list[dict[str, Any]]:
    return [
        {"camera": settings.camera, "findings": [asdict(finding) for finding in examine(settings)]}
        for settings in cameras or [load()]
    ]


def _health(cameras: list[Settings], actuators: list[ActuatorSettings]) -> list[dict[str, Any]]:
    """What is retained; short of texts, for health has words and numbers of its own."""
    asked = [(one.mqtt, one.camera, camera_topic(one.mqtt.prefix, one.camera, "health")) for one in cameras]
    asked += [(one.mqtt, one.actuator, actuator_topic(one.mqtt.prefix, one.actuator, "health")) for one in actuators]

    def told(mqtt: MqttSettings, name: str, topic: str) -> dict[str, Any]:
        try:
            with Subscriber(mqtt, [topic], patience_seconds=_LISTEN_SECONDS) as subscriber:
                message = subscriber.receive(_LISTEN_SECONDS)
            return {"name": name, "health": None if message is None else msgspec.json.decode(message.payload)}
        except (EdgedError, msgspec.MsgspecError) as error:
            return {"name": name, "problem": str(error)}

    # Side by side: where the broker is gone, each waits out its patience.
    with ThreadPoolExecutor(max_workers=8) as listeners:
        return list(listeners.map(lambda each: told(*each), asked))


def _units() -> str:
    properties = [f"--property={','.join(_UNIT_FACTS)}"]
    return _output(["systemctl", "show", "--all", "--no-pager", *properties, *_UNITS])


def _log(lines: int, logs: Iterable[Path]) -> str:
    units = [word for unit in _UNITS for word in ("--unit", unit)]
    told = [
        "--- journal",
        _output(["journalctl", "--no-pager", "--no-hostname", "--output=short-iso", f"--lines={lines}", *units]),
    ]
    for path in logs:
        told += [f"--- {path.name}", *_read(path).splitlines()[-lines:]]
    return "\n".join(told) + "\n"


def _output(command: list[str]) -> str:
    """What a program of the system says, or why it says nothing."""
    if shutil.which(command[0]) is None:
        return f"{command[0]} is not there\n"
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]} did not answer: {type(error).__name__}\n"
    return done.stdout or f"{done.stderr.strip() or 'nothing'}\n"
