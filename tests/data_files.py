"""Where the real clips, faces and labels are; they are other people's work and no part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edged.inference.models import ModelStore, default_directory

_REPOSITORY = Path(__file__).resolve().parent.parent


def data_directory() -> Path:
    """EDGED_TEST_DATA, else `../shared/data` beside the repository."""
    named = os.environ.get("EDGED_TEST_DATA")
    return Path(named) if named else _REPOSITORY.parent / "shared" / "data"


def data_file(name: str) -> Path:
    """A file of the test data, e.g. `video/d18.mp4`; skips the test, naming the file, where it is absent."""
    path = data_directory() / name
    if not path.exists():
        pytest.skip(f"test data {name} is not here (EDGED_TEST_DATA)")
    return path


def store_with(model: str) -> ModelStore:
    """Where this model is: among those that were pulled, else in the folder of test data."""
    pulled = ModelStore(default_directory())
    return ModelStore(data_directory() / "models") if pulled.missing([model]) else pulled
