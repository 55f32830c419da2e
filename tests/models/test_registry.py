"""The registry as it is shipped, and the real files where they are here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from edged.inference.models import needed, package, registry
from edged.settings import InferenceSettings
from edged.settings.recognition import EmbeddingModel, RecognitionSettings
from tests.data_files import store_with

TODAY = ["face_detection_short_range", "face_detection_full_range_sparse", "face_landmark", "iris_landmark"]


def test_today_needs_the_face_and_iris_models() -> None:
    assert needed() == TODAY
    assert sum(bool(entry.member) for entry in registry().values()) == 12


def test_what_the_settings_switch_on_is_needed_too() -> None:
    on = InferenceSettings(recognition=RecognitionSettings(enabled=True))
    assert needed(on) == [*TODAY, "sface"]
    named = InferenceSettings(recognition=RecognitionSettings(enabled=True, model="mobilefacenet_f32"))
    assert needed(named) == [*TODAY, "mobilefacenet_f32"]


def test_the_settings_know_every_embedding_model_and_no_other() -> None:
    embedding = {entry.name for entry in registry().values() if entry.stage == "recognition"}
    assert {"auto", *embedding} == set(get_args(EmbeddingModel))
    assert all(entry.recognition for entry in registry().values() if entry.stage == "recognition")


def test_a_licence_that_forbids_something_is_never_taken_unasked() -> None:
    for entry in registry().values():
        assert entry.any_use == (entry.licence in {"Apache-2.0", "MIT", "BSD-3-Clause", "CC-BY-4.0"}), entry.name
        assert entry.any_use or (entry.terms and not entry.needed)


@pytest.mark.parametrize("name", registry())
def test_every_entry_is_complete(name: str) -> None:
    entry = registry()[name]
    assert re.fullmatch(r"[0-9a-f]{64}", entry.sha256)
    assert bool(entry.member) != bool(entry.url)
    if entry.member:
        assert entry.file == f"{name}.tflite"
        assert re.fullmatch(rf"mediapipe/modules/[a-z_]+/{name}\.tflite", entry.member)
        assert entry.licence == "Apache-2.0"
    else:
        # A branch moves; a commit does not.
        assert re.match(r"https://github\.com/[\w.-]+/[\w.-]+/raw/[0-9a-f]{8,40}/", entry.url)
    assert entry.purpose.endswith(".")
    assert entry.inputs
    assert entry.outputs
    assert all(output.name for output in entry.outputs)


def test_hashes_are_all_different() -> None:
    hashes = [entry.sha256 for entry in registry().values()] + list(package().wheels.values())
    assert len(set(hashes)) == len(hashes)
    assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in hashes)


@pytest.mark.parametrize("name", registry())
def test_the_specification_is_what_the_file_says(name: str) -> None:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    if not registry()[name].file.endswith(".tflite"):
        pytest.skip(f"{name} is for another runtime")
    store = store_with(name)
    if store.problem(name) is not None:
        pytest.skip(f"model {name} is not in {store.directory} (edged models pull {name})")
    loaded = interpreter.Interpreter(model_path=str(store.path(name)))
    loaded.allocate_tensors()
    entry = registry()[name]

    def shapes(details: list[dict[str, Any]]) -> list[tuple[tuple[int, ...], str]]:
        return [(tuple(int(side) for side in one["shape"]), one["dtype"].__name__) for one in details]

    assert shapes(loaded.get_input_details()) == [(tensor.shape, tensor.dtype) for tensor in entry.inputs]
    assert shapes(loaded.get_output_details()) == [(tensor.shape, tensor.dtype) for tensor in entry.outputs]
    assert [one["name"] for one in loaded.get_output_details()] == [tensor.name for tensor in entry.outputs]


def test_nothing_numeric_is_imported_to_look_at_models() -> None:
    import subprocess
    import sys

    code = (
        "import sys, edged.inference.models, edged.inference.model_download;"
        "print(sorted({'numpy', 'cv2', 'ai_edge_litert'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "[]"
