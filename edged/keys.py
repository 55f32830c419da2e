"""The key that an actuator and those who may ask it share: 32 random bytes, as 64 hexadecimal digits in a file."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from edged.errors import SettingProblem, SettingsError, StoreError

KEY_BYTES = 32
_OTHERS = stat.S_IRWXO


def make_key(path: Path) -> None:
    """Write a new key, readable for the owner only. Raises StoreError when the file is there already."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise StoreError(
            f"{path} is there already: a new key would shut out whoever has the old one (remove it first)"
        ) from None
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(fd, "w", encoding="ascii") as sink:
            sink.write(secrets.token_hex(KEY_BYTES) + "\n")
            sink.flush()
            os.fsync(sink.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)  # half a key is none
        raise StoreError(f"{path} cannot be written: {error.strerror}") from None


def find_key(
    path: Path | None, credential: str, environment: Mapping[str, str] = os.environ, at: str = "signing.key_file"
) -> bytes | None:
    """The key from the file, or from the systemd credential of that name; None where there is neither.

    Raises SettingsError, which names the file and never its content.
    """
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if folder and credential and (Path(folder) / credential).exists():
        # Who wrote the unit meant this one; the file may be closed to the user that it runs as.
        return read_key(Path(folder) / credential, "signing.credential")
    return None if path is None else read_key(path, at)


def read_key(path: Path, at: str = "signing.key_file") -> bytes:
    """The key in a file. Raises SettingsError when others may read it, and when it is none."""

    def refused(reason: str, cure: str) -> SettingsError:
        return SettingsError([SettingProblem(at, str(path), reason, cure)], "the signing key")

    try:
        with path.open("rb") as source:
            mode = os.fstat(source.fileno()).st_mode
            content = source.read(1024)
    except OSError as error:
        cure = {
            errno.ENOENT: f"edged actuator keygen {path}",
            errno.EACCES: "give it to the user that this runs as (chown), or hand it over as a systemd credential",
        }.get(error.errno or 0, "name the file that edged actuator keygen wrote")
        raise refused(f"cannot be read: {error.strerror}", cure) from None
    if mode & _OTHERS:
        raise refused("is open to every user of this machine", f"chmod o= {path}, better make a new one")
    try:
        key = bytes.fromhex(content.decode("ascii").strip())
    except ValueError:
        # `from None`: the exception carries the content.
        raise refused("is not a key: 64 hexadecimal digits", "edged actuator keygen writes one") from None
    if len(key) != KEY_BYTES:
        raise refused(f"has {len(key)} bytes instead of {KEY_BYTES}", "edged actuator keygen writes a good one")
    return key
