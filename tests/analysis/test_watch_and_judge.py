"""`edged watch` and `edged judge`: the same events from the same observations, files that say what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from edged import observations
from edged.analysis import recorded, replay
from edged.annotation import AnnotatedVideo
from edged.errors import RecordingError, SourceError
from edged.events import Blink, Gaze, Happening
from edged.observations import Box, Face, Observation, Pair
from edged.settings import JudgementSettings
from tests.data_files import data_file

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
[sitter]
present = true
duration_seconds = 6.0
[[do]]
at = 1.5
what = "blink"
[[do]]
at = 2.6
what = "look"
zone = "left"
[[do]]
at = 4.0
what = "look"
zone = "at_screen"
[[do]]
at = 5.4
what = "blink"
"""


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "edged", *map(str, arguments)],
        capture_output=True,
        check=False,
        cwd=ROOT,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "60", **environment},
    )


def watched(tmp_path: Path, models: Path, *more: str | Path) -> subprocess.CompletedProcess[bytes]:
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)
    return run(
        "watch", f"sitter:{script}", "--json", "--set", "capture.frames_per_second=30",
        "--set", "capture.width=320", "--set", "capture.height=240", *more, EDGED_MODELS_DIR=str(models),
    )  # fmt: skip


@pytest.mark.parametrize("seconds", [None, "5.7"])
def test_a_replay_gives_the_same_bytes(models_directory: Path, tmp_path: Path, seconds: str | None) -> None:
    """Also when watching stopped in the middle of things: the last blink still waits for company then."""
    file = tmp_path / "seen.jsonl"
    more = ("--seconds", seconds) if seconds else ()
    first = watched(tmp_path, models_directory, "--observations", file, *more)
    assert (first.returncode, first.stderr) == (0, b"")
    second = run("judge", file)
    assert (second.returncode, second.stderr) == (0, b"")
    assert second.stdout == first.stdout
    events = [json.loads(line) for line in first.stdout.splitlines()]
    assert [event["gesture"] for event in events if event["kind"] == "blink"] == ["single", "single"]
    assert [event["zone"] for event in events if event["kind"] == "gaze"] == ["at_screen", "left", "at_screen"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


def test_observation_lines_have_what_scripts_rely_on(models_directory: Path, tmp_path: Path) -> None:
    file = tmp_path / "seen.jsonl"
    watched(tmp_path, models_directory, "--observations", file)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(180))
    assert lines[90]["at_ms"] == pytest.approx(3000)
    face = lines[90]["faces"][0]
    expected = {
        "track", "box", "score", "yaw_degrees", "pitch_degrees", "roll_degrees", "eye_openness",
        "gaze_yaw_degrees", "gaze_pitch_degrees", "zone",
    }  # fmt: skip
    assert expected <= face.keys()
    assert face["zone"] == "left"
    assert len(face["box"]) == 4
    assert len(face["eye_openness"]) == 2


def test_what_was_not_seen_is_null_and_not_left_out() -> None:
    nobody = Observation(0, 1, 0.0, 0, 0, 640, 480)
    assert json.loads(observations.to_json(nobody))["faces"] == []
    somebody = msgspec.structs.replace(nobody, faces=(Face(1, Box(0, 0, 9, 9), 0.9),))
    (face,) = json.loads(observations.to_json(somebody))["faces"]
    assert set(face) == set(Face.__struct_fields__)
    assert face["gaze_yaw_degrees"] is None
    assert observations.from_json(observations.to_json(somebody)) == somebody


def test_other_settings_make_something_else_of_a_recording(models_directory: Path, tmp_path: Path) -> None:
    file = tmp_path / "seen.jsonl"
    watched(tmp_path, models_directory, "--observations", file)
    done = run("judge", file, "--set", "judgement.gaze.side_degrees=60")
    assert b'"zone":"left"' not in done.stdout


def test_a_damaged_recording_is_named_with_its_line(tmp_path: Path) -> None:
    good = observations.to_json(Observation(0, 1, 0.0, 0, 0, 640, 480))
    for damage in (
        b'{"type":"observation","frame":',
        b'{"frame": 1}',
        b"\xff\xfe",
        b'{"type":"observation","frame":"x"}',
    ):
        file = tmp_path / "seen.jsonl"
        file.write_bytes(good + b"\n\n" + good + b"\n" + damage + b"\n")
        with pytest.raises(RecordingError, match=r"seen\.jsonl: line 4 is not an observation"):
            list(recorded(file))
        done = run("judge", file)
        assert done.returncode == 3
        assert b"line 4" in done.stderr
        assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["absent.jsonl", "."])
def test_a_recording_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordingError, match="cannot be read"):
        list(recorded(tmp_path / name))


def test_an_empty_recording_has_no_events(tmp_path: Path) -> None:
    file = tmp_path / "seen.jsonl"
    file.write_bytes(b"")
    assert list(replay(JudgementSettings(), recorded(file))) == []


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("watch", "absent.mp4", "--json"), 3, b"no such file"),
        (("watch", "pyproject.toml", "--json"), 3, b"pyproject.toml"),
        (("watch", "sitter:", "--json", "--observations", "/nowhere/out.jsonl"), 3, b"/nowhere/out.jsonl"),
        (("watch", "sitter:", "--json", "--annotate", "/nowhere/out.mp4"), 3, b"/nowhere/out.mp4"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    models_directory: Path, arguments: tuple[str, ...], status: int, said: bytes
) -> None:
    done = run(*arguments, EDGED_MODELS_DIR=str(models_directory))
    assert done.returncode == status
    assert said in done.stderr
    assert b"Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("option", ["--annotate", "--observations"])
