"""Each back end that is installed, and what the sitter shows it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from edged.settings import InferenceSettings
from tests.inference.backends.seeing import Seen, analyse


@pytest.fixture(params=["litert", "mediapipe"])
def backend(request: pytest.FixtureRequest) -> str:
    """Name of a back end; skips, naming it, where it is not installed."""
    name: str = request.param
    if name == "mediapipe" and importlib.util.find_spec("mediapipe") is None:
        pytest.skip("back end mediapipe is not installed here (scripts/add mediapipe, Python 3.9 to 3.12)")
    return name


@pytest.fixture
def inference(backend: str) -> InferenceSettings:
    return InferenceSettings.model_validate({"backend": backend})


@pytest.fixture
def see(inference: InferenceSettings, models_directory: Path, tmp_path: Path) -> Callable[[str], Seen]:
    """Analyses a sitter script, given as text, or a clip, given as a path."""

    def look(source: str) -> Seen:
        if "\n" in source:
            path = tmp_path / "script.toml"
            path.write_text(source)
            source = f"sitter:{path}"
        return analyse(source, inference, models_directory)

    return look
