"""A registry of two small models, and a server that has their wheel."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator

import pytest

from edged.inference import http_download, model_download, models
from edged.inference.models import ModelEntry, Package
from tests.models.wheel_server import WheelServer, build_wheel

FILENAME = "mediapipe-0.10.18-py3-none-any.whl"
CONTENTS = {name: random.Random(name).randbytes(size) for name, size in (("small", 5_000), ("large", 300_000))}


def entry(name: str, *, needed: bool = True) -> ModelEntry:
    content = CONTENTS[name]
    return ModelEntry(
        name=name,
        file=f"{name}.tflite",
        purpose="to be fetched",
        stage="detection",
        needed=needed,
        member=f"mediapipe/modules/{name}/{name}.tflite",
        licence="Apache-2.0",
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        inputs=(),
        outputs=(),
    )


@pytest.fixture
def wheel() -> bytes:
    return build_wheel({entry(name).member: content for name, content in CONTENTS.items()})


@pytest.fixture
def server(wheel: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[WheelServer]:
    """A running server; the registry knows its wheel and nothing else."""
    entries = {"small": entry("small"), "large": entry("large", needed=False)}
    package = Package("mediapipe", "0.10.18", "Apache-2.0", "", {FILENAME: hashlib.sha256(wheel).hexdigest()})
    for module in (models, model_download):
        monkeypatch.setattr(module, "registry", lambda: entries)
        monkeypatch.setattr(module, "package", lambda: package)
    monkeypatch.setattr(http_download, "PAUSE_SECONDS", 0.01)
    files = {f"{name}.tflite": content for name, content in CONTENTS.items()}
    with WheelServer(FILENAME, wheel, files) as running:
        yield running
