"""The emergency stop: once closed it stays closed, over restarts and power cuts, until somebody opens it.

It is a file of its own beside the ledger: it must outlive a damaged database, and on a full disk there is room for an empty
file where there is none for a row. That it is there is what counts; what it says is for people.
"""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from edged.errors import StoreError
from edged.events import iso_utc
from edged.whole_file import sync_folder


class _Closed(msgspec.Struct, frozen=True):
    since: str
    reason: str


class Latch:
    """One actuator's emergency stop. problem: why it would not outlive this process; empty if it would."""

    def __init__(self, path: Path) -> None:
        """Raises StoreError when it cannot be told whether it is closed."""
        self._path = path
        self._kept = True
        self.problem = ""
        self._closed: _Closed | None = None
        try:
            content = path.read_bytes()
            made = path.stat().st_mtime
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"{path}, the emergency stop, cannot be read: {error.strerror}") from None
        try:
            self._closed = msgspec.json.decode(content, type=_Closed)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            since = datetime.fromtimestamp(made, timezone.utc).isoformat(timespec="milliseconds")
            self._closed = _Closed(since.replace("+00:00", "Z"), f"{path.name} is there")

    @property
    def closed(self) -> bool:
        """Nothing may be done."""
        return self._closed is not None

    @property
    def since(self) -> str | None:
        """UTC, ISO 8601; None when it is open."""
        return None if self._closed is None else self._closed.since

    @property
    def words(self) -> str:
        """Since when, and why."""
        return "" if self._closed is None else f"since {self._closed.since}: {self._closed.reason}"

    def close(self, reason: str, now: float) -> None:
        """Stop. It holds in this process even where the disk does not take it; `keep` tries again."""
        if self._closed is None:
            self._closed, self._kept = _Closed(iso_utc(int(now * 1e9)), reason), False
        self.keep()

    def keep(self) -> None:
        """Have it outlive this process, if it does not yet."""
        if self._kept or self._closed is None:
            return
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                sync_folder(self._path.parent)
                os.pwrite(fd, msgspec.json.encode(self._closed), 0)
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            self.problem = (
                f"the emergency stop would not outlive a restart: {self._path} cannot be written: {error.strerror}"
            )
            return
        self._kept, self.problem = True, ""

    def open(self) -> None:
        """Go on. Raises StoreError when that cannot be kept; it stays closed then."""
        try:
            self._path.unlink(missing_ok=True)
            sync_folder(self._path.parent)
        except OSError as error:
            self._kept = False  # the file may be gone all the same
            raise StoreError(f"{self._path} cannot be removed: {error.strerror}") from None
        self._closed, self._kept, self.problem = None, True, ""
