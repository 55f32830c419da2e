"""The stage's cadence: rounds of one look a frame, rarer where nothing happens, and never more than the budget."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edged.inference.finder import FoundFace
from edged.inference.models import ModelStore
from edged.inference.objects.stage import ObjectStage
from edged.inference.stages import Surroundings
from edged.observations import Box, Thing
from edged.settings import InferenceSettings
from tests.inference.objects.test_detectors import yolox_rows
from tests.inference.small_networks import says

PICTURE = np.full((480, 640, 3), 90, np.uint8)
FACE = FoundFace(1, Box(300, 100, 40, 50), 0.9)


def settings_of(**objects: Any) -> InferenceSettings:
    generous = {"enabled": True, "busy_fraction": 1.0}
    return InferenceSettings.model_validate({"objects": {**generous, **objects}})


def surroundings(folder: Path) -> Surroundings:
    return Surroundings(ModelStore(folder))


@pytest.fixture
def detector_file(tmp_path: Path) -> Path:
    """Sees a phone in whatever it is shown: 3.5 of 8 cells from the left, 1.5 from the top."""
    return says(tmp_path / "tiny.tflite", (1, 64, 64, 3), [yolox_rows()])


def looks(stage: ObjectStage) -> int:
    return sum(stage.invocations().values())


def test_a_round_is_one_look_a_frame_and_is_told_with_its_last(tmp_path: Path, detector_file: Path) -> None:
    stage = ObjectStage(settings_of(file=detector_file), surroundings(tmp_path))
    assert stage.running
    answers: list[tuple[Thing, ...] | None] = []
    counted = [looks(stage)]
    for frame in range(4):
        answers.append(stage.look(PICTURE, [FACE], frame / 30, True))
        counted.append(looks(stage))
    # The whole picture; then the face's upper body; then rest.
    assert [after - before for before, after in itertools.pairwise(counted)] == [1, 1, 0, 0]
    assert [answer is None for answer in answers] == [True, False, True, True]


def test_boxes_of_a_window_are_told_in_pixels_of_the_whole_picture(tmp_path: Path, detector_file: Path) -> None:
    stage = ObjectStage(settings_of(file=detector_file), surroundings(tmp_path))
    face = FoundFace(1, Box(500, 300, 40, 50), 0.9)
    stage.look(PICTURE, [face], 0.0, True)
    told = stage.look(PICTURE, [face], 0.03, True)
    assert told is not None
    small = min(told, key=lambda one: one.box.width)
    # The window is 160 wide, from 440 on, and begins 45 above the face: 2.5 times 64 pixels.
    assert small.box.x == pytest.approx(440 + 20 * 2.5, abs=2)
    assert small.box.y == pytest.approx(255 + 8 * 2.5, abs=2)
    assert small.box.width == pytest.approx(16 * 2.5, abs=1)


def test_it_looks_often_at_people_and_rarely_at_an_empty_room(tmp_path: Path, detector_file: Path) -> None:
    settings = settings_of(file=detector_file, interval_seconds=1.0, idle_seconds=10.0, upper_bodies=0)

    def rounds(*, moves: bool) -> int:
        stage = ObjectStage(settings, surroundings(tmp_path))
        return sum(stage.look(PICTURE, [], frame / 10, moves) is not None for frame in range(200))

    assert rounds(moves=True) == 20
    assert rounds(moves=False) == 2


def test_a_slow_board_looks_more_rarely(tmp_path: Path, detector_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(file=detector_file, interval_seconds=1.0, busy_fraction=0.1, upper_bodies=0)
    stage = ObjectStage(settings, surroundings(tmp_path))
    # Processor time as it would pass on a board where each look takes half a second.
    clock = iter(index * 0.5 for index in range(1000))
    monkeypatch.setattr("edged.inference.objects.stage.time.thread_time", lambda: next(clock))
    told = [at for at in range(20) if stage.look(PICTURE, [], float(at), True) is not None]
    assert told == [0, 5, 10, 15]


def test_a_stream_that_begins_anew_is_looked_at_at_once(tmp_path: Path, detector_file: Path) -> None:
    stage = ObjectStage(settings_of(file=detector_file, upper_bodies=0), surroundings(tmp_path))
    assert stage.look(PICTURE, [], 500.0, True) is not None
    assert stage.look(PICTURE, [], 0.0, True) is not None


def test_it_is_switched_on_and_off_while_it_runs(tmp_path: Path, detector_file: Path) -> None:
    stage = ObjectStage(settings_of(file=detector_file, enabled=False), surroundings(tmp_path))
    running = [stage.running]
    assert stage.missing_models == []
    stage.adopt(settings_of(file=detector_file))
    running.append(stage.running)
    assert stage.look(PICTURE, [], 0.0, True) is not None
    stage.adopt(settings_of(file=detector_file, enabled=False))
    assert [*running, stage.running] == [False, True, False]


def test_a_missing_model_is_named_and_everything_else_goes_on(tmp_path: Path) -> None:
    stage = ObjectStage(settings_of(), surroundings(tmp_path))
    assert not stage.running
    assert stage.missing_models == ["yolox_nano"]


def test_a_file_that_is_no_detector_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.tflite").write_text("not a model")
    stage = ObjectStage(settings_of(file=tmp_path / "text.tflite"), surroundings(tmp_path))
    assert not stage.running
    (warning,) = stage.warnings
    assert "text" in warning
    assert "check inference.objects.file" in warning
    assert stage.missing_models == []  # nothing that could be pulled


def test_a_delegate_that_cannot_be_loaded_is_no_missing_model(tmp_path: Path, detector_file: Path) -> None:
    stage = ObjectStage(settings_of(file=detector_file, delegate="libnot-here.so"), surroundings(tmp_path))
    assert not stage.running
    assert stage.missing_models == []
    assert "check inference.objects.delegate" in stage.warnings[0]


def test_labels_changed_from_afar_to_something_unknown_are_warned_of(tmp_path: Path, detector_file: Path) -> None:
    stage = ObjectStage(settings_of(file=detector_file), surroundings(tmp_path))
    assert stage.warnings == []
    stage.adopt(settings_of(file=detector_file, labels=["handy"]))
    assert "nothing called handy" in stage.warnings[0]
    stage.adopt(settings_of(file=detector_file, labels=["cell phone"]))
    assert stage.warnings == []
    told = stage.look(PICTURE, [], 0.0, True)
    assert told is not None
    assert {one.label for one in told} == {"cell phone"}
