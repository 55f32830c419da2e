"""Files that are there whole or not at all, also after a pulled plug."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def whole_file(path: Path, beside: Path, own: Callable[[int], None] | None = None) -> Iterator[IO[bytes]]:
    """To be written to. When the block ends, `path` is what was written, on the disk; if it raises, nothing has changed.

    For its owner only (mode 0600). beside: in the same folder; one that is left of a killed writer is removed, and nobody
    else's is written into. own: gives the open file, still empty, to somebody; else see `give_to_owner`. Raises OSError.
    """
    beside.unlink(missing_ok=True)
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as sink:
            if own is None:
                give_to_owner(fd, path.parent)
            else:
                own(fd)
            yield sink
            sink.flush()
            os.fsync(fd)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_whole(path: Path, content: bytes, beside: Path, own: Callable[[int], None] | None = None) -> None:
    """All at once; else as `whole_file`."""
    with whole_file(path, beside, own) as sink:
        sink.write(content)


def give_to_owner(fd: int, folder: Path) -> None:
    """A file that root makes in somebody's folder is that somebody's, or the daemon could not use it any more.

    One that has a second name elsewhere is left alone: it may be another file of root's. Raises OSError.
    """
    if os.geteuid() == 0 and os.fstat(fd).st_nlink <= 1:
        owner = folder.stat()
        os.fchown(fd, owner.st_uid, owner.st_gid)


def sync_folder(folder: Path) -> None:
    """What was renamed or deleted in it is so on the disk. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
