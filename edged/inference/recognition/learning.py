"""Going on to learn how known people look, where the owner wishes it.

The drift guard has two halves. What is learned must be near to what was enrolled, never only to what was learned before,
and far from everybody else. And a learned vector may lift a look over the threshold only if the enrolled ones nearly do:
else somebody who is as far from it again, on its other side, would be let in.
"""

from __future__ import annotations

import time

import numpy as np

from edged.inference.recognition.embedders import Embedder
from edged.inference.recognition.known import Match, Matrix, to_array, to_bytes
from edged.inference.recognition.vectors import Vector as Embedding
from edged.settings.recognition import RecognitionSettings
from edged.store.gallery import Gallery
from edged.store.gallery_people import Contents, NewVector

_GOOD_QUALITY = 0.8
_SURE = 0.15  # so far above the threshold the look must be
_NEAR_ENROLLED = 0.1  # so far above it to what was enrolled
_FAR_FROM_OTHERS = 0.1  # so far below it to everybody else
_NEARLY = 0.1  # so far below the threshold the enrolled vectors may leave a look that a learned one knows
_NOTHING_NEW = 0.9  # a vector this near to one that is there teaches nothing


class Learning:
    """Decides whether a look is learned, and writes it. Raises StoreError and GalleryError when it cannot."""

    def __init__(self, gallery: Gallery, embedder: Embedder) -> None:
        self._gallery = gallery
        self._embedder = embedder
        self._enrolled: dict[int, list[Embedding]] = {}
        self._learned_at: dict[int, float] = {}

    def load(self, contents: Contents) -> None:
        """Take in the gallery as it is now."""
        self._enrolled, self._learned_at = {}, {}
        for kept in contents.vectors:
            if (kept.model, kept.version) != (self._embedder.model, self._embedder.version):
                continue
            if kept.source == "learned":
                self._learned_at[kept.person] = max(kept.added_at, self._learned_at.get(kept.person, 0.0))
            elif (row := to_array(kept.vector)) is not None:
                self._enrolled.setdefault(kept.person, []).append(row)

    def guarded(self, match: Match, vector: Embedding) -> Match:
        """The match as far as it rests on what was enrolled."""
        enrolled = self._enrolled.get(match.person.id)
        if enrolled is None or match.person.id not in self._learned_at:
            return match
        base = float((np.array(enrolled) @ vector).max())
        return match if base >= self._embedder.threshold - _NEARLY else match._replace(similarity=base)

    def look(
        self, match: Match, vector: Embedding, quality: float, matrix: Matrix, settings: RecognitionSettings
    ) -> bool:
        """A settled look at somebody known. True: it was learned."""
        threshold, now, person = self._embedder.threshold, time.time(), match.person.id
        enrolled = self._enrolled.get(person)
        if (
            quality < _GOOD_QUALITY
            or enrolled is None
            or match.similarity < threshold + _SURE
            or (match.runner_up is not None and match.runner_up > threshold - _FAR_FROM_OTHERS)
            or 0 <= now - self._learned_at.get(person, 0.0) < settings.learn_seconds
            or float((np.array(enrolled) @ vector).max()) < threshold + _NEAR_ENROLLED
            or float((matrix.of(person) @ vector).max()) > _NOTHING_NEW
        ):
            return False
        kept = NewVector(self._embedder.model, self._embedder.version, to_bytes(vector), quality, "learned")
        self._learned_at[person] = now
        return self._gallery.add_vector(person, kept, now, settings.learn_limit)
