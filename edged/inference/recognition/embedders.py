"""Embedding networks: an aligned face in, a vector of length 1 out. What differs between files is in the registry."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edged.errors import ModelCorrupt, ModelMissing
from edged.inference.crops import Image
from edged.inference.litert import Network
from edged.inference.models import ModelEntry, ModelStore, registry
from edged.inference.recognition.enhancement import even_light
from edged.inference.recognition.vectors import LENGTH, EmbeddingNetwork, Vector
from edged.settings import InferenceSettings


class LiteRtEmbedding:
    """A TFLite file, float or quantised."""

    def __init__(self, path: Path, entry: ModelEntry, settings: InferenceSettings) -> None:
        recognition = entry.recognition
        assert recognition is not None
        self._network = Network(
            path,
            threads=settings.threads,
            delegate=settings.delegate,
            delegate_options=settings.delegate_options,
            quantised=True,
        )
        self._mean, self._scale = recognition.mean, recognition.scale
        if self._network.input.shape != (1, 112, 112, 3) or self._network.outputs[0].size != LENGTH:
            raise ModelCorrupt(entry.name, f"takes {self._network.input.shape}, and not one face of 112 x 112")

    @property
    def invocations(self) -> int:
        return self._network.invocations

    def run(self, aligned: Image) -> Vector:
        network = self._network
        rgb = aligned[..., ::-1]
        if network.input.dtype == np.uint8:
            np.copyto(network.input[0], rgb)
        else:
            np.subtract(rgb, self._mean, out=network.input[0], dtype=np.float32)
            network.input *= np.float32(self._scale)
        network.run()
        raw = network.outputs[0].reshape(LENGTH).astype(np.float32)
        scale, zero = network.output_quantisations[0]
        return (raw - np.float32(zero)) * np.float32(scale) if scale else raw


class Embedder:
    """A model with its preparation.

    model, version: what vectors are kept under; only those of the same file and preparation can be compared.
    threshold: cosine from which two vectors are of one person.
    """

    def __init__(self, entry: ModelEntry, network: EmbeddingNetwork, settings: InferenceSettings) -> None:
        recognition = entry.recognition
        assert recognition is not None
        wanted = settings.recognition
        self.model = entry.name
        self.version = version_of(entry.name, settings)
        self.recognition = recognition
        self.threshold = recognition.threshold if wanted.threshold is None else wanted.threshold
        self._even_light = wanted.enhance_light
        self._network = network

    @property
    def invocations(self) -> int:
        """How often the network was asked."""
        return self._network.invocations

    def embed(self, aligned: Image) -> Vector | None:
        """float32, 128, of length 1; None for what has no direction, as an all but black picture."""
        vector = self._network.run(even_light(aligned) if self._even_light else aligned)
        length = float(np.linalg.norm(vector))
        return vector / np.float32(length) if np.isfinite(length) and length > 1e-6 else None


def load_embedder(settings: InferenceSettings, store: ModelStore) -> Embedder:
    """The model that is asked for, or the best that is here. Raises ModelMissing, ModelCorrupt, RuntimeMissing."""
    entry = registry()[chosen(settings, store)]
    path = store.path(entry.name)
    assert entry.recognition is not None
    network: EmbeddingNetwork
    if entry.recognition.runtime == "sface":
        from edged.inference.recognition.sface import SFaceEmbedding

        network = SFaceEmbedding(path, entry.name)
    else:
        network = LiteRtEmbedding(path, entry, settings)
    return Embedder(entry, network, settings)


def version_of(model: str, settings: InferenceSettings) -> str:
    """The file and its preparation: vectors of one version can be compared."""
    wanted = settings.recognition
    upright = "" if wanted.turn_upright else "+tilted"
    return registry()[model].sha256[:12] + ("+light" if wanted.enhance_light else "") + upright


def chosen(settings: InferenceSettings, store: ModelStore) -> str:
    """Name of the model. Raises ModelMissing when `auto` finds none whose licence allows any use."""
    wanted = settings.recognition.model
    if wanted != "auto":
        return wanted
    present = [entry for entry in _embedding_models() if store.problem(entry.name) is None]
    free = [entry.name for entry in present if entry.any_use]
    if free:
        return free[0]
    others = "".join(
        f"; {entry.name} is here, licence: {entry.licence}; if your use is allowed, name it in "
        f"inference.recognition.model"
        for entry in present[:1]
    )
    first = next(entry.name for entry in _embedding_models() if entry.any_use)
    raise ModelMissing(
        first, f"is not in {store.directory}, nor another that tells faces apart and may be used for anything",
        f"edged models pull {first}{others}",
    )  # fmt: skip


def _embedding_models() -> list[ModelEntry]:
    """Best first."""
    entries = [entry for entry in registry().values() if entry.recognition is not None]
    return sorted(entries, key=lambda entry: entry.recognition.rank if entry.recognition else 0)
