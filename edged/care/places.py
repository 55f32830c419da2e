"""What edged has on disk: the folder of settings, the folder of what is kept, and which part each file is of."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edged.actuators.table import KINDS
from edged.care.backup_file import Manifest, Root, fit_name
from edged.errors import BackupError, SettingsError
from edged.settings import StoreSettings
from edged.store import audit
from edged.store.directory import chosen_directory
from edged.store.gallery import GALLERY_FILE
from edged.store.gallery_seal import KEY_FILE
from edged.store.history import SUFFIX as HISTORY_SUFFIX
from edged.store.migrations import (
    GALLERY_MIGRATIONS,
    HISTORY_MIGRATIONS,
    JOB_MIGRATIONS,
    MIGRATIONS,
    TWILIO_MIGRATIONS,
)
from edged.store.sqlite_library import Migrations
from edged.toml_file import read_toml

PARTS = {
    "settings": "settings files (*.toml)",
    "gallery": "people who are recognised, with the key of the gallery's seals",
    "kept": "settings from afar (last known good), blocks, pauses, emergency stops",
    "history": "past events",
    "audit": "the audit trail",
    "keys": "signing keys, passwords and all else in the folder of settings",
}
_SYSTEM = Path("/etc/edged")
_STATE_VARIABLES = ("EDGED_STATE_DIR", "STATE_DIRECTORY")
# Of the package, which brings its own: an old one put back would stand in the way of an upgrade.
_EXAMPLE = ".example"
_MOST_FILES = 1000
_MOST_KEY_BYTES = 1 << 20
_AUDIT_ASIDE = re.compile(r"audit-\d+\.jsonl")
_ACTUATOR_WORDS = {"actuator", "kind", "policy", "bindings", "cancel", "retry", *KINDS}
# The last matches: the name of an outbox is the shortest.
_DATABASES: tuple[tuple[str, Migrations], ...] = (
    (HISTORY_SUFFIX, HISTORY_MIGRATIONS),
    (".jobs.db", JOB_MIGRATIONS),
    (".twilio.db", TWILIO_MIGRATIONS),
    (".db", MIGRATIONS),
)


@dataclass(frozen=True)
class SettingsFile:
    """One settings file. values: as they stand in it; empty where it cannot be read, and then `problem` says why."""

    path: Path
    values: Mapping[str, Any]
    problem: str = ""

    @property
    def actuator(self) -> bool:
        """It is an actuator's, not a camera's."""
        if _ACTUATOR_WORDS & self.values.keys():
            return True
        return self.path.stem in KINDS and not {"camera", "capture"} & self.values.keys()

    @property
    def name(self) -> str:
        """The camera's or actuator's; where the file does not say, the unit takes the file's."""
        return str(self.values.get("actuator" if self.actuator else "camera") or self.path.stem)

    def files(self) -> Iterator[tuple[str, Path]]:
        """Dotted path and value of every setting that names a file."""
        yield from _files(self.values, self.path.absolute().parent, "")


@dataclass(frozen=True)
class Found:
    """A file that belongs in a backup. root, name: as in `backup_file.Item`."""

    part: str
    root: Root
    name: str
    path: Path


@dataclass(frozen=True)
class Places:
    """The two folders. files: the settings files. state_named: they say where the other one is."""

    settings: Path
    state: Path
    files: list[SettingsFile] = field(default_factory=list)
    state_named: bool = False


def settings_directory(given: Path | None = None) -> Path:
    """Where settings files are, whether it is there or not."""
    if given is not None:
        return given.absolute()
    if _SYSTEM.is_dir():
        return _SYSTEM
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "edged"


def places(settings: Path | None = None, state: Path | None = None, backup: Manifest | None = None) -> Places:
    """Both folders as they are used: what is kept is where the settings files say, if it is not given.

    backup: where there is nothing yet, things go where they were. Raises BackupError: several places are named, or a folder
    cannot be read.
    """
    folder = settings_directory(settings)
    if backup is not None and settings is None and is_root() and not folder.is_dir():
        folder = Path(backup.settings)
    files = settings_files(folder)
    if state is not None:
        return Places(folder, state.absolute(), files)
    named = sorted({path for one in files if (path := _store_directory(one)) is not None})
    if len(named) > 1:
        raise BackupError(
            f"the settings in {folder} name several folders of what is kept: {', '.join(map(str, named))} "
            "(take one at a time: --state FOLDER)"
        )
    if named:
        return Places(folder, named[0].absolute(), files, state_named=True)
    given = any(os.environ.get(name) for name in _STATE_VARIABLES)
    if backup is not None and not given and (backup.state_named or is_root()):
        return Places(folder, Path(backup.state), files)
    return Places(folder, chosen_directory(StoreSettings()).absolute(), files)


