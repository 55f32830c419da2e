"""Alignment, quality, light, cadence, and the two runtimes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import msgspec
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edged.errors import ModelCorrupt, ModelMissing
from edged.inference import models
from edged.inference.models import ModelEntry, ModelStore, Recognition, registry
from edged.inference.recognition import embedders
from edged.inference.recognition.alignment import _TEMPLATE, align, five_points, to_template
from edged.inference.recognition.cadence import Attention, Budget
from edged.inference.recognition.embedders import chosen, load_embedder
from edged.inference.recognition.pictures import Eyes, read_picture
from edged.inference.recognition.quality import quality
from edged.observations import Box, Face, Pair
from edged.settings import InferenceSettings
from edged.settings.recognition import RecognitionSettings
from tests.data_files import data_file, store_with


def settings(model: str, **more: object) -> InferenceSettings:
    return InferenceSettings(recognition=RecognitionSettings.model_validate({"enabled": True, "model": model, **more}))


def moved(scale: float, degrees: float, shift: tuple[float, float]) -> NDArray[np.float64]:
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(_TEMPLATE @ (scale * turn).T + np.array(shift), np.float64)


@pytest.mark.parametrize(("scale", "degrees"), [(1.0, 0.0), (3.7, 25.0), (0.4, -80.0), (1.5, 180.0)])
def test_five_points_come_to_lie_on_the_template_however_they_lay(scale: float, degrees: float) -> None:
    points = moved(scale, degrees, (200.0, 90.0))
    matrix = to_template(points)
    assert np.allclose(points @ matrix[:, :2].T + matrix[:, 2], _TEMPLATE, atol=1e-9)


def test_without_turning_only_scale_and_place_change() -> None:
    matrix = to_template(moved(2.0, 25.0, (0.0, 0.0)), turn_upright=False)
    assert matrix[0, 1] == matrix[1, 0] == 0
    assert matrix[0, 0] == matrix[1, 1] == pytest.approx(0.5)


def test_a_large_face_is_averaged_and_lies_where_a_small_one_does() -> None:
    small = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 255, (200, 200, 3), np.uint8), (0, 0), 3)
    large = cv2.resize(small, (1600, 1600), interpolation=cv2.INTER_CUBIC)
    points = moved(1.0, 10.0, (40.0, 30.0))
    one = align(np.asarray(small, np.uint8), points)
    other = align(np.asarray(large, np.uint8), (points + 0.5) * 8 - 0.5)
    assert float(np.abs(one.astype(int) - other.astype(int)).mean()) < 2.0


@pytest.fixture(scope="module")
def portrait() -> tuple[NDArray[np.uint8], NDArray[np.float64], Face]:
    path = data_file("faces/Tony_Blair/Tony_Blair_0002.jpg")
    store = store_with("face_landmark")
    if missing := store.missing(models.needed()):
        pytest.skip(f"models {', '.join(missing)} are not in {store.directory} (edged models pull)")
    eyes = Eyes(InferenceSettings(), store)
    image = read_picture(path)
    assert image is not None
    looked = eyes.picture(image)
    eyes.close()
    points = five_points(looked.faces[0])
    assert points is not None
    return align(image, points), points, looked.measured[looked.faces[0].track]


def changed(face: Face, **fields: object) -> Face:
    return msgspec.structs.replace(face, **fields)


def covered(aligned: NDArray[np.uint8], left: int, right: int, top: int, bottom: int) -> NDArray[np.uint8]:
    found = aligned.copy()
    found[top:bottom, left:right] = np.median(aligned[60:80, 30:80].reshape(-1, 3), axis=0)
    return found


def test_a_good_portrait_is_good(portrait: tuple[NDArray[np.uint8], NDArray[np.float64], Face]) -> None:
    aligned, points, face = portrait
    assert quality(aligned, points, face, 18.0).score > 0.8


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("blurred", "blurred"),
        ("dark", "too dark"),
        ("bright", "too bright"),
        ("flat", "without contrast"),
        ("small", "too small: 11 pixels"),
        ("aside", "turned aside by 60°"),
        ("down", "tilted by 50°"),
        ("shut", "the eyes are shut"),
        ("eye", "something covers the right eye"),
        ("mouth", "something covers the mouth"),
    ],
)
def test_a_bad_picture_is_refused_with_its_reason(
    portrait: tuple[NDArray[np.uint8], NDArray[np.float64], Face], what: str, reason: str
) -> None:
    aligned, points, face = portrait
    pictures = {
        "blurred": cv2.GaussianBlur(aligned, (0, 0), 3),
        "dark": aligned // 12,
        "bright": 255 - (255 - aligned) // 16,
        "flat": 128 + (aligned.astype(np.int16) - 128) // 14,
        "eye": covered(aligned, 22, 54, 36, 66),
        "mouth": covered(aligned, 20, 92, 72, 112),
    }
    faces = {
        "aside": changed(face, yaw_degrees=-60.0),
        "down": changed(face, pitch_degrees=-50.0),
        "shut": changed(face, eye_aspect_ratio=Pair(0.05, 0.06)),
    }
    image = np.asarray(pictures.get(what, aligned), np.uint8)
    found = quality(image, points / 4 if what == "small" else points, faces.get(what, face), 18.0)
    assert found.score < 0.3
    assert reason in found.reason


def test_a_new_face_is_asked_about_often_and_a_settled_one_rarely() -> None:
    attention = Attention(0.0, Box(0, 0, 100, 100), 0.0)
    asked, at = [], 0.0
    while at < 60:
        attention.sees(Box(0, 0, 100, 100), at)
        if at >= attention.next_at:
            asked.append(at)
            attention.said("Anna", at, 5.0)
        at += 0.05
    assert sum(when < 1.0 for when in asked) == 5
    assert 10 <= sum(when > 10.0 for when in asked) <= 11


@pytest.mark.parametrize("event", ["hidden", "jumped", "another answer"])
def test_what_may_be_another_face_is_asked_about_often_again(event: str) -> None:
    attention = Attention(0.0, Box(0, 0, 100, 100), 0.0)
    for number in range(20):
        attention.sees(Box(0, 0, 100, 100), number / 10)
        attention.said("Anna", number / 10, 5.0)
    assert attention.agreeing == 20
    if event == "hidden":
        attention.sees(Box(0, 0, 100, 100), 3.0)
    elif event == "jumped":
        attention.sees(Box(90, 0, 100, 100), 2.0)
    else:
        attention.said("Bert", 2.0, 5.0)
    assert not attention.settled
    assert attention.next_at <= 3.0


def test_looks_at_settled_faces_stay_within_their_share() -> None:
    budget, spent, now = Budget(), 0.0, 100.0
    budget.looked(1.0)  # of a face in doubt: does not count, but says what a look costs
    for _ in range(10_000):
        now += 0.01
        if budget.bears(now, 0.05):
            budget.looked(0.02)
            budget.spend(0.02)
            spent += 0.02
    assert 0.03 <= spent / (now - 100.0) <= 0.05


def test_auto_takes_only_what_may_be_used_for_anything_and_says_what_else_is_there(tmp_path: Path) -> None:
    path = data_file("models/mobilefacenet_f32.tflite")
    (tmp_path / path.name).symlink_to(path)
    store = ModelStore(tmp_path)
    with pytest.raises(
        ModelMissing, match=r"edged models pull sface; mobilefacenet_f32 is here, licence: non-commercial"
    ):
        chosen(settings("auto"), store)
    assert chosen(settings("mobilefacenet_f32"), store) == "mobilefacenet_f32"


@pytest.mark.parametrize("name", ["mobilefacenet_dr", "mobilefacenet_uint8", "mobilefacenet_f32"])
def test_every_file_tells_the_same_person_from_another(name: str) -> None:
    data_file(f"models/{name}.tflite")
    embedder = load_embedder(settings(name), store_with(name))
    eyes = Eyes(InferenceSettings(), store_with("face_landmark"))

    def look(file: str) -> NDArray[np.float32]:
        image = read_picture(data_file(f"faces/{file}.jpg"))
        assert image is not None
        looked = eyes.picture(image)
        points = five_points(looked.faces[0])
        assert points is not None
        found = embedder.embed(align(image, points))
        assert found is not None
        assert found.dtype == np.float32
        assert float(np.linalg.norm(found)) == pytest.approx(1.0, abs=1e-5)
        return found

    tony, hugo = look("Tony_Blair/Tony_Blair_0002"), look("Hugo_Chavez/Hugo_Chavez_0002")
    again = [float(tony @ look(f"Tony_Blair/Tony_Blair_000{number}")) for number in (3, 4, 5)]
    eyes.close()
    assert max(again) > embedder.threshold > float(tony @ hugo)


def sface_like(path: Path, outputs: int = 128) -> None:
    """A network with SFace's input and output: means of 16 x 16 patches, times a fixed matrix."""
    weights = np.random.default_rng(3).normal(size=(147, outputs)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["data"], ["pooled"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["fc1"]),
    ]
    graph = helper.make_graph(
        nodes,
        "stand-in",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 112, 112])],
        [helper.make_tensor_value_info("fc1", TensorProto.FLOAT, [1, outputs])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])
    model.ir_version = 7
    onnx.save(model, str(path))


