"""Where edged keeps things, and the lock that says whose they are."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from edged.errors import RestoreUnfinished, StoreError
from edged.settings import StoreSettings
from edged.store.swap import pending, settle
from edged.whole_file import give_to_owner

_SYSTEM = Path("/var/lib/edged")


def state_directory(settings: StoreSettings) -> Path:
    """The folder, made if it is not there, for who is about to write in it. Raises StoreError with the cure when it
    cannot be written, and when a restore is under way, or was cut off and has changed the settings meanwhile.
    """
    folder = chosen_directory(settings)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the folder {folder} cannot be made: {error.strerror} (set store.directory to one that can be written)"
        ) from error
    if settle(folder):
        raise RestoreUnfinished(
            "a restore was cut off, and has been finished now: settings may be others (begin again)"
        )
    return folder


def chosen_directory(settings: StoreSettings) -> Path:
    """The folder, whether it is there or not."""
    if settings.directory is not None:
        return settings.directory
    for variable in ("EDGED_STATE_DIR", "STATE_DIRECTORY"):
        # systemd gives several, separated by colons, where a unit has several.
        if given := os.environ.get(variable, "").split(":")[0]:
            return Path(given)
    if _SYSTEM.is_dir() and os.access(_SYSTEM, os.W_OK):
        return _SYSTEM
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "edged"


def evidence_directory(folder: Path, camera: str) -> Path:
    """Where a camera's evidence is, within the folder of what is kept."""
    return folder / "evidence" / camera


class InstanceLock:
    """Held by the one daemon of a camera: two would throw each other off the broker and write the same files.

    The kernel frees it however the holder ends. Raises StoreError, naming the holder, when it is taken.
    """

    def __init__(self, folder: Path, name: str, *, restoring: bool = False) -> None:
        """restoring: of who has claimed the folder for a restore. Raises StoreError when anybody else has."""
        path = folder / f"{name}.lock"
        try:
            # No link: root, too, takes these locks, in a folder that is not root's.
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            self._fd = -1
            self.problem = f"{path} cannot be written: {error.strerror}"
            if restoring:
                raise StoreError(f"{self.problem} (it may be a link, or another user's: look at it)") from None
            # Read-only or full: running without a lock is better than not running.
            return
        self.problem = ""
        if not os.fstat(self._fd).st_size:
            # Made by a command of root's: the daemon must be able to take it.
            give_to_owner(self._fd, folder)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip()
            os.close(self._fd)
            raise StoreError(
                f"another edged already runs as {name!r}: process {holder or 'unknown'} holds {path} "
                "(stop it, or give this one another name or another store.directory)"
            ) from error
        if not restoring and pending(folder):
            # Looked at with the lock held, as the restore takes the locks while it has its claim: one of us sees the other.
            self.close()
            raise RestoreUnfinished(f"a restore is under way in {folder}, or was cut off (begin again after its end)")
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            pass  # a full disk: the lock itself holds

    def close(self) -> None:
        """Let another have it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> InstanceLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
