"""Files that are there whole or not at all, also after a pulled plug."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, content: bytes, beside: Path) -> None:
    """For its owner only (mode 0600), on the disk when this returns. Raises OSError, and then nothing has changed.

    beside: in the same folder; one that is left of a killed writer is removed, and nobody else's is written into.
    """
    beside.unlink(missing_ok=True)
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as sink:
            sink.write(content)
            sink.flush()
            os.fsync(sink.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """What was renamed or deleted in it is so on the disk. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