def registered(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = path.read_bytes()
    entry = ModelEntry(
        name="sface", file=path.name, purpose="a stand-in", stage="recognition", needed=False, licence="Apache-2.0",
        sha256=hashlib.sha256(content).hexdigest(), bytes=len(content), inputs=(), outputs=(),
        recognition=Recognition(1, "sface", 0.363),
    )  # fmt: skip
    entries = {**registry(), "sface": entry}
    for module in (models, embedders):
        monkeypatch.setattr(module, "registry", lambda: entries)


def test_sface_gets_rgb_pixels_as_they_are_and_its_vector_is_made_one_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sface_like(tmp_path / "face.onnx")
    registered(tmp_path / "face.onnx", monkeypatch)
    embedder = load_embedder(settings("auto"), ModelStore(tmp_path))
    assert (embedder.model, embedder.threshold) == ("sface", 0.363)
    face = np.random.default_rng(4).integers(0, 255, (112, 112, 3), np.uint8)
    first = embedder.embed(face)
    other = embedder.embed(255 - face)
    assert first is not None
    assert other is not None
    rgb = face[..., ::-1].astype(np.float32).reshape(7, 16, 7, 16, 3).mean(axis=(1, 3)).transpose(2, 0, 1).ravel()
    wanted = rgb @ np.random.default_rng(3).normal(size=(147, 128)).astype(np.float32)
    assert np.allclose(first, wanted / np.linalg.norm(wanted), atol=1e-4)
    assert embedder.invocations == 2


def test_a_network_that_is_not_sface_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sface_like(tmp_path / "face.onnx", outputs=64)
    registered(tmp_path / "face.onnx", monkeypatch)
    with pytest.raises(ModelCorrupt, match="gives 64 numbers and must give 128"):
        load_embedder(settings("sface"), ModelStore(tmp_path))
    (tmp_path / "face.onnx").write_bytes(b"no network")
    registered(tmp_path / "face.onnx", monkeypatch)
    with pytest.raises(ModelCorrupt, match="OpenCV refuses it"):
        load_embedder(settings("sface"), ModelStore(tmp_path))
