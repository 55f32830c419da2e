"""The store: only files that are what the registry says are handed out."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edged.errors import ModelCorrupt, ModelMissing
from edged.inference import models
from edged.inference.models import ModelStore, default_directory
from edged.settings import ModelSettings
from tests.models.conftest import CONTENTS
from tests.models.wheel_server import WheelServer


@pytest.fixture
def store(tmp_path: Path, server: WheelServer) -> ModelStore:
    (tmp_path / "small.tflite").write_bytes(CONTENTS["small"])
    return ModelStore(tmp_path)


def test_a_good_file_is_handed_out(store: ModelStore) -> None:
    assert store.path("small").read_bytes() == CONTENTS["small"]
    assert store.problem("small") is None


def test_an_absent_file_says_how_to_get_it(store: ModelStore) -> None:
    with pytest.raises(ModelMissing, match=r"cure: edged models pull large"):
        store.path("large")
    (store.directory / "small.tflite").unlink()
    with pytest.raises(ModelMissing, match=r"cure: edged models pull\)"):
        store.path("small")
    assert store.missing(["small", "large"]) == ["small", "large"]


def test_an_unknown_model_is_missing(store: ModelStore) -> None:
    with pytest.raises(ModelMissing, match="not in the registry"):
        store.path("unknown")


def test_a_wrong_size_and_a_wrong_hash_name_both(store: ModelStore) -> None:
    path = store.directory / "small.tflite"
    path.write_bytes(CONTENTS["small"][:-1])
    with pytest.raises(ModelCorrupt, match="has 4999 bytes and must have 5000"):
        store.path("small")
    path.write_bytes(b"x" * 5000)
    with pytest.raises(ModelCorrupt, match=r"has SHA-256 [0-9a-f]{64} and must have [0-9a-f]{64}"):
        store.path("small")


def test_a_file_is_hashed_once_and_again_only_when_it_changes(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []
    real = models.hash_file

    def count(path: Path) -> str:
        hashed.append(path)
        return real(path)

    monkeypatch.setattr(models, "hash_file", count)
    for _ in range(3):
        store.path("small")
    assert len(hashed) == 1
    path = store.directory / "small.tflite"
    path.write_bytes(CONTENTS["small"][:-1] + b"!")
    os.utime(path, ns=(0, 0))
    with pytest.raises(ModelCorrupt):
        store.path("small")
    assert len(hashed) == 2


def test_a_folder_that_is_a_file_is_missing_and_no_crash(store: ModelStore) -> None:
    assert isinstance(ModelStore(store.directory / "small.tflite").problem("small"), ModelMissing)


def test_the_setting_wins_over_the_variable_over_the_users_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGED_MODELS_DIR", str(tmp_path / "variable"))
    assert default_directory(ModelSettings(directory=tmp_path / "setting")) == tmp_path / "setting"
    assert default_directory(ModelSettings()) == tmp_path / "variable"
    monkeypatch.delenv("EDGED_MODELS_DIR")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "own"))
    (tmp_path / "own/edged/models").mkdir(parents=True)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert default_directory() == tmp_path / "own/edged/models"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_directory() == models.SYSTEM_DIRECTORY


def test_a_user_without_models_of_their_own_takes_the_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGED_MODELS_DIR", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "own"))
    monkeypatch.setattr(models, "SYSTEM_DIRECTORY", tmp_path / "system")
    assert default_directory() == tmp_path / "own/edged/models"
    (tmp_path / "system").mkdir()
    assert default_directory() == tmp_path / "system"


def test_models_that_came_with_edged_are_found_by_everybody_and_an_own_file_wins(
    store: ModelStore, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    other = ModelStore(mine, shipped=store.directory)
    assert other.path("small") == store.directory / "small.tflite"
    mine.mkdir()
    shutil.copy(store.directory / "small.tflite", mine)
    assert other.path("small") == mine / "small.tflite"
    (mine / "small.tflite").write_bytes(b"damaged")
    assert isinstance(other.problem("small"), ModelCorrupt)


def test_a_system_folder_that_may_not_be_looked_into_is_none(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "models").mkdir(parents=True)
    closed.chmod(0)
    # Root may look into everything: somebody else asks.
    ask = (
        "import os; from pathlib import Path; from edged.inference import models; os.geteuid() or os.setuid(65534); "
        f"models.SYSTEM_DIRECTORY = Path({str(closed / 'models')!r}); print(models.default_directory())"
    )
    variables = {name: value for name, value in os.environ.items() if name != "EDGED_MODELS_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", ask],
        env={**variables, "XDG_DATA_HOME": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    closed.chmod(0o700)
    assert (done.stdout.strip(), done.stderr) == ("/nowhere/edged/models", "")
