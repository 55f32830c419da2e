"""The settings file that setup writes: what it asked for is put in, all else stays as it stands. The only import of tomlkit."""

from __future__ import annotations

import grp
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

from edged.configuration.loading import load
from edged.errors import EdgedError, SettingProblem, SettingsError
from edged.whole_file import whole_file, write_whole

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
    """In its place at once or not at all, and only if a daemon could read it. Raises SettingsError, EdgedError."""
    beside = _beside(path)
    try:
        with _named(path), whole_file(path, beside, _open_to_daemon) as sink:
            sink.write(text.encode())
            sink.flush()
            load(beside, environment={})
    except SettingsError as error:
        raise SettingsError(error.problems, str(path)) from None


def write_secret(path: Path, secret: str) -> None:
    """A file of one line, for root and the daemon's group only. Raises EdgedError."""
    with _named(path):
        write_whole(path, f"{secret}\n".encode(), _beside(path), _open_to_daemon)


def keep_old(path: Path) -> Path:
    """A copy of what is about to be replaced, as closed as it is. Raises EdgedError."""
    old = path.with_name(path.name + ".old")
    with _named(old):
        write_whole(old, path.read_bytes(), _beside(old), _open_to_daemon)
    return old


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EdgedError(f"{path} cannot be written: {error.strerror}") from None


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _open_to_daemon(fd: int) -> None:
    if os.geteuid() == 0 and (group := _group()) is not None:
        os.fchown(fd, 0, group)
        os.fchmod(fd, 0o640)


def _group() -> int | None:
    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return None
