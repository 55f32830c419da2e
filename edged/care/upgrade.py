"""Can this version take over what is on disk? Looks, and changes nothing.

Run with the new version before it is installed over the old one, or after, before the daemons are started.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

import edged
from edged.actuators.loading import load_actuator
from edged.care.places import Places, databases
from edged.configuration.loading import load_with_origins
from edged.errors import SettingsError, StoreError
from edged.inference.models import ModelStore, default_directory, needed
from edged.settings import Settings
from edged.store.audit import NAME as AUDIT
from edged.store.audit_check import verify
from edged.store.database import Error, damage, shape_of
from edged.store.kept import Kept
from edged.store.swap import pending
from edged.wording import counted

_UNIT_FOLDERS = tuple(
    Path(folder)
    for folder in ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
                   "/usr/lib/systemd/system", "/lib/systemd/system")
)  # fmt: skip
# Beside what migrations write anew: the log, and room to run.
_SPARE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Finding:
    """One thing. blocks: it stands in the way. cure: what to do; empty where nothing is to be done."""

    name: str
    blocks: bool
    what: str
    cure: str = ""


def check(where: Places, units: Path | None, unit_folders: tuple[Path, ...] = _UNIT_FOLDERS) -> Iterator[Finding]:
    """units: the folder of this version's units; None: it brought none along."""
    yield Finding("version", False, f"this is edged {edged.__version__}")
    yield from _settings(where)
    yield from _state(where)
    yield from _models(where)
    yield from _units(units, unit_folders)


def shipped_units() -> Path | None:
    """The units that came with this version, where it runs from its checkout."""
    folder = Path(edged.__file__).parent.parent / "systemd"
    return folder if folder.is_dir() else None


def _settings(where: Places) -> Iterator[Finding]:
    if not where.files:
        yield Finding("settings", False, f"none in {where.settings}")
    for one in where.files:
        try:
            if one.problem:
                yield Finding("settings", True, one.problem, "mend it: edged config check FILE")
                continue
            if one.actuator:
                load_actuator(one.name, one.path, environment={})
            else:
                load_with_origins(one.path, environment={})
        except SettingsError as error:
            command = f"edged actuator check {one.name} -c" if one.actuator else "edged config check"
            for problem in error.problems:
                place = f"{problem.path}: " if problem.path else ""
                cure = problem.cure or f"{command} {one.path}"
                yield Finding("settings", True, f"{one.path.name}: {place}{problem.reason}", cure)
        else:
            yield Finding("settings", False, f"{one.path.name} is good")


def _state(where: Places) -> Iterator[Finding]:
    state = where.state
    if not state.is_dir():
        yield Finding("kept", False, f"{state} is not there: nothing has been kept yet")
        return
    if pending(state):
        yield Finding("restore", True, f"a restore in {state} is under way, or was cut off", "edged restore --resume")
    rewritten = 0
    try:
        for path, migrations in databases(state):
            try:
                shape = shape_of(path, migrations)
            except Error as error:
                yield Finding("kept", True, f"{path.name} cannot be read: {error}", "restore it, or move it away")
                continue
            if shape.unknown:
                told = ", ".join(shape.unknown)
                yield Finding(
                    "kept", True, f"{path.name} was written by a newer edged (it has {told})",
                    "keep that version, or put back a backup from before it: edged restore",
                )  # fmt: skip
                continue
            problems = damage(path)
            if problems:
                yield Finding("kept", True, f"{path.name} is damaged: {problems[0]}", "restore it, or move it away")
            elif shape.pending:
                rewritten += path.stat().st_size
                steps = ", ".join(shape.pending)
                yield Finding("kept", False, f"{path.name} is good; {steps} will be done when it is opened")
            else:
                yield Finding("kept", False, f"{path.name} is good, and as this version has it")
        yield from _kept(state)
        if (state / AUDIT).exists():
            verdict = verify(state)
            sound = "good" if not verdict.problems else f"not as it was: {verdict.problems[0]} (edged audit verify)"
            yield Finding("kept", False, f"{AUDIT} has {counted(verdict.records, 'record')} and is {sound}")
    except (OSError, StoreError) as error:
        yield Finding("kept", True, f"{state} cannot be read: {error}", "use sudo, or name the folder: --state")
        return
    free, wanted = shutil.disk_usage(state).free, 2 * rewritten + _SPARE_BYTES
    told = f"{free / 1e6:.0f} MB free at {state}, {wanted / 1e6:.0f} MB are wanted"
    yield Finding("room", free < wanted, told, "make room" if free < wanted else "")


def _kept(state: Path) -> Iterator[Finding]:
    for path in sorted(state.glob("*.kept.json")):
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=Kept)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            yield Finding("kept", True, f"{path.name} is damaged: {error}", "restore it, or move it away")
            continue
        if kept.version > Kept().version:
            yield Finding(
                "kept", True, f"{path.name} was written by a newer edged (version {kept.version})",
                "keep that version, or put back a backup from before it: edged restore",
            )  # fmt: skip
        else:
            yield Finding("kept", False, f"{path.name} is good")


def _models(where: Places) -> Iterator[Finding]:
    """What the cameras of this version need."""
    cameras = [one for one in where.files if not one.actuator and not one.problem]
    folders = set()
    for one in cameras:
        try:
            folders.add(default_directory(load_with_origins(one.path, environment={}).settings.models))
        except SettingsError:
            continue  # told already
    for folder in sorted(folders or ({default_directory(Settings().models)} if cameras else set())):
        store = ModelStore(folder)
        problems = [problem for name in needed() if (problem := store.problem(name)) is not None]
        for problem in problems:
            yield Finding("models", True, f"{folder}: {problem.model} {problem.reason}", problem.cure)
        if not problems:
            yield Finding("models", False, f"{counted(len(needed()), 'model')} good in {folder}")


def _units(units: Path | None, folders: tuple[Path, ...]) -> Iterator[Finding]:
    """Installed units that are not this version's. They do not stand in the way: their owner may have changed them."""
    if units is None:
        return
    for unit in sorted(units.glob("*.service")) + sorted(units.glob("*.target")):
        for folder in folders:
            installed = folder / unit.name
            if not installed.is_file():
                continue
            if installed.read_bytes() == unit.read_bytes():
                yield Finding("units", False, f"{installed} is this version's")
            else:
                cure = f"diff {installed} {unit}; sudo cp {unit} {folder}/ && sudo systemctl daemon-reload"
                yield Finding("units", False, f"{installed} is not this version's", cure)
            break  # the first folder wins
