"""Strangers who are known again: whose vectors are near to each other is one person, `unknown-3`.

A stranger is made from several good looks at one track that agree, so that one bad picture makes nobody. What is
written is little: a new stranger, a few vectors that show them otherwise, and now and then when they were last seen.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from edged import clock
from edged.inference.recognition.embedders import Embedder
from edged.inference.recognition.known import Match, Matrix, to_bytes
from edged.inference.recognition.vectors import Vector as Embedding
from edged.settings.recognition import RecognitionSettings
from edged.store.gallery import Gallery
from edged.store.gallery_people import NewVector, Person

_LOOKS = 3  # good looks that must agree before somebody is a stranger
_LOOKS_ONCE_KNOWN = 8  # the same, for a face that was known before: it is rather turned away than another
_GOOD_QUALITY = 0.5
_DOUBT = 0.05  # a face this near below the threshold to somebody known is no stranger yet
_VECTORS = 8  # most that are kept of one stranger
_ANOTHER_LOOK = 0.8  # a vector further from all others than this shows the stranger otherwise
# Looks at one unbroken track that are so far from a stranger, by share of the threshold, still show the same one otherwise.
_SAME_TRACK = 0.5
_SEEN_SECONDS = 60.0
_EXPIRE_SECONDS = 3600.0


@dataclass
class _Waiting:
    """Looks at a track that may become a stranger. stranger: whom it was recognised as, without a break since."""

    vectors: list[tuple[Embedding, float]] = field(default_factory=list)
    was_known: bool = False
    stranger: Person | None = None


class Strangers:
    """Finds and makes them. Raises StoreError and GalleryError when they cannot be written."""

    def __init__(self, gallery: Gallery, embedder: Embedder) -> None:
        self._gallery = gallery
        self._embedder = embedder
        self._waiting: dict[int, _Waiting] = {}
        self._told: dict[int, float] = {}
        self._expired_at = -1e18

    def known(self, track: int) -> None:
        """The face is somebody's who is enrolled."""
        self._waiting[track] = _Waiting(was_known=True)

    def gone(self, tracks: set[int]) -> None:
        """Only these tracks are still there."""
        self._waiting = {track: one for track, one in self._waiting.items() if track in tracks}

    def new_face(self, track: int) -> None:
        """The track may be another face now: what was thought of it does not count."""
        self._waiting.pop(track, None)

    def meet(self, track: int, match: Match, vector: Embedding, quality: float, matrix: Matrix) -> bool:
        """A stranger was seen again. True: something was written that changes what is searched."""
        now = time.time()
        person = match.person
        self._waiting[track] = _Waiting(stranger=person)
        # Either way: who was seen in 1970, or in years to come, was seen by a clock that has been set since.
        if abs(now - self._told.get(person.id, person.last_seen_at or 0.0)) > _SEEN_SECONDS:
            self._gallery.saw_stranger(person.id, now)
            self._told[person.id] = now
        rows = matrix.of(person.id)
        if quality < _GOOD_QUALITY or len(rows) >= _VECTORS or float((rows @ vector).max()) > _ANOTHER_LOOK:
            return False
        return self._gallery.add_vector(person.id, self._kept(vector, quality), now, _VECTORS)

    def wonder(
        self, track: int, vector: Embedding, quality: float, best: Match | None, matrix: Matrix
    ) -> Person | None:
        """Nobody knows this face: is it time to call it a stranger? Returns the new one, or the one it has been."""
        if quality < _GOOD_QUALITY or (best and best.similarity > self._embedder.threshold - _DOUBT):
            return None
        waiting = self._waiting.setdefault(track, _Waiting())
        waiting.vectors = [*waiting.vectors, (vector, quality)][-_LOOKS_ONCE_KNOWN:]
        if len(waiting.vectors) < (_LOOKS_ONCE_KNOWN if waiting.was_known else _LOOKS):
            return None
        last = waiting.vectors[-_LOOKS:]
        rows = np.array([one for one, _ in last])
        if float((rows @ rows.T).min()) < self._embedder.threshold:
            return None
        del self._waiting[track]
        if waiting.stranger is not None:
            before = matrix.of(waiting.stranger.id)
            if len(before) and float((before @ vector).max()) >= _SAME_TRACK * self._embedder.threshold:
                self._gallery.add_vector(waiting.stranger.id, self._kept(vector, quality), time.time(), _VECTORS)
                return waiting.stranger
        return self._gallery.add_stranger([self._kept(one, good) for one, good in last], time.time())

    def expire(self, settings: RecognitionSettings) -> bool:
        """Forget who was not seen for long; asked often, it looks once an hour. True: somebody went."""
        steady = time.monotonic()
        if steady - self._expired_at < _EXPIRE_SECONDS:
            return False
        self._expired_at = steady
        return bool(self._gallery.expire(clock.for_ages() - settings.strangers_days * 86400, settings.strangers_limit))

    def _kept(self, vector: Embedding, quality: float) -> NewVector:
        return NewVector(self._embedder.model, self._embedder.version, to_bytes(vector), quality, "stranger")
