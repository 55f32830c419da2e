"""Attributes come from classifiers that were named, and from nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edged.inference.attributes import AttributeStage
from edged.inference.finder import FoundFace
from edged.inference.models import ModelStore
from edged.inference.stages import Surroundings
from edged.observations import Box, Face
from edged.settings import InferenceSettings
from tests.inference.small_networks import brightness, says

GREY = np.full((240, 320, 3), 51, np.uint8)  # a fifth of white
FACES = [FoundFace(1, Box(100, 80, 60, 70), 0.9), FoundFace(2, Box(200, 80, 60, 70), 0.9)]
MEASURED = {face.track: Face(face.track, face.box, 0.9) for face in FACES}


def stage_of(**attributes: Any) -> AttributeStage:
    settings = InferenceSettings.model_validate({"attributes": attributes})
    return AttributeStage(settings, Surroundings(ModelStore(Path("/nowhere"))))


def test_without_a_classifier_nothing_is_said() -> None:
    stage = stage_of()
    assert not stage.running
    assert stage.missing_models == []


def test_one_value_is_the_probability(tmp_path: Path) -> None:
    stage = stage_of(mask_file=brightness(tmp_path / "mask.tflite", 32, 1))
    assert stage.look(GREY, FACES[:1], MEASURED, 0.0) == {1: {"mask": pytest.approx(0.2, abs=0.01)}}


def test_two_values_are_absent_and_present(tmp_path: Path) -> None:
    picture = GREY.copy()
    picture[..., 1] = 204  # green, the second value: 0.8 against 0.2
    stage = stage_of(glasses_file=brightness(tmp_path / "glasses.tflite", 32, 2))
    assert stage.look(picture, FACES[:1], MEASURED, 0.0) == {1: {"glasses": pytest.approx(0.8, abs=0.02)}}


def test_two_logits_are_absent_and_present(tmp_path: Path) -> None:
    file = says(tmp_path / "hat.tflite", (1, 32, 32, 3), [np.array([[-1.0, 1.0]], np.float32)])
    assert stage_of(hat_file=file).look(GREY, FACES[:1], MEASURED, 0.0) == {1: {"hat": pytest.approx(0.8808, abs=1e-3)}}


def test_a_quantised_classifier_says_the_same(tmp_path: Path) -> None:
    file = says(tmp_path / "hat.tflite", (1, 32, 32, 3), [np.array([[0.75]], np.float32)], quantised=(1 / 256, -128))
    assert stage_of(hat_file=file).look(GREY, FACES[:1], MEASURED, 0.0) == {1: {"hat": pytest.approx(0.75, abs=0.01)}}


def test_faces_take_turns_one_a_frame(tmp_path: Path) -> None:
    stage = stage_of(mask_file=brightness(tmp_path / "mask.tflite", 32, 1), interval_seconds=1.0)
    asked = [list(stage.look(GREY, FACES, MEASURED, frame / 10)) for frame in range(13)]
    assert asked == [[1], [2], [], [], [], [], [], [], [], [], [1], [2], []]


def test_a_stream_that_begins_anew_is_asked_at_once(tmp_path: Path) -> None:
    stage = stage_of(mask_file=brightness(tmp_path / "mask.tflite", 32, 1))
    assert stage.look(GREY, FACES[:1], MEASURED, 900.0)
    assert stage.look(GREY, FACES[:1], MEASURED, 0.0)


def test_a_file_that_is_not_there_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    stage = stage_of(mask_file=tmp_path / "gone.tflite", hat_file=brightness(tmp_path / "hat.tflite", 32, 1))
    assert stage.running
    assert stage.missing_models == []  # nothing that could be pulled
    assert "inference.attributes.mask_file" in stage.warnings[0]


def test_a_file_that_is_no_model_is_said_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "text.tflite").write_text("not a model")
    (warning,) = stage_of(glasses_file=tmp_path / "text.tflite").warnings
    assert "check inference.attributes.glasses_file" in warning
    assert "pull" not in warning


def test_a_network_of_another_kind_is_refused(tmp_path: Path) -> None:
    file = says(tmp_path / "many.tflite", (1, 32, 32, 3), [np.zeros((1, 5), np.float32)])
    stage = stage_of(mask_file=file)
    assert not stage.running
    assert "says 5 values" in stage.warnings[0]
