"""Synthetic people for tests: unit vectors near to one of their own, and a gallery of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edged.inference.models import registry
from edged.inference.recognition.embedders import Embedder
from edged.inference.recognition.known import to_bytes
from edged.settings import InferenceSettings
from edged.store.gallery_people import NewVector

MODEL = "mobilefacenet_f32"


def vector(person: int, look: int = 0, spread: float = 0.4) -> NDArray[np.float32]:
    """One look at a person: those of the same person have a cosine of about 1 / (1 + spread squared)."""
    own = np.random.default_rng(person).normal(size=128)
    noise = np.random.default_rng(1_000_003 * (look + 1) + person).normal(size=128)
    found = own / np.linalg.norm(own) + spread * noise / np.linalg.norm(noise)
    return np.asarray(found / np.linalg.norm(found), np.float32)


class Unasked:
    """A runtime that is never to be asked."""

    invocations = 0

    def run(self, aligned: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise AssertionError("the network was asked")


def embedder() -> Embedder:
    """What a gallery is kept for, without a network."""
    settings = InferenceSettings()
    return Embedder(registry()[MODEL], Unasked(), settings)


def kept(person: int, look: int = 0, source: str = "image", spread: float = 0.4) -> NewVector:
    """A look as the gallery keeps it."""
    known = embedder()
    return NewVector(known.model, known.version, to_bytes(vector(person, look, spread)), 0.9, source, f"{look}.jpg")
