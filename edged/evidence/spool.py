"""Uploads what has no copy yet, for ever: waits for what comes, and ever longer while the store is away."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from edged.errors import UploadFailed
from edged.evidence.album import Album, Entry
from edged.evidence.upload import Uploader

log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 2.0
# How soon new evidence is noticed.
_LOOK_SECONDS = 10.0
_REFUSALS_A_TURN = 5


@dataclass
class Spool:
    """The evidence of one camera, and where copies of it go.

    uploaded(entry, name): called with each copy that was made, before it is marked; what it raises ends the spooling.
    """

    album: Album
    camera: str
    uploader: Uploader
    uploaded: Callable[[Entry, str], None]
    retry_max_seconds: float
    problem: str = ""
    _failures: int = 0

    def waiting(self) -> list[Entry]:
        """What has no copy, the oldest first. Damaged files are copied, too: they are evidence of something."""
        return [entry for entry in self.album.entries() if not entry.uploaded]

    def turn(self) -> int:
        """Copy what waits; how many were. Raises OSError when the folder cannot be read or marked."""
        done = refused = 0
        problem = ""
        for entry in self.waiting():
            try:
                name = self.uploader.put(entry, self.camera)
            except FileNotFoundError:
                continue  # deleted meanwhile, for its age
            except UploadFailed as error:
                problem = str(error)
                refused += error.refused
                if not error.refused or refused >= _REFUSALS_A_TURN:
                    break
                continue  # one that the store does not take must not keep the others waiting
            self.uploaded(entry, name)
            self.album.mark_uploaded(entry.event)
            log.info("evidence of %s has a copy: %s", entry.event, name)
            done += 1
        if problem and problem != self.problem:
            log.warning("%s; %d wait", problem, len(self.waiting()))
        self.problem = problem
        self._failures = self._failures + 1 if problem else 0
        return done

    @property
    def pause_seconds(self) -> float:
        """Until the next turn is worth it."""
        if not self._failures:
            return _LOOK_SECONDS
        longest = min(self.retry_max_seconds, _FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures - 1, 20))
        # Many boards that lost one store must not come back to it all at once.
        return longest * (0.5 + random.random() / 2)
