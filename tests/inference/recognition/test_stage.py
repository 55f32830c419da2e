"""The stage within the pipeline, on a real clip with a real model: who it is, how often it asks, enrolment while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edged.frames import FrameStamp
from edged.inference.models import ModelStore, needed
from edged.inference.pipeline import Pipeline
from edged.messages import Enrol, Enrolled
from edged.observations import Identity, Observation
from edged.settings import InferenceSettings
from edged.settings.recognition import RecognitionSettings
from edged.store.gallery import Gallery
from tests.data_files import data_file, store_with

MODEL = "mobilefacenet_f32"


def settings(**recognition: object) -> InferenceSettings:
    wanted = {"enabled": True, "model": MODEL, **recognition}
    return InferenceSettings(recognition=RecognitionSettings.model_validate(wanted))


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """Face models and the embedding model in one folder."""
    folder = tmp_path / "models"
    folder.mkdir()
    data_file(f"models/{MODEL}.tflite")
    for name in [*needed(), MODEL]:
        found = store_with(name)
        if found.missing([name]):
            pytest.skip(f"model {name} is not here (edged models pull)")
        (folder / found.path(name).name).symlink_to(found.path(name).resolve())
    return ModelStore(folder)


def frames(clip: str, count: int) -> Iterator[NDArray[np.uint8]]:
    capture = cv2.VideoCapture(str(data_file(f"video/{clip}.mp4")))
    for _ in range(count):
        good, image = capture.read()
        if not good:
            return
        yield np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)


def watch(pipeline: Pipeline, pictures: Iterator[NDArray[np.uint8]], begin_seconds: float = 0.0) -> list[Observation]:
    seen = []
    for number, image in enumerate(pictures):
        height, width = image.shape[:2]
        at_ms = begin_seconds * 1000 + number * 1000 / 30
        seen.append(pipeline.analyse(image, FrameStamp(number + 1, number, 0, 0, at_ms, width, height)))
    return seen


def identities(seen: list[Observation]) -> list[Identity]:
    return [face.identity for one in seen for face in one.faces if face.identity is not None]


def enrolled(pipeline: Pipeline, name: str, clip: str) -> Enrolled:
    pipeline.stages.enrolling.enrol(Enrol("1", name, seconds=0.5))
    return outcome(pipeline, clip)


def outcome(pipeline: Pipeline, clip: str) -> Enrolled:
    ends_at = time.monotonic() + 30
    while time.monotonic() < ends_at:
        watch(pipeline, frames(clip, 30))
        if outcomes := pipeline.stages.enrolling.outcomes():
            return outcomes[0]
    raise AssertionError("the enrolment did not end")


def test_who_was_enrolled_while_it_ran_is_known_and_another_is_not(store: ModelStore, tmp_path: Path) -> None:
    pipeline = Pipeline(settings(), store, state_directory=tmp_path, remembers=True)
    assert "recognition" in pipeline.report().stages
    outcome = enrolled(pipeline, "Dora", "d9")
    assert (outcome.request, outcome.name, outcome.error) == ("1", "Dora", "")
    assert outcome.vectors >= 1
    looks = identities(watch(pipeline, frames("d9", 120), 100.0))
    assert looks
    assert all(one.person == "Dora" and one.similarity >= one.threshold for one in looks)
    others = identities(watch(pipeline, frames("d14", 120), 200.0))
    assert others
    assert not any(one.person == "Dora" and one.similarity >= one.threshold for one in others)
    assert others[-1].person == "unknown-1"
    assert others[-1].stranger
    pipeline.close()


def test_a_steady_face_is_asked_about_a_few_times_and_then_rarely(store: ModelStore, tmp_path: Path) -> None:
    pipeline = Pipeline(settings(strangers=False), store, state_directory=tmp_path)
    seen = watch(pipeline, frames("d18", 210))
    asked = [number for number, one in enumerate(seen) if any(face.identity for face in one.faces)]
    assert 5 <= sum(number < 60 for number in asked) <= 11
    assert len(asked) <= 14
    assert pipeline.stages.enrolling.invocations()[MODEL] == len(asked)  # type: ignore[attr-defined]
    pipeline.close()


def test_an_enrolment_with_nobody_before_the_camera_says_why(store: ModelStore, tmp_path: Path) -> None:
    pipeline = Pipeline(settings(), store, state_directory=tmp_path, remembers=True)
    stage = pipeline.stages.enrolling
    stage.enrol(Enrol("7", "Dora", seconds=0.5))
    stage.enrol(Enrol("8", "Carl", seconds=0.5))
    stage.enrol(Enrol("9", "unknown-3"))
    refusals = {one.request: one.error for one in stage.outcomes()}
    assert "Dora is being enrolled" in refusals["8"]
    ends_at = time.monotonic() + 30
    empty = np.zeros((240, 320, 3), np.uint8)
    while not (outcomes := stage.outcomes()) and time.monotonic() < ends_at:
        watch(pipeline, iter([empty]))
    assert "no face is seen" in outcomes[0].error
    assert Gallery(tmp_path).contents().people == {}
    pipeline.close()


def test_an_enrolment_whose_pictures_stopped_enrols_nobody_when_they_come_again(
    store: ModelStore, tmp_path: Path
) -> None:
    pipeline = Pipeline(settings(strangers=False), store, state_directory=tmp_path, remembers=True)
    pipeline.stages.enrolling.enrol(Enrol("1", "Dora", seconds=1.0))
    watch(pipeline, frames("d9", 10))
    time.sleep(3.2)
    watch(pipeline, frames("d9", 10), 10.0)
    (outcome,) = pipeline.stages.enrolling.outcomes()
    assert "Dora is not enrolled: no pictures came" in outcome.error
    with Gallery(tmp_path) as gallery:
        assert gallery.contents().people == {}
    pipeline.close()


def test_an_enrolment_ends_when_recognition_is_switched_off_and_another_can_begin(
    store: ModelStore, tmp_path: Path
) -> None:
    pipeline = Pipeline(settings(), store, state_directory=tmp_path, remembers=True)
    pipeline.stages.enrolling.enrol(Enrol("1", "Dora", seconds=60))
    pipeline.adopt(InferenceSettings())
    (outcome,) = pipeline.stages.enrolling.outcomes()
    assert (outcome.request, outcome.error) == ("1", "Dora is not enrolled: recognition was switched off meanwhile")
    pipeline.adopt(settings())
    assert enrolled(pipeline, "Dora", "d9").error == ""
    pipeline.close()


def test_switched_off_it_loads_nothing_and_switched_on_live_it_begins(store: ModelStore, tmp_path: Path) -> None:
    pipeline = Pipeline(InferenceSettings(), store, state_directory=tmp_path)
    assert "recognition" not in pipeline.report().stages
    assert identities(watch(pipeline, frames("d18", 10))) == []
    pipeline.adopt(settings())
    assert "recognition" in pipeline.report().stages
    assert identities(watch(pipeline, frames("d18", 30), 10.0))
    pipeline.adopt(InferenceSettings())
    assert identities(watch(pipeline, frames("d18", 30), 20.0)) == []
    pipeline.close()


def test_a_missing_model_is_named_and_faces_are_found_all_the_same(store: ModelStore, tmp_path: Path) -> None:
    (store.directory / f"{MODEL}.tflite").unlink()
    pipeline = Pipeline(settings(), store, state_directory=tmp_path)
    report = pipeline.report()
    assert report.missing_models == [MODEL]
    assert any(f"edged models pull {MODEL}" in warning for warning in report.warnings)
    seen = watch(pipeline, frames("d18", 20))
    assert seen[-1].faces
    assert identities(seen) == []
    pipeline.close()


def test_who_is_forgotten_or_named_while_they_sit_there_is_asked_about_at_once(
    store: ModelStore, tmp_path: Path
) -> None:
    pipeline = Pipeline(settings(recheck_seconds=600), store, state_directory=tmp_path, remembers=True)
    enrolled(pipeline, "Dora", "d9")
    settled = identities(watch(pipeline, frames("d9", 90), 100.0))
    assert settled[-1].person == "Dora"
    with Gallery(tmp_path) as gallery:
        gallery.forget("Dora")
    after = identities(watch(pipeline, frames("d9", 90), 103.0))
    assert after[-1].person == "unknown-1"
    with Gallery(tmp_path) as gallery:
        gallery.name_stranger("unknown-1", "Dorothea")
    named = identities(watch(pipeline, frames("d9", 60), 106.0))
    assert (named[-1].person, named[-1].stranger) == ("Dorothea", False)
    pipeline.close()


def test_a_gallery_that_could_not_be_opened_is_tried_again(store: ModelStore, tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        gallery.add_stranger([], 1.0)
    key = tmp_path / "gallery.key"
    key.rename(tmp_path / "elsewhere")
    pipeline = Pipeline(settings(), store, state_directory=tmp_path, remembers=True)
    assert identities(watch(pipeline, frames("d9", 20))) == []
    assert any("gallery.key is gone" in warning for warning in pipeline.report().warnings)
    (tmp_path / "elsewhere").rename(key)
    assert identities(watch(pipeline, frames("d9", 20), 10.0))
    assert pipeline.report().warnings == []
    pipeline.close()


def test_another_model_takes_over_from_kept_pictures(store: ModelStore, tmp_path: Path) -> None:
    other = "mobilefacenet_dr"
    (store.directory / f"{other}.tflite").symlink_to(data_file(f"models/{other}.tflite"))
    pipeline = Pipeline(settings(keep_pictures=True), store, state_directory=tmp_path, remembers=True)
    enrolled(pipeline, "Dora", "d9")
    pipeline.close()
    pipeline = Pipeline(settings(model=other), store, state_directory=tmp_path, remembers=True)
    assert pipeline.report().warnings == []
    looks = identities(watch(pipeline, frames("d9", 60), 100.0))
    assert looks
    assert all(one.person == "Dora" and one.similarity >= one.threshold for one in looks)
    pipeline.close()
