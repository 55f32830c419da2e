"""Searching the gallery: all vectors in one matrix, one product per question."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edged.inference.recognition.vectors import LENGTH
from edged.inference.recognition.vectors import Vector as Embedding
from edged.store.gallery_people import Person, Vector

_UNIT = 0.01  # a kept vector may be this much longer or shorter than 1


class Match(NamedTuple):
    """Somebody and the cosine of their nearest vector. runner_up: the best cosine of anybody else."""

    person: Person
    similarity: float
    runner_up: float | None


class Matrix:
    """The vectors of some people, each person's rows together.

    refused: how many were left out, for they are no unit vectors of the right length.
    """

    def __init__(self, people: Iterable[Person], vectors: Sequence[Vector]) -> None:
        by_person: dict[int, list[Embedding]] = {one.id: [] for one in people}
        self.refused = 0
        for kept in vectors:
            row = to_array(kept.vector)
            if row is None:
                self.refused += 1
            elif kept.person in by_person:
                by_person[kept.person].append(row)
        everybody = {one.id: one for one in people}
        self.people = [everybody[person] for person, rows in by_person.items() if rows]
        counts = [len(by_person[one.id]) for one in self.people]
        self._starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.intp) if counts else None
        rows = [row for one in self.people for row in by_person[one.id]]
        self.rows: NDArray[np.float32] = np.array(rows, np.float32).reshape(len(rows), LENGTH)

    def search(self, vector: Embedding) -> Match | None:
        """The nearest person; None: there is nobody."""
        if self._starts is None:
            return None
        best = np.maximum.reduceat(self.rows @ vector, self._starts)
        first = int(best.argmax())
        similarity = float(best[first])
        runner_up = None
        if len(best) > 1:
            best[first] = -2.0
            runner_up = float(best.max())
        return Match(self.people[first], similarity, runner_up)

    def of(self, person: int) -> NDArray[np.float32]:
        """The rows of one person."""
        for number, one in enumerate(self.people):
            if one.id == person:
                assert self._starts is not None
                end = self._starts[number + 1] if number + 1 < len(self.people) else len(self.rows)
                return self.rows[self._starts[number] : end]
        return self.rows[:0]


def to_array(kept: bytes) -> Embedding | None:
    """Bytes of the gallery as a vector; None for what is none, whoever wrote it."""
    if len(kept) != 4 * LENGTH:
        return None
    vector = np.frombuffer(kept, "<f4")
    length = float(np.linalg.norm(vector))
    return vector if abs(length - 1) < _UNIT else None


def to_bytes(vector: Embedding) -> bytes:
    """A vector as the gallery keeps it."""
    return vector.astype("<f4").tobytes()
