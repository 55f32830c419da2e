"""The gallery as the stage uses it: read into matrices, read again when it changed, strangers and learning beside it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from edged.errors import EdgedError
from edged.inference.recognition.embedders import Embedder
from edged.inference.recognition.known import Match, Matrix
from edged.inference.recognition.learning import Learning
from edged.inference.recognition.renewal import renew
from edged.inference.recognition.strangers import Strangers
from edged.inference.recognition.vectors import Vector as Embedding
from edged.inference.stages import Surroundings
from edged.observations import Identity
from edged.settings.recognition import RecognitionSettings
from edged.store.gallery import Gallery
from edged.store.gallery_people import Contents

log = logging.getLogger(__name__)

T = TypeVar("T")

_REFRESH_SECONDS = 0.5
_COMPLAINT_SECONDS = 60.0  # a gallery that could not be written is complained of for so long after the last try
_NOBODY = -1.0  # the similarity to nobody


class Library:
    """Looks vectors up. warnings: plain sentences on what is wrong with the gallery. Raises StoreError at construction."""

    def __init__(self, settings: RecognitionSettings, embedder: Embedder, surroundings: Surroundings) -> None:
        assert surroundings.state_directory is not None
        self.settings = settings
        self._embedder = embedder
        self._remembers = surroundings.remembers
        self.gallery = Gallery(surroundings.state_directory, settings.key_file)
        self._strangers = Strangers(self.gallery, embedder)
        self._learning = Learning(self.gallery, embedder)
        self._refreshed_at = -1e9
        self._version = -1
        self.warnings: list[str] = []
        self._unwritten, self._unwritten_at = "", 0.0
        self._unread = False
        self._enrolled: frozenset[tuple[int, str]] = frozenset()
        self.contents = Contents()
        self._known = Matrix([], [])
        self._unknown = Matrix([], [])
        self.reload()
        self._told_enrolled = self._enrolled

    def close(self) -> None:
        """Let go of the file."""
        self.gallery.close()

    def refresh(self, at_seconds: float) -> bool:
        """Read the gallery again if somebody changed it, or could not be read; looked at twice a second of stream time.

        True: who is enrolled, or with what, is another than at the last call that looked.
        """
        if 0 <= at_seconds - self._refreshed_at < _REFRESH_SECONDS:
            return False
        self._refreshed_at = at_seconds
        if self._unwritten and not 0 <= at_seconds - self._unwritten_at < _COMPLAINT_SECONDS:
            # Nothing failed for a while. Whether there was anything to write nobody knows: the next failure is told again.
            self.warnings = [one for one in self.warnings if one != self._unwritten]
            self._unwritten = ""
        try:
            gone = self._remembers and self._strangers.expire(self.settings)
            if gone or self._unread or self.gallery.version() != self._version:
                self.reload()
        except EdgedError as error:
            self._cannot_write(error)
        changed = self._enrolled != self._told_enrolled
        self._told_enrolled = self._enrolled
        return changed

    def reload(self) -> None:
        """Read everybody; vectors of another model are made anew where pictures were kept."""
        told = self.warnings
        try:
            self._version = self.gallery.version()
            self.contents = self.gallery.contents()
            self._unread = False
            lost: list[str] = []
            if self._remembers:
                renewed, lost = renew(self.gallery, self.contents, self._embedder)
                if renewed:
                    self.contents = self.gallery.contents()
        except EdgedError as error:
            # Who cannot be read is not known: better nobody than anybody.
            self.contents = Contents(problems=[str(error)])
            self._unread = True
            lost = []
        fits = [
            one
            for one in self.contents.vectors
            if (one.model, one.version) == (self._embedder.model, self._embedder.version)
        ]
        people = self.contents.people.values()
        known = {one.id: one.name for one in people if not one.stranger}
        self._enrolled = frozenset(
            (one.id, known[one.person]) for one in fits if one.person in known and one.source != "learned"
        )
        self._known = Matrix([one for one in people if not one.stranger], fits)
        self._unknown = Matrix([one for one in people if one.stranger], fits)
        self._learning.load(self.contents)
        what = "the gallery cannot be read, so nobody is known" if self._unread else "the gallery was tampered with"
        self.warnings = [f"{what}: {problem}" for problem in self.contents.problems]
        if lost:
            self.warnings.append(
                f"{', '.join(lost)} cannot be recognised by {self._embedder.model}, for they were enrolled otherwise and "
                "no pictures were kept (cure: edged faces enroll NAME again)"
            )
        if self._unwritten:
            self.warnings.append(self._unwritten)
        for warning in self.warnings:
            if warning not in told:
                log.warning("%s", warning)

    def only(self, tracks: set[int]) -> None:
        """Only these tracks are still there."""
        self._strangers.gone(tracks)

    def new_face(self, track: int) -> None:
        """This track is new, or may be another face now."""
        self._strangers.new_face(track)

    def look_up(self, track: int, vector: Embedding, quality: float, *, settled: bool) -> Identity:
        """Who this is. settled: the last looks said the same. Strangers may be noted, known people learned."""
        threshold = self._embedder.threshold
        best = self._known.search(vector)
        if best is not None:
            best = self._learning.guarded(best, vector)
        if best is not None and best.similarity >= threshold:
            self._strangers.known(track)
            if self._remembers and self.settings.learn and settled:
                self._write(self._learning.look, best, vector, quality, self._known, self.settings)
            return _identity(best, threshold, quality)
        nearest = None if best is None else round(best.similarity, 4)
        if self.settings.strangers:
            again = self._unknown.search(vector)
            if again is not None and again.similarity >= threshold:
                if self._remembers:
                    self._write(self._strangers.meet, track, again, vector, quality, self._unknown)
                return Identity(
                    again.person.name, round(again.similarity, 4), threshold, quality, nearest, stranger=True
                )
            if self._remembers and (
                new := self._write(self._strangers.wonder, track, vector, quality, best, self._unknown)
            ):
                return Identity(new.name, 1.0, threshold, quality, nearest, stranger=True)
        if best is None:
            return Identity(None, _NOBODY, threshold, quality)
        return _identity(best, threshold, quality)

    def _write(self, write: Callable[..., T], *arguments: object) -> T | None:
        """Do what may write; a gallery that cannot be written still recognises."""
        try:
            written = write(*arguments)
        except EdgedError as error:
            self._cannot_write(error)
            return None
        if written:
            self._unwritten = ""
            self.reload()
        return written

    def _cannot_write(self, error: EdgedError) -> None:
        warning = f"strangers are not remembered, and nothing is learned: {error}"
        self._unwritten_at = self._refreshed_at
        if warning != self._unwritten:
            self._unwritten = warning
            log.warning("%s", warning)
            self.warnings.append(warning)


def _identity(match: Match, threshold: float, quality: float) -> Identity:
    runner_up = None if match.runner_up is None else round(match.runner_up, 4)
    return Identity(match.person.name, round(match.similarity, 4), threshold, quality, runner_up)
