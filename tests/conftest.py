"""What all tests share: an environment without anybody's settings, and the models."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.inference.models import ModelStore, default_directory, needed

_KEPT = {"EDGED_TEST_DATA", "EDGED_MODELS_DIR"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: a file is one worker's, and begun late it would keep the others waiting."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Variables of whoever runs the tests must not change what they see; children inherit the clean ones."""
    for name in os.environ:
        if name.startswith("EDGED_") and name not in _KEPT:
            monkeypatch.delenv(name)
    # Daemons of tests that run side by side each take a port of their own.
    monkeypatch.setenv("EDGED_METRICS__PORT", "0")
    monkeypatch.setenv("EDGED_ACTUATOR_METRICS__PORT", "0")
    # What a daemon keeps belongs to its test alone.
    monkeypatch.setenv("EDGED_STATE_DIR", str(tmp_path_factory.mktemp("state")))


@pytest.fixture
def models_directory() -> Path:
    """The folder of model files; skips, naming what is missing, where they were not pulled."""
    directory = default_directory()
    if missing := ModelStore(directory).missing(needed()):
        pytest.skip(f"models {', '.join(missing)} are not in {directory} (edged models pull)")
    return directory


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB; skips where nothing can be mounted."""
    if os.geteuid():
        pytest.skip("mounting a small disk needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8M", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