def is_root() -> bool:
    """This process may give files away."""
    return os.geteuid() == 0


def settings_files(folder: Path) -> list[SettingsFile]:
    """Those in the folder, by name. Raises BackupError when it cannot be read."""
    read = []
    for path in _walk(folder):
        if path.suffix == ".toml":
            try:
                read.append(SettingsFile(path, read_toml(path)))
            except SettingsError as error:
                read.append(SettingsFile(path, {}, str(error)))
    return read


def parts_of(where: Places) -> tuple[list[Found], list[str]]:
    """All that a backup may hold, and a sentence for each thing that it cannot."""
    found = list(_kept(where.state))
    warnings = []
    gallery_keys = {
        path.resolve()
        for one in where.files
        for at, path in one.files()
        if at == "inference.recognition.key_file" and path.exists()
    }
    for path in _walk(where.settings):
        part = "settings" if path.suffix == ".toml" else "keys"
        if path.resolve() in gallery_keys:
            part = "gallery"
        name = path.relative_to(where.settings).as_posix()
        if path.suffix == _EXAMPLE:
            continue
        if path.stat().st_size > _MOST_KEY_BYTES:
            warnings.append(f"{path} is larger than 1 MiB: no settings and no key; it is left out")
        elif not fit_name(name):
            warnings.append(f"{path} has a name that a backup cannot hold; it is left out")
        else:
            found.append(Found(part, "settings", name, path))
    known = {one.path.resolve() for one in found}
    for one in where.files:
        for at, path in one.files():
            if path.exists() and path.resolve() not in known:
                inside = path.absolute().parent == where.state and fit_name(path.name)
                if inside:
                    found.append(Found("keys", "state", path.name, path))
                    known.add(path.resolve())
                else:
                    warnings.append(
                        f"{one.path.name} names {path} ({at}), which is outside of {where.settings}: keep a copy of it "
                        "yourself"
                    )
    return sorted(found, key=lambda each: (list(PARTS).index(each.part), each.root, each.name)), warnings


def databases(state: Path) -> Iterator[tuple[Path, Migrations]]:
    """Every database in the folder, and the migrations that make its shape."""
    for path in sorted(state.glob("*.db")):
        yield path, migrations_of(path.name)


def migrations_of(name: str) -> Migrations:
    """By the name of a database."""
    if name == GALLERY_FILE:
        return GALLERY_MIGRATIONS
    return next(migrations for suffix, migrations in _DATABASES if name.endswith(suffix))


def _kept(state: Path) -> Iterator[Found]:
    if not state.is_dir():
        return
    try:
        names = sorted(path.name for path in state.iterdir() if path.is_file())
    except PermissionError:
        raise BackupError(f"{state} may not be read by this user (use sudo)") from None
    for name in names:
        if (part := _part_of(name)) and fit_name(name):
            yield Found(part, "state", name, state / name)
    if GALLERY_FILE in names and KEY_FILE in names:
        yield Found("gallery", "state", KEY_FILE, state / KEY_FILE)


def _part_of(name: str) -> str:
    if name == GALLERY_FILE:
        return "gallery"
    if name.endswith((".kept.json", ".stopped")):
        return "kept"
    if name.endswith(HISTORY_SUFFIX):
        return "history"
    if name in (audit.NAME, audit.NAME.replace(".jsonl", ".head")) or _AUDIT_ASIDE.fullmatch(name):
        return "audit"
    return ""


def _walk(folder: Path) -> list[Path]:
    """Files of a folder of settings, hidden ones left out. Raises BackupError."""
    if not folder.is_dir():
        return []
    found: list[Path] = []

    def refused(error: OSError) -> None:
        raise BackupError(f"{error.filename} may not be read by this user (use sudo)")

    for place, folders, names in os.walk(folder, onerror=refused):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [path for name in sorted(names) if not name.startswith(".") and (path := Path(place) / name).is_file()]
        if len(found) > _MOST_FILES:
            raise BackupError(f"{folder} has more than {_MOST_FILES} files: it is no folder of settings (--settings)")
    return found


def _store_directory(one: SettingsFile) -> Path | None:
    store = one.values.get("store")
    given = store.get("directory") if isinstance(store, Mapping) else None
    return one.path.absolute().parent / Path(given).expanduser() if isinstance(given, str) else None


def _files(values: Any, folder: Path, at: str) -> Iterator[tuple[str, Path]]:
    if isinstance(values, Mapping):
        for name, value in values.items():
            if isinstance(value, str) and str(name).endswith("_file") and value:
                yield f"{at}{name}", folder / Path(value).expanduser()
            else:
                yield from _files(value, folder, f"{at}{name}.")
    elif isinstance(values, list):
        for number, value in enumerate(values):
            yield from _files(value, folder, f"{at}{number + 1}.")
