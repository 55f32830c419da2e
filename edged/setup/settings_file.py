"""The settings file that setup writes: what it asked for is put in, all else stays as it stands. The only import of tomlkit."""

from __future__ import annotations

import grp
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

from edged.configuration.loading import load
from edged.errors import SettingProblem, SettingsError

GROUP = "edged"
_HEAD = (
    "# One camera of edged. `edged config example` shows all there is to set, `edged config check FILE` checks it.\n"
)


def merged(text: str, changes: Mapping[str, Any], origin: str) -> str:
    """The text of a settings file with these dotted paths set; None takes one away. Comments and order stay.

    Raises SettingsError where the text is not TOML.
    """
    try:
        document = tomlkit.parse(text or _HEAD)
        for path, value in changes.items():
            _set(document, path.split("."), value)
    except TOMLKitError as error:
        raise SettingsError([SettingProblem("", None, f"not valid TOML: {error}", "mend it first")], origin) from None
    return tomlkit.dumps(document)


def _set(container: Any, names: list[str], value: Any) -> None:
    *sections, name = names
    for section in sections:
        if section not in container:
            if value is None:
                return
            container[section] = tomlkit.table()
        container = cast("Table", container[section])
    if value is None:
        container.pop(name, None)
    else:
        container[name] = value


def write_settings(path: Path, text: str) -> None:
    """In its place at once or not at all, and only if a daemon could read it. Raises SettingsError, OSError."""
    temporary = _beside(path, text)
    try:
        load(temporary, environment={})
        temporary.replace(path)
    except SettingsError as error:
        raise SettingsError(error.problems, str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)


def write_secret(path: Path, secret: str) -> None:
    """A file of one line, for root and the daemon's group only. Raises OSError."""
    _beside(path, secret + "\n").replace(path)


def keep_old(path: Path) -> Path:
    """A copy of what is about to be replaced, as closed as it is. Raises OSError."""
    old = path.with_name(path.name + ".old")
    _beside(old, path.read_text(encoding="utf-8")).replace(old)
    return old


def _beside(path: Path, text: str) -> Path:
    """A new file in the same folder. Made closed to all, opened to the daemon's group where there is one."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            if os.geteuid() == 0 and (group := _group()) is not None:
                os.fchown(descriptor, 0, group)
                os.fchmod(descriptor, 0o640)
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _group() -> int | None:
    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return None
