"""`edged models` as it is used, from a mirror folder of the real files."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.edged_command import edged

FOUR = {"face_detection_short_range", "face_detection_full_range_sparse", "face_landmark", "iris_landmark"}


def test_pull_from_a_mirror_then_again_then_verify(models_directory: Path, tmp_path: Path) -> None:
    environment = {"EDGED_MODELS_DIR": str(tmp_path / "models"), "EDGED_MODELS_MIRROR": str(models_directory)}
    first = edged("models", "pull", environment=environment)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("fetched face_detection_short_range")
    assert {path.stem for path in (tmp_path / "models").glob("*.tflite")} == FOUR
    again = edged("models", "pull", environment=environment)
    assert again.stdout == f"4 models good in {tmp_path / 'models'}\n"
    assert edged("models", "verify", environment=environment).returncode == 0


def test_verify_tells_wrong_from_missing(models_directory: Path, tmp_path: Path) -> None:
    for name in FOUR - {"iris_landmark"}:
        (tmp_path / f"{name}.tflite").write_bytes((models_directory / f"{name}.tflite").read_bytes())
    (tmp_path / "face_landmark.tflite").write_bytes(b"x" * 1_242_398)
    done = edged("models", "verify", "--directory", str(tmp_path))
    assert done.returncode == 4
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "model iris_landmark" in lines["missing"]
    assert "model face_landmark" in lines["wrong"]
    assert "must have 1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814" in lines["wrong"]
    assert done.stdout.count("good ") == 2


def test_verify_of_a_named_model_insists_on_it(tmp_path: Path) -> None:
    done = edged("models", "verify", "pose_detection", "--directory", str(tmp_path))
    assert done.returncode == 4
    assert "edged models pull pose_detection" in done.stdout


def test_list_says_what_is_here_and_what_for(tmp_path: Path) -> None:
    done = edged("models", "list", "--directory", str(tmp_path))
    assert done.returncode == 0
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("iris_landmark ")]
    assert line.endswith("blinks and gaze.")
    assert str(tmp_path) in done.stdout
    listed = json.loads(edged("models", "list", "--directory", str(tmp_path), "--json").stdout)
    assert {one["name"] for one in listed if one["needed"]} == FOUR
    assert not any(one["here"] for one in listed)


def test_without_network_and_mirror_the_reason_is_one_sentence(tmp_path: Path) -> None:
    environment = {"EDGED_MODELS_DIR": str(tmp_path), "EDGED_MODELS_INDEX": "http://127.0.0.1:9/simple"}
    done = edged("models", "pull", environment=environment)
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert "--mirror FOLDER" in done.stderr
