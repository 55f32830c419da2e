"""What every embedding network gives, whichever its runtime."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edged.inference.crops import Image

LENGTH = 128
Vector = NDArray[np.float32]


class EmbeddingNetwork(Protocol):
    """A runtime's part. invocations: how often it was asked."""

    @property
    def invocations(self) -> int: ...

    def run(self, aligned: Image) -> Vector:
        """The raw embedding, of shape (LENGTH,), of a BGR face of 112 x 112."""
