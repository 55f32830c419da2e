"""Pixels to events with the real networks: on the sitter, whose truth is known, and on labelled clips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from edged.analysis import Analysis, EventLines, Step, fast
from edged.capture import sitter
from edged.capture.opening import open_source
from edged.demo.scoring import Watched, score
from edged.events import Blink, Presence
from edged.frames import FrameStamp
from edged.inference.models import ModelStore
from edged.inference.pacing import Pacer
from edged.inference.pipeline import Pipeline
from edged.settings import Settings
from tests.data_files import data_directory, data_file

FPS = 30.0


def settings(models: Path, source: str, **sections: dict[str, Any]) -> Settings:
    return Settings.model_validate(
        {
            "models": {"directory": models},
            **sections,
            "capture": {"source": source, "pace": "fast", "loop": False, **sections.get("capture", {})},
        }
    )


class Seen(NamedTuple):
    steps: list[Step]
    invocations: dict[str, int]

    @property
    def blinks(self) -> list[Blink]:
        return [one.body for step in self.steps for one in step.happenings if isinstance(one.body, Blink)]


def watch(used: Settings, frames: range | None = None) -> Seen:
    """Analyse a source, or its first frames."""
    analysis = Analysis(fast(used))
    steps: list[Step] = []
    try:
        for step in analysis.steps():
            steps.append(step._replace(captured=None))
            if frames is not None and step.observation.frame >= frames.stop - 1:
                break
        return Seen(steps, analysis.pipeline.finder.invocations())
    finally:
        analysis.close()


@pytest.mark.parametrize("rate", [15.0, 30.0])
def test_everything_the_sitter_does_is_told_and_nothing_else(models_directory: Path, rate: float) -> None:
    used = settings(models_directory, "sitter:", capture={"frames_per_second": rate})
    seen = watch(used)
    lines = EventLines("sitter")
    events = [lines.payload(one) for step in seen.steps for one in step.happenings]
    script = sitter.load_script("sitter:")
    result = score(script, events, Watched(0.0, script.duration_seconds), used.judgement, rate)
    assert result.missed == []
    assert result.false == []
    assert result.matched >= 25
    kinds = {(event["kind"], event.get("gesture") or event.get("zone") or event.get("change")) for event in events}
    gestures = {("blink", name) for name in ("single", "double", "triple", "long", "wink_left", "wink_right")}
    zones = {("gaze", name) for name in ("at_screen", "left", "right", "up", "down", "eyes_closed")}
    assert gestures | zones | {("presence", "arrived"), ("presence", "left")} <= kinds


ARRIVAL = """
[sitter]
duration_seconds = 12.0
present = false
[[do]]
at = 6.3
what = "arrive"
from = "left"
seconds = 0.5
"""


@pytest.mark.parametrize("phase", [0, 1, 2, 3])
def test_whoever_walks_into_an_idle_scene_is_noticed_within_200_ms(
    models_directory: Path, tmp_path: Path, phase: int
) -> None:
    """In stream time: between being there whole and being seen lies at most one idle interval."""
    path = tmp_path / "arrival.toml"
    path.write_text(ARRIVAL)
    used = settings(models_directory, f"sitter:{path}", capture={"frames_per_second": FPS, "width": 320, "height": 240})
    pipeline = Pipeline(used.inference, ModelStore(models_directory))
    pacer = Pacer(used.inference, FPS)
    source = open_source(used.capture)
    source.open()
    script = sitter.load_script(f"sitter:{path}")
    due, idle_at_arrival, noticed = phase / FPS, False, None
    there = next(number / FPS for number in range(400) if script.truth_at(number / FPS).present)
    empty_before: list[tuple[bool, bool]] = []
    while (captured := source.read()) is not None and noticed is None:
        at = captured.at_ms / 1000
        if at + 1e-6 < due:
            continue
        height, width = captured.image.shape[:2]
        stamp = FrameStamp(captured.frame + 1, captured.frame, 0, 0, captured.at_ms, width, height)
        found = pipeline.analyse(captured.image, stamp)
        empty = not found.faces and not found.motion
        due = at + pacer.step(at, 0.004, empty=empty)
        if at < 6.3:
            empty_before.append((empty, found.detector_ran))
            idle_at_arrival = pacer.idle
        if found.faces:
            noticed = at
    pipeline.close()
    source.close()
    assert idle_at_arrival
    assert noticed is not None
    assert noticed - there <= 0.2
    # Idle: at seven frames a second after the first two, and the detector about once a second.
    assert len(empty_before) < 2.3 * FPS + 7.5 * 4
    assert sum(ran for _, ran in empty_before) <= 9


def test_a_still_scene_with_a_face_asks_few_networks(models_directory: Path, tmp_path: Path) -> None:
    path = tmp_path / "still.toml"
    path.write_text("[sitter]\npresent = true\nduration_seconds = 4.0\nsway = 0.0\nnoise = 1.5\n")
    seen = watch(settings(models_directory, f"sitter:{path}", capture={"frames_per_second": FPS}))
    frames = len(seen.steps)
    assert all(step.observation.faces for step in seen.steps[1:])
    assert seen.invocations["face_landmark"] < 0.25 * frames
    assert seen.invocations["iris_landmark"] < 0.25 * frames
    assert seen.invocations["face_detection_short_range"] < 0.1 * frames


class Labels(NamedTuple):
    closures: list[list[int]]
    unsure: list[list[int]]
    gaze: list[tuple[int, int, str]]


def labels_of(name: str) -> Labels:
    found = json.loads((data_directory() / "labels.json").read_text())[f"video/{name}"]
    return Labels(found.get("closures", []), found.get("unsure", []), found.get("gaze", []))


def touches(first: int, last: int, spans: list[list[int]], tolerance: int = 2) -> bool:
    return any(first <= end + tolerance and last >= begin - tolerance for begin, end in spans)


def test_blinks_of_d18(models_directory: Path) -> None:
    path = data_file("video/d18.mp4")
    labels = labels_of("d18.mp4")
    blinks = watch(settings(models_directory, str(path))).blinks
    assert len(blinks) == len(labels.closures) == 2
    for blink, (begin, end) in zip(blinks, labels.closures, strict=True):
        assert blink.gesture == "single"
        assert touches(blink.first_frame, blink.last_frame, [[begin, end]])
        # The second is shallow and short: about a frame below half open.
        assert 20 < blink.duration_ms < 400


def test_a_look_to_the_side_with_a_still_head(models_directory: Path) -> None:
    path = data_file("video/center_left_center.mp4")
    labels = labels_of("center_left_center.mp4")
    seen = watch(settings(models_directory, str(path)))
    assert seen.blinks == []
    zones = {step.observation.frame: step.observation.faces[0].zone for step in seen.steps if step.observation.faces}
    # The label names the viewer's side.
    expected = {"centre": "at_screen", "image_left": "right"}
    judged = [
        zones.get(frame) == expected[zone] for begin, end, zone in labels.gaze for frame in range(begin + 8, end + 1)
    ]
    assert len(judged) > 300
    assert sum(judged) / len(judged) > 0.95


def test_no_blink_comes_from_behind_a_hand(models_directory: Path) -> None:
    path = data_file("video/woman_behind_hand.mp4")
    seen = watch(settings(models_directory, str(path)), range(70))
    assert [one for one in seen.blinks if one.first_frame <= 30] == []
    # And the one after it is found, by the time that its company could have come.
    assert [one.gesture for one in seen.blinks] == ["single"]
    assert touches(seen.blinks[0].first_frame, seen.blinks[0].last_frame, [[51, 54]])


HAMILTON_CUTS = (20, 82, 211)  # first frames of new scenes, found by looking


def test_no_identity_survives_a_cut(models_directory: Path) -> None:
    path = data_file("video/short_hamilton_clip.mp4")
    seen = watch(settings(models_directory, str(path), inference={"max_faces": 4, "detector": "full"}))
    tracks = {step.observation.frame: {face.track for face in step.observation.faces} for step in seen.steps}
    for cut in HAMILTON_CUTS:
        before = {track for frame in range(cut - 15, cut) for track in tracks[frame]}
        after = {track for frame in range(cut, cut + 15) for track in tracks[frame]}
        assert not before & after, cut
    assert sum(bool(found) for found in tracks.values()) > 0.5 * len(tracks)


def test_small_faces_in_a_street_need_the_full_range_detector(models_directory: Path) -> None:
    path = data_file("video/street_1080p.mp4")
    whole = {"width": 1920, "height": 1080}
    seen = watch(
        settings(models_directory, str(path), capture=whole, inference={"detector": "full", "max_faces": 8}), range(30)
    )
    with_faces = sum(bool(step.observation.faces) for step in seen.steps)
    assert with_faces > 0.5 * len(seen.steps)


def test_the_large_face_of_the_classroom_is_found(models_directory: Path) -> None:
    path = data_file("video/classroom.mp4")
    seen = watch(settings(models_directory, str(path)), range(190))
    late = [step.observation for step in seen.steps if step.observation.frame >= 160]
    large = [one for one in late if any(face.box.height > 0.2 * one.height for face in one.faces)]
    assert len(large) > 0.9 * len(late)
    assert any(isinstance(one.body, Presence) for step in seen.steps for one in step.happenings)