def test_what_is_watched_is_never_written_over(tmp_path: Path, option: str) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"precious")
    (tmp_path / "same.mp4").symlink_to(clip)
    done = run("watch", str(clip), "--json", option, str(tmp_path / "same.mp4"))
    assert done.returncode == 2
    assert b"watched;" in done.stderr
    assert clip.read_bytes() == b"precious"


def test_video_and_observations_need_a_file_each(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    assert run("watch", "sitter:", "--annotate", out, "--observations", out).returncode == 2


def test_a_full_disk_is_said_in_a_sentence(models_directory: Path) -> None:
    done = run(
        "watch", "sitter:", "--json", "--seconds", "3", "--observations", "/dev/full",
        EDGED_MODELS_DIR=str(models_directory),
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(b"edged: what should be kept cannot be written")
    assert b"Traceback" not in done.stderr


def test_without_any_model_there_is_nothing_to_watch_with(tmp_path: Path) -> None:
    done = run("watch", "sitter:", "--json", EDGED_MODELS_DIR=str(tmp_path / "none"))
    assert done.returncode == 4
    assert b"edged models pull" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_without_one_model_its_stage_is_off_and_that_is_said(models_directory: Path, tmp_path: Path) -> None:
    some = tmp_path / "models"
    some.mkdir()
    for path in models_directory.glob("*.tflite"):
        if not path.name.startswith("iris"):
            (some / path.name).symlink_to(path)
    done = watched(tmp_path, some)
    assert done.returncode == 0
    assert b"iris_landmark" in done.stderr
    assert {json.loads(line)["kind"] for line in done.stdout.splitlines()} == {"presence"}


def test_a_pipe_that_is_closed_early_is_no_traceback(models_directory: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)
    command = f'"{sys.executable}" -m edged watch "sitter:{script}" --json | head -1'
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, check=False, cwd=ROOT, timeout=60,
        env={**os.environ, "EDGED_MODELS_DIR": str(models_directory)},
    )  # fmt: skip
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == b""


def frames_of(path: Path) -> list[cv2.typing.MatLike]:
    video = cv2.VideoCapture(str(path))
    frames: list[cv2.typing.MatLike] = []
    while True:
        read, frame = video.read()
        if not read:
            return frames
        frames.append(frame)


def test_an_annotated_video_has_every_frame(models_directory: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    assert watched(tmp_path, models_directory, "--seconds", "1", "--annotate", out).returncode == 0
    frames = frames_of(out)
    assert len(frames) == 31
    assert frames[0].shape == (480, 640, 3), "small pictures are enlarged for people"
    video = cv2.VideoCapture(str(out))
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(30)


def annotated(path: Path, images: list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]], *faces: Face) -> None:
    video = AnnotatedVideo(path, 25.0)
    happenings = (
        Happening(Gaze("left", "at_screen", "right", 0, 100.0, 1), 0, 0.0, 0, 0),
        Happening(Blink("wink_left", 0, 1, 100.0, 0.1, "right", 1), 0, 0.0, 0, 0),
    )
    for number, image in enumerate(images):
        height, width = image.shape[:2]
        video.add(image, Observation(number, number + 1, 40.0 * number, 0, 0, width, height, faces), happenings)
    video.close()


FACE = Face(
    1, Box(100, 80, 120, 150), 0.9, yaw_degrees=3.0, pitch_degrees=4.0, eye_openness=Pair(0.9, 0.8),
    shown_gaze_yaw_degrees=20.0, shown_gaze_pitch_degrees=-5.0, zone="left",
)  # fmt: skip


def test_pictures_of_several_sizes_make_one_video(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    annotated(out, [np.zeros(shape, np.uint8) for shape in ((480, 640, 3), (1080, 1920, 3), (33, 47, 3))], FACE)
    assert [frame.shape for frame in frames_of(out)] == [(480, 640, 3)] * 3


@pytest.mark.parametrize(
    "box", [Box(-500, -500, 100, 100), Box(600, 470, 4000, 4000), Box(0, 0, 0, 0), Box(630, 2, 9, 9)]
)
def test_a_face_beyond_the_edges_is_drawn_all_the_same(tmp_path: Path, box: Box) -> None:
    out = tmp_path / "out.mp4"
    odd = Face(123456, box, 0.5, shown_gaze_yaw_degrees=-90.0, shown_gaze_pitch_degrees=90.0, zone="at_screen")
    annotated(out, [np.full((480, 640, 3), 128, np.uint8)], odd, Face(2, box, 0.5))
    assert len(frames_of(out)) == 1


def test_the_analysed_picture_is_left_alone(tmp_path: Path) -> None:
    image = np.full((480, 640, 3), 128, np.uint8)
    annotated(tmp_path / "out.mp4", [image], FACE)
    assert (image == 128).all()


def test_a_path_that_cannot_be_a_video_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be written as a video"):
        annotated(tmp_path / "no" / "out.mp4", [np.zeros((48, 64, 3), np.uint8)])


def test_a_clip_of_real_people_is_replayed_to_the_same_bytes(models_directory: Path, tmp_path: Path) -> None:
    clip, file = data_file("video/d18.mp4"), tmp_path / "seen.jsonl"
    first = run("watch", clip, "--json", "--observations", file, EDGED_MODELS_DIR=str(models_directory))
    assert first.stdout
    assert run("judge", file).stdout == first.stdout
