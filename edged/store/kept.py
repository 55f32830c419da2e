"""What a daemon must know again at its next start: wishes for settings, and that it was asked not to look.

One small JSON file per camera, replaced as a whole: written beside, synced, renamed, folder synced. Whoever pulls the plug
finds the old one or the new one. A damaged file is set aside and said.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import msgspec

from edged.judgement.security import Blocked
from edged.notices import DATABASE_DAMAGED
from edged.whole_file import write_whole

log = logging.getLogger(__name__)

_VERSION = 1
_REFUSED_LIMIT = 16
_RETRY_SECONDS = 5.0


class Refused(msgspec.Struct, frozen=True):
    """Wishes that were taken back: the broker may repeat them with every connect. digest: of the overlay."""

    digest: str
    reason: str


class Trial(msgspec.Struct, frozen=True):
    """Wishes on probation. boots: how often a daemon began with them and did not end in good order."""

    overlay: dict[str, Any]
    sources: dict[str, str]
    boots: int = 0


class Kept(msgspec.Struct, frozen=True):
    """The file. overlay: the last wishes that proved themselves; sources: where each path's wish came.

    announced, announced_components: topics, and keys with their platforms, that Home Assistant was told of. blocked: the
    block of the seat that is in force. nonces: of signed commands, with when they expire (Unix seconds). trusted_since: what
    was signed before may have been carried out and forgotten, as after a restore (Unix seconds); 0: nothing was.
    """

    version: int = _VERSION
    revision: int = 0
    overlay: dict[str, Any] = {}
    sources: dict[str, str] = {}
    trial: Trial | None = None
    refused: tuple[Refused, ...] = ()
    paused: bool = False
    announced: tuple[str, ...] = ()
    announced_components: dict[str, str] = {}
    blocked: Blocked | None = None
    nonces: dict[str, float] = {}
    trusted_since: float = 0.0

    def refusing(self, refused: Refused) -> tuple[Refused, ...]:
        """Those refused and one more; the oldest are forgotten."""
        others = tuple(one for one in self.refused if one.digest != refused.digest)
        return (*others, refused)[-_REFUSED_LIMIT:]


class KeptFile:
    """One camera's file; None as path keeps all in memory.

    problem: why it is not written, one plain sentence; damage: what was lost when it was read, until the next start.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.problem = ""
        self.damage = ""
        self._retry_at = 0.0
        self.now = self._read()

    @property
    def lasting(self) -> bool:
        """It is on a disk, and so is what it says still known after a restart."""
        return self._path is not None and not self.problem

    def replace(self, **changes: Any) -> None:
        """Change some fields and write the file. What cannot be written counts until the end of the process."""
        after = msgspec.structs.replace(self.now, **changes)
        if after == self.now and not self.problem:
            return
        self.now = after
        if self._path is None:
            return
        try:
            content = msgspec.json.format(msgspec.json.encode(after), indent=1)
            write_whole(self._path, content, self._path.with_name(f"{self._path.name}.new"))
            self.problem = ""
        except OSError as error:
            if not self.problem:
                log.error("%s cannot be written: %s", self._path, error.strerror)
            self.problem = (
                "settings from afar, a block of the seat and a pause are not kept over a restart: "
                f"{self._path}: {error.strerror}"
            )

    def keep(self, now: float) -> None:
        """Try again, every few seconds, what the disk did not take: a block or a pause must not be lost to a disk that was
        full for a while. now: CLOCK_MONOTONIC seconds.
        """
        if self.problem and now >= self._retry_at:
            self._retry_at = now + _RETRY_SECONDS
            self.replace()
            if not self.problem and self._path is not None:
                log.info("%s is written again", self._path)

    def _read(self) -> Kept:
        if self._path is None:
            return Kept()
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=Kept)
        except FileNotFoundError:
            return Kept()
        except OSError as error:
            self.damage = f"settings from afar and a pause cannot be read: {self._path}: {error.strerror}"
            return Kept()
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return self._set_aside(f"is damaged ({error})")
        if kept.version > _VERSION:
            return self._set_aside(f"was written by a newer edged (version {kept.version})")
        return kept

    def _set_aside(self, why: str) -> Kept:
        assert self._path is not None
        aside = self._path.with_name(f"{self._path.name}.aside-{time.time_ns() // 1_000_000_000}")
        self.damage = (
            f"{self._path.name} {why} and is kept as {aside.name}: settings from afar start anew, a pause is forgotten"
        )
        log.error("%s", self.damage, extra=DATABASE_DAMAGED.extra())
        try:
            self._path.rename(aside)
        except OSError:
            pass  # the next write replaces it
        return Kept()
