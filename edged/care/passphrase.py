"""Where the passphrase of a backup comes from: a file, a variable, or whoever sits there. Never the command line, which
everybody on the machine can read.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import typer

from edged.errors import BackupError

VARIABLE = "EDGED_BACKUP_PASSPHRASE"
LEAST_CHARACTERS = 12
_MOST_BYTES = 4096


def passphrase(file: Path | None, *, new: bool) -> str:
    """new: it shall seal something, so it is asked for twice and must not be short. Raises BackupError."""
    if file is not None:
        found = _read(file)
    elif VARIABLE in os.environ:
        found = os.environ.pop(VARIABLE)  # what is started from here has no use for it
    elif sys.stdin.isatty():
        found = str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=new, err=True))
    else:
        raise BackupError(
            f"there is no passphrase: give --passphrase-file FILE, set {VARIABLE}, or run it in a terminal"
        )
    if not found:
        raise BackupError("the passphrase is empty")
    if new and len(found) < LEAST_CHARACTERS:
        raise BackupError(
            f"the passphrase has {len(found)} characters and must have {LEAST_CHARACTERS}: whoever gets hold of the file can "
            "try as many as they like (several words are good)"
        )
    return found


def _read(file: Path) -> str:
    try:
        with file.open("rb") as source:
            mode = os.fstat(source.fileno()).st_mode
            content = source.read(_MOST_BYTES + 1)
    except OSError as error:
        raise BackupError(f"the passphrase's file {file} cannot be read: {error.strerror}") from None
    if stat.S_ISREG(mode) and mode & stat.S_IRWXO:
        raise BackupError(f"the passphrase's file {file} is open to every user of this machine (chmod o= {file})")
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise BackupError(f"the passphrase's file {file} is no UTF-8 text") from None
    if len(content) > _MOST_BYTES or len(lines) > 1:
        raise BackupError(f"the passphrase's file {file} has more than one line")
    return lines[0] if lines else ""
