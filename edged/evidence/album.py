"""A camera's evidence: one folder with a file for each event. Knows names, ages and sizes; cannot open anything."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from edged.errors import EvidenceError
from edged.evidence.container import ID_PATTERN, Header, read_header
from edged.whole_file import sync_folder, write_whole

SUFFIX = ".evidence"
# Beside a file that has a copy elsewhere.
UPLOADED = ".uploaded"
_PARTIAL = ".partial"
# What is left of a file that was being written when the plug was pulled is swept away after this.
_PARTIAL_SECONDS = 3600.0
_PLAUSIBLE_SECONDS = 1_735_689_600.0  # 2025-01-01


@dataclass(frozen=True)
class Entry:
    """One file. begun_at: Unix seconds of the event, from its id. header: None where `problem` says why not."""

    event: str
    path: Path
    bytes: int
    begun_at: float
    header: Header | None
    problem: str = ""
    uploaded: bool = False


class Album:
    """One camera's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, event: str) -> Path:
        """Where an event's evidence is, or would be. Raises EvidenceError for what cannot be an event's id."""
        if not ID_PATTERN.fullmatch(event):
            raise EvidenceError(f"{event!r} is no event's id (edged evidence list shows them)")
        return self.folder / f"{event}{SUFFIX}"

    def write(self, event: str, content: bytes) -> Path:
        """All of it or nothing, on the disk when this returns. Raises OSError."""
        path = self.path(event)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, content, path.with_suffix(_PARTIAL))
        return path

    def entries(self) -> list[Entry]:
        """All files, the oldest first. Raises OSError when the folder cannot be read."""
        found = []
        for path in sorted(self._files(SUFFIX)):
            event = path.name.removesuffix(SUFFIX)
            size = 0
            try:
                size = path.stat().st_size
                header, problem = read_header(path), ""
                if header.event != event:
                    problem = f"{path.name} holds the evidence of {header.event}: it was renamed"
            except FileNotFoundError:
                continue  # somebody removed it just now
            except EvidenceError as error:
                header, problem = None, str(error)
            except OSError as error:
                header, problem = None, f"{path.name} cannot be read: {error.strerror}"
            found.append(Entry(event, path, size, _begun_at(event, path), header, problem, self._mark(event).exists()))
        return found

    def mark_uploaded(self, event: str) -> None:
        """A copy of it is elsewhere. Raises OSError."""
        self._mark(event).touch(mode=0o600)

    def remove(self, event: str) -> None:
        """Delete an event's file; nothing happens if there is none. Raises OSError."""
        self.path(event).unlink(missing_ok=True)
        self._mark(event).unlink(missing_ok=True)
        sync_folder(self.folder)

    def used_bytes(self) -> int:
        """The room that all files take. Raises OSError when the folder cannot be read."""
        total = 0
        for path in self._files(SUFFIX):
            with contextlib.suppress(FileNotFoundError):  # somebody removed it just now
                total += path.stat().st_size
        return total

    def prune(self, now: float, keep_seconds: float, limit_bytes: int) -> list[Entry]:
        """Delete what is older than may be kept, and the oldest of what is more; what was deleted. now: Unix seconds; 0.0: the
        clock cannot be trusted, so nothing is old.

        Raises OSError.
        """
        for partial in self._files(_PARTIAL):
            with contextlib.suppress(FileNotFoundError):  # it has its name now
                if now - partial.stat().st_mtime > _PARTIAL_SECONDS:
                    partial.unlink()
        entries = self.entries()
        total = sum(entry.bytes for entry in entries)
        gone = []
        for entry in entries:
            if now - entry.begun_at > keep_seconds or total > limit_bytes:
                self.remove(entry.event)
                total -= entry.bytes
                gone.append(entry)
        return gone

    def _files(self, suffix: str) -> list[Path]:
        try:
            return [
                path
                for path in self.folder.iterdir()
                if path.name.endswith(suffix) and ID_PATTERN.fullmatch(path.name.removesuffix(suffix))
            ]
        except FileNotFoundError:
            return []

    def _mark(self, event: str) -> Path:
        return self.folder / f"{event}{UPLOADED}"


def _begun_at(event: str, path: Path) -> float:
    """The first 48 bits of a UUIDv7 are Unix milliseconds (RFC 9562, section 5.7). Of a clock that had not been set yet, as
    without a battery before NTP answered, the file's last change is the better witness.
    """
    told = int(event.replace("-", "")[:12], 16) / 1000
    if told >= _PLAUSIBLE_SECONDS:
        return told
    try:
        return path.stat().st_mtime
    except OSError:
        return told
