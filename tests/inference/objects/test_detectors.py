"""Detectors of both families: what the networks say becomes boxes, whatever size, layout and type they have."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edged.errors import ModelCorrupt, ModelMissing
from edged.inference.objects.detector import COCO, ObjectDetector, coco_of_90
from edged.inference.objects.opening import label_problem, open_detector
from edged.settings import InferenceSettings
from edged.settings.objects import ObjectSettings
from tests.data_files import data_directory, data_file, store_with
from tests.inference.small_networks import Graph, says

PICTURE = np.full((100, 200, 3), 90, np.uint8)
CELLS_64 = 8 * 8 + 4 * 4 + 2 * 2


def opened(file: Path, **settings: object) -> ObjectDetector:
    objects = ObjectSettings.model_validate({"file": file, **settings})
    return open_detector(InferenceSettings(objects=objects), store_with("yolox_nano"))


def yolox_rows(classes: int = 80, *, score: float = 0.9, number: int = 67) -> NDArray[np.float32]:
    """One thing: of the 8 pixel grid the cell at column 3, row 1; 16 x 8 pixels, its middle half a cell further."""
    rows = np.zeros((1, CELLS_64, 5 + classes), np.float32)
    cell = 1 * 8 + 3
    rows[0, cell, :4] = 0.5, 0.5, math.log(16 / 8), math.log(8 / 8)
    rows[0, cell, 4], rows[0, cell, 5 + number] = 1.0, score
    return rows


@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (1, 64, 64, 3)])
def test_a_yolox_is_read_planes_first_or_last(tmp_path: Path, shape: tuple[int, ...]) -> None:
    detector = opened(says(tmp_path / "tiny.tflite", shape, [yolox_rows()]))
    (seen,) = detector.detect(PICTURE, {"cell phone"}, 0.3)
    assert seen.label == "cell phone"
    assert seen.score == pytest.approx(0.9)
    # 200 pixels were shrunk to 64: the middle (28, 12) and the size grow by 3.125.
    assert seen.box == pytest.approx(((28 - 8) * 3.125, (12 - 4) * 3.125, 16 * 3.125, 8 * 3.125))


def test_a_quantised_yolox_says_the_same(tmp_path: Path) -> None:
    file = says(tmp_path / "tiny8.tflite", (1, 64, 64, 3), [yolox_rows()], quantised=(1 / 64, 0))
    (seen,) = opened(file).detect(PICTURE, {"cell phone"}, 0.3)
    assert seen.score == pytest.approx(0.9, abs=0.02)
    assert seen.box.width == pytest.approx(50, abs=1)


def test_only_what_is_wanted_and_sure_enough_is_told(tmp_path: Path) -> None:
    detector = opened(says(tmp_path / "tiny.tflite", (1, 64, 64, 3), [yolox_rows(score=0.5)]))
    assert detector.detect(PICTURE, {"person"}, 0.3) == []
    assert detector.detect(PICTURE, {"cell phone"}, 0.6) == []
    assert len(detector.detect(PICTURE, {"cell phone"}, 0.4)) == 1


def test_what_is_more_like_something_else_is_not_told(tmp_path: Path) -> None:
    rows = yolox_rows(score=0.5)
    rows[0, 1 * 8 + 3, 5 + COCO.index("cup")] = 0.7
    detector = opened(says(tmp_path / "tiny.tflite", (1, 64, 64, 3), [rows]))
    assert detector.detect(PICTURE, {"cell phone"}, 0.3) == []
    assert [one.label for one in detector.detect(PICTURE, {"cell phone", "cup"}, 0.3)] == ["cup"]


def ssd(tmp_path: Path, order: str) -> Path:
    """Three boxes, two of them of the same phone, in the order of a converter: b boxes, c classes, s scores, n number."""
    parts = {
        "b": np.array([[[0.1, 0.2, 0.5, 0.4], [0.12, 0.2, 0.5, 0.4], [0.0, 0.5, 1.0, 1.0], [0, 0, 1, 1]]], np.float32),
        "c": np.array([[76, 76, 0, 3]], np.float32),
        "s": np.array([[0.8, 0.6, 0.75, 0.9]], np.float32),
        "n": np.array([3], np.float32),
    }
    return says(tmp_path / "ssd.tflite", (1, 32, 32, 3), [parts[letter] for letter in order])


@pytest.mark.parametrize("order", ["bcsn", "sbnc", "bscn"])
def test_outputs_are_told_apart_in_every_order_that_converters_use(tmp_path: Path, order: str) -> None:
    seen = opened(ssd(tmp_path, order)).detect(PICTURE, {"cell phone", "person", "car"}, 0.3)
    # The fourth is beyond the number of things, and the second is the first seen twice.
    assert [(one.label, round(one.score, 2)) for one in seen] == [("cell phone", 0.8), ("person", 0.75)]
    assert seen[0].box == pytest.approx((40, 10, 40, 40))
    assert seen[1].box == pytest.approx((100, 0, 100, 100))


def test_labels_come_from_the_metadata_of_the_file(tmp_path: Path) -> None:
    file = ssd(tmp_path, "bcsn")
    names = ["???"] * 77
    names[0], names[76] = "human", "handset"
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("labelmap.txt", "\n".join(names) + "\n")
    seen = opened(file).detect(PICTURE, {"human", "handset", "???", ""}, 0.3)
    assert [one.label for one in seen] == ["handset", "human"]


def test_a_labels_file_rules_over_all(tmp_path: Path) -> None:
    labels = tmp_path / "names.txt"
    labels.write_text("\n".join(["mensch", *["x"] * 75, "telefon"]), encoding="utf-8")
    detector = opened(ssd(tmp_path, "bcsn"), labels_file=labels)
    assert [one.label for one in detector.detect(PICTURE, {"mensch", "telefon"}, 0.3)] == ["telefon", "mensch"]


def test_labels_that_do_not_fit_are_refused_with_both_numbers(tmp_path: Path) -> None:
    labels = tmp_path / "names.txt"
    labels.write_text("one\ntwo\n", encoding="utf-8")
    with pytest.raises(ModelCorrupt, match="80 classes and there are 2 labels"):
        opened(says(tmp_path / "tiny.tflite", (1, 64, 64, 3), [yolox_rows()]), labels_file=labels)


def test_a_model_that_is_no_detector_is_refused_with_its_shapes(tmp_path: Path) -> None:
    file = says(tmp_path / "other.tflite", (1, 16, 16, 3), [np.zeros((1, 7), np.float32)])
    with pytest.raises(ModelCorrupt, match=r"1x16x16x3 in, 1x7 out.*inference\.objects\.file"):
        opened(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"nothing\.tflite.*inference\.objects\.file"):
        opened(tmp_path / "nothing.tflite")


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.tflite").write_text("not a model")
    with pytest.raises(ModelCorrupt, match=r"text: the runtime refuses it.*check inference\.objects\.file"):
        opened(tmp_path / "text.tflite")


def test_a_delegate_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelCorrupt, match=r"libedgetpu-not-here\.so.*check inference\.objects\.delegate"):
        opened(ssd(tmp_path, "bcsn"), delegate="libedgetpu-not-here.so")


def test_labels_that_the_model_does_not_know_are_named_with_some_that_it_does(tmp_path: Path) -> None:
    detector = opened(ssd(tmp_path, "bcsn"))
    assert label_problem(detector, ["person", "cell phone"]) == ""
    problem = label_problem(detector, ["person", "phone"])
    assert "nothing called phone" in problem
    assert "person, bicycle" in problem


def test_cocos_two_ways_of_counting_agree() -> None:
    assert len(COCO) == 80
    assert (COCO[0], COCO[67]) == ("person", "cell phone")
    assert len(coco_of_90()) == 90
    assert (coco_of_90()[0], coco_of_90()[76], coco_of_90()[89]) == ("person", "cell phone", "toothbrush")
    assert [name for name in coco_of_90() if name] == list(COCO)


def test_a_graph_with_planes_of_another_number_is_no_detector(tmp_path: Path) -> None:
    graph = Graph()
    shown = graph.tensor((1, 8, 8, 4))
    axes = graph.constant(np.array([1, 2], np.int32))
    mean = graph.operator("MEAN", [shown, axes], graph.tensor((1, 4)), "ReducerOptions", keepDims=False)
    with pytest.raises(ModelCorrupt, match="no detector that edged knows"):
        opened(graph.write(tmp_path / "four.tflite", [shown], [mean]))


@pytest.mark.data
@pytest.mark.parametrize("model", ["yolox_nano", "ssd_mobilenet_v1"])
def test_people_are_found_in_real_pictures(model: str) -> None:
    store = store_with(model)
    if store.problem(model) is not None:
        pytest.skip(f"model {model} is not in {store.directory} (edged models pull {model})")
    settings = InferenceSettings(objects=ObjectSettings.model_validate({"model": model}))
    detector = open_detector(settings, store)
    pictures = sorted((data_directory() / "objects" / "no_phone").glob("*.jpg"))
    if not pictures:
        pytest.skip("test data objects/no_phone is not here (EDGED_TEST_DATA)")
    with_people = found = 0
    for path in pictures:
        if any(line.startswith("0 ") for line in path.with_suffix(".txt").read_text().splitlines()):
            with_people += 1
            picture = cv2.imread(str(path))
            assert picture is not None
            found += bool(detector.detect(picture, {"person"}, 0.3))  # type: ignore[arg-type]
    assert found >= 0.9 * with_people


@pytest.mark.data
def test_a_real_phone_at_an_ear_is_found() -> None:
    store = store_with("yolox_nano")
    if store.problem("yolox_nano") is not None:
        pytest.skip("model yolox_nano is not here (edged models pull yolox_nano)")
    picture = cv2.imread(str(data_file("objects/phone/000000000395.jpg")))
    assert picture is not None
    seen = open_detector(InferenceSettings(), store).detect(picture, {"cell phone"}, 0.3)  # type: ignore[arg-type]
    assert len(seen) == 1
    # The label: 47.0 % across and 51.9 % down.
    height, width = picture.shape[:2]
    box = seen[0].box
    assert (box.x + box.width / 2) / width == pytest.approx(0.47, abs=0.02)
    assert (box.y + box.height / 2) / height == pytest.approx(0.519, abs=0.02)
