"""One suite for every back end: what they find must mean the same, whichever library did the work."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edged.capture.sitter_timeline import Truth
from edged.errors import RuntimeMissing
from edged.inference.finder import FaceFinder, Scene
from edged.inference.litert_faces import LiteRtFaces
from edged.inference.mediapipe_faces import MediaPipeFaces
from edged.inference.models import ModelStore
from edged.observations import Face
from edged.settings import InferenceSettings
from tests.data_files import data_file
from tests.inference.backends.seeing import Seen, pictures

See = Callable[[str], Seen]

# mediapipe's protobuf code warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore:SymbolDatabase.GetPrototype")

BLINKS = """
[sitter]
present = true
duration_seconds = 4.0
[[do]]
at = 1.0
what = "blink"
[[do]]
at = 2.2
what = "wink"
side = "left"
shut_seconds = 0.2
[[do]]
at = 3.2
what = "wink"
side = "right"
shut_seconds = 0.2
"""

LOOKS = """
[sitter]
present = true
duration_seconds = 6.0
follow = 0.0
[[do]]
at = 1.0
what = "look"
zone = "left"
[[do]]
at = 2.0
what = "look"
zone = "right"
[[do]]
at = 3.0
what = "look"
zone = "up"
[[do]]
at = 4.0
what = "look"
zone = "down"
[[do]]
at = 5.0
what = "look"
zone = "at_screen"
"""

TURNS = """
[sitter]
present = true
duration_seconds = 6.0
[[do]]
at = 1.0
what = "turn"
yaw_degrees = 15.0
seconds = 0.4
[[do]]
at = 2.2
what = "turn"
yaw_degrees = -15.0
seconds = 0.4
[[do]]
at = 3.4
what = "turn"
yaw_degrees = 0.0
roll_degrees = 12.0
seconds = 0.4
[[do]]
at = 4.6
what = "turn"
roll_degrees = -12.0
seconds = 0.4
"""

AWAY_FOR_A_MOMENT = """
[sitter]
present = true
duration_seconds = 5.0
[[do]]
at = 1.0
what = "leave"
to = "left"
seconds = 0.5
[[do]]
at = 4.0
what = "arrive"
from = "left"
seconds = 0.5
"""


def build(settings: InferenceSettings, models: Path) -> FaceFinder:
    if settings.backend == "mediapipe":
        return MediaPipeFaces(settings)
    return LiteRtFaces(settings, ModelStore(models))


def lid_left(face: Face) -> float | None:
    return face.eye_aspect_ratio and face.eye_aspect_ratio.left


def lid_right(face: Face) -> float | None:
    return face.eye_aspect_ratio and face.eye_aspect_ratio.right


def eye_gaze_left(face: Face) -> float | None:
    return face.eye_gaze_yaw_degrees and face.eye_gaze_yaw_degrees.left


def eye_gaze_right(face: Face) -> float | None:
    return face.eye_gaze_yaw_degrees and face.eye_gaze_yaw_degrees.right


def looking(zone: str) -> Callable[[Truth], bool]:
    return lambda truth: truth.zone == zone


def test_a_blink_closes_both_eyes_and_a_wink_its_own(see: See) -> None:
    seen = see(BLINKS)
    assert len(seen.faces()) == len(seen.observations)
    assert seen.tracks() == {1}
    open_left = seen.typical(lid_left, lambda truth: truth.lid_left > 0.9 and truth.lid_right > 0.9)
    open_right = seen.typical(lid_right, lambda truth: truth.lid_left > 0.9 and truth.lid_right > 0.9)
    assert 0.15 < open_left < 0.6
    assert abs(open_left - open_right) < 0.25 * open_left
    shut_both = seen.typical(lid_left, lambda truth: truth.lid_left < 0.1 and truth.lid_right < 0.1)
    assert shut_both < 0.5 * open_left
    wink_left = seen.typical(lid_left, lambda truth: truth.lid_left < 0.1 and truth.lid_right > 0.9)
    other_open = seen.typical(lid_right, lambda truth: truth.lid_left < 0.1 and truth.lid_right > 0.9)
    assert wink_left < 0.6 * open_left
    assert other_open > 0.75 * open_right
    wink_right = seen.typical(lid_right, lambda truth: truth.lid_right < 0.1 and truth.lid_left > 0.9)
    assert wink_right < 0.6 * open_right


def test_irises_follow_the_look_on_the_right_side(see: See) -> None:
    seen = see(LOOKS)
    yaw = {
        zone: seen.typical(lambda face: face.gaze_yaw_degrees, looking(zone)) for zone in ("left", "at_screen", "right")
    }
    assert yaw["left"] - yaw["at_screen"] > 12
    assert yaw["at_screen"] - yaw["right"] > 12
    pitch = {
        zone: seen.typical(lambda face: face.gaze_pitch_degrees, looking(zone)) for zone in ("up", "at_screen", "down")
    }
    assert pitch["up"] > pitch["at_screen"] + 5
    assert pitch["down"] < pitch["at_screen"] - 5
    # Both eyes say it, each from where it rests itself; not one for the other.
    for eye in (eye_gaze_left, eye_gaze_right):
        rest = seen.typical(eye, looking("at_screen"))
        assert seen.typical(eye, looking("left")) > rest + 8
        assert seen.typical(eye, looking("right")) < rest - 8


def test_the_head_turns_by_its_own_sides(see: See) -> None:
    seen = see(TURNS)

    def turned(value: Callable[[Face], float | None], yaw: float, roll: float) -> float:
        return seen.typical(
            value,
            lambda truth: abs(truth.head_yaw_degrees - yaw) < 2 and abs(truth.head_roll_degrees - roll) < 2,
        )

    straight = turned(lambda face: face.yaw_degrees, 0, 0)
    assert turned(lambda face: face.yaw_degrees, 15, 0) > straight + 6
    assert turned(lambda face: face.yaw_degrees, -15, 0) < straight - 6
    assert turned(lambda face: face.roll_degrees, 0, 12) == pytest.approx(12, abs=4)
    assert turned(lambda face: face.roll_degrees, 0, -12) == pytest.approx(-12, abs=4)
    assert len(seen.tracks()) == 1


def test_who_is_gone_for_longer_than_a_moment_comes_back_as_another(see: See) -> None:
    seen = see(AWAY_FOR_A_MOMENT)
    gone = [one for one, truth in zip(seen.observations, seen.truths, strict=True) if not truth.in_view]
    assert len(gone) > 60
    assert all(one.faces == () for one in gone[3:])
    ids = [one.faces[0].track for one in seen.observations if one.faces]
    assert ids[0] == 1
    assert ids[-1] != 1
    assert ids == sorted(ids)  # once gone, nobody's id is given out again


def test_a_real_clip_has_one_face_throughout_and_its_blinks(see: See) -> None:
    seen = see(str(data_file("video/d18.mp4")))
    assert len(seen.faces()) == len(seen.observations) == 216
    assert seen.tracks() == {1}
    ratios = [(lid_left(face) or 0) + (lid_right(face) or 0) for face in seen.faces()]
    typical = sorted(ratios)[len(ratios) // 2]
    # Closures 94..98 and 185..187, their ends good to two frames.
    assert min(ratios[92:101]) < 0.6 * typical
    assert min(ratios[183:190]) < 0.6 * typical
    assert min(ratios[30:85]) > 0.6 * typical


def test_after_a_cut_nobody_is_known_by_place(inference: InferenceSettings, models_directory: Path) -> None:
    finder = build(inference, models_directory)
    try:
        images = [one.image.copy() for one in itertools.islice(pictures(str(data_file("video/d18.mp4"))), 6)]
        before = [face.track for image in images[:3] for face in finder.find(image, Scene(0.1, moves=True, cut=False))]
        after = [face.track for face in finder.find(images[3], Scene(0.2, moves=True, cut=True))]
        assert set(before) == {1}
        assert after == [2]
    finally:
        finder.close()


def test_switches_take_effect_between_two_frames(inference: InferenceSettings, models_directory: Path) -> None:
    finder = build(inference, models_directory)
    try:
        assert finder.name == inference.backend
        assert finder.missing_models == []
        assert finder.stages == ["detection", "landmarks", "iris"]
        images = [one.image.copy() for one in itertools.islice(pictures(str(data_file("video/d18.mp4"))), 4)]
        (whole,) = finder.find(images[0], Scene(0.0, moves=True, cut=False))
        assert whole.mesh is not None
        assert whole.mesh.points.shape == (468, 3)
        assert whole.right_eye is not None
        assert whole.left_eye is not None
        # The sitter's right eye is on the viewer's left.
        assert whole.right_eye.iris[0, 0] < whole.left_eye.iris[0, 0]
        assert finder.stage_ms["landmarks"] >= 0
        no_iris = inference.model_copy(update={"stages": inference.stages.model_copy(update={"iris": False})})
        finder.adopt(no_iris)
        assert finder.stages == ["detection", "landmarks"]
        no_mesh = inference.model_copy(update={"stages": inference.stages.model_copy(update={"landmarks": False})})
        finder.adopt(no_mesh)
        assert finder.stages == ["detection"]
        finder.adopt(inference.model_copy(update={"max_faces": 1, "tracking_score": 0.4}))
        assert finder.stages == ["detection", "landmarks", "iris"]
        (again,) = finder.find(images[1], Scene(0.03, moves=True, cut=False))
        assert again.track == whole.track
        assert sum(finder.invocations().values()) >= 2
    finally:
        finder.close()


def test_without_models_the_default_back_end_has_no_stage_and_says_what_is_missing(tmp_path: Path) -> None:
    finder = LiteRtFaces(InferenceSettings(), ModelStore(tmp_path))
    assert finder.stages == []
    assert "face_landmark" in finder.missing_models
    (captured,) = itertools.islice(pictures("sitter:"), 1)
    assert finder.find(captured.image, Scene(0.0, moves=True, cut=True)) == []


def test_a_missing_library_is_one_sentence_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(RuntimeMissing, match=r"scripts/add mediapipe.*3\.9 to 3\.12"):
        MediaPipeFaces(InferenceSettings())
