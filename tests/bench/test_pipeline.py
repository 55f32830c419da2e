"""`edged bench pipeline` on the sitter: the shape scripts rely on, and that contenders cannot fail silently."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edged.bench.pipeline import PipelineBench
from edged.cli import bench_pipeline
from edged.configuration import loading as configuration
from edged.errors import EdgedError, RuntimeMissing, SourceError

SCRIPT = """
[sitter]
present = true
duration_seconds = 3.0
[[do]]
at = 1.0
what = "blink"
"""

WITHOUT_MEDIAPIPE = pytest.mark.skipif(
    importlib.util.find_spec("mediapipe") is not None, reason="mediapipe is installed here and would be measured"
)


@pytest.fixture
def clip(tmp_path: Path) -> str:
    path = tmp_path / "script.toml"
    path.write_text(SCRIPT)
    return f"sitter:{path}"


def bench(clip: str, models: Path, **options: Any) -> PipelineBench:
    overrides = {"capture.source": clip, "models.directory": str(models), "capture.width": 320, "capture.height": 240}
    return PipelineBench(configuration.load(None, overrides), **options)


def test_the_json_is_what_scripts_rely_on(
    clip: str, models_directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGED_MODELS_DIR", str(models_directory))
    bench_pipeline.pipeline(clip, as_json=True, frames=40, rounds=2)
    result = json.loads(capsys.readouterr().out)
    assert {"clip", "frames", "edged", "mediapipe", "bare_invokes"} <= set(result)
    assert result["clip"] == clip
    assert result["frames"] == 40
    assert set(result["edged"]) == {"cpu_ms_per_frame", "wall_ms_per_frame", "frames_with_face", "pss_mb"}
    assert result["edged"]["frames_with_face"] == 40
    assert result["edged"]["cpu_ms_per_frame"] > 0
    assert result["edged"]["pss_mb"] > 10
    assert result["bare_invokes"]["cpu_ms_per_frame"] > 0
    assert result["bare_invokes"]["count"]["face_landmark"] > 0
    assert result["ratios"]["edged_to_bare_invokes"] > 0
    if importlib.util.find_spec("mediapipe") is None:
        assert result["mediapipe"] is None
        assert result["ratios"]["edged_to_mediapipe"] is None
    else:
        assert set(result["mediapipe"]) == set(result["edged"])


def test_the_bare_networks_are_asked_as_often_as_edged_asked(clip: str, models_directory: Path) -> None:
    """In small pieces, so that what goes on from piece to piece is counted too."""
    one = bench(clip, models_directory, seconds=1.0)
    whole = one.run(1)
    one._piece_frames = 8
    pieces = one.run(1)
    # One second after the first frame, 15 a second.
    assert whole["frames"] == pieces["frames"] == 16
    # Asked by warm finders: with the detector once or twice, with the mesh and the irises at most once a frame each.
    for result in (whole, pieces):
        assert 0 < result["bare_invokes"]["count"]["face_landmark"] <= 17
        assert result["bare_invokes"]["count"]["iris_landmark"] <= 34
        assert result["bare_invokes"]["count"].get("face_detection_short_range", 0) <= 4


def test_nothing_is_left_behind(clip: str, models_directory: Path) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    bench(clip, models_directory, frames=10).run(1)
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert not [name for name in os.listdir("/dev/shm") if "edged-bench" in name]


def test_a_clip_that_is_not_there_is_one_sentence(models_directory: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="absent"):
        bench(str(tmp_path / "absent.mp4"), models_directory).run(1)


def test_without_models_it_says_so_and_measures_nothing(clip: str, tmp_path: Path) -> None:
    with pytest.raises(EdgedError, match="edged models pull"):
        bench(clip, tmp_path).run(1)


@WITHOUT_MEDIAPIPE
def test_an_interpreter_without_mediapipe_is_named(clip: str, models_directory: Path, tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.symlink_to(sys.executable)
    with pytest.raises(RuntimeMissing, match=r"mediapipe|numpy"):
        bench(clip, models_directory, mediapipe_python=str(other), frames=5).run(1)
    with pytest.raises(RuntimeMissing, match="cannot be started"):
        bench(clip, models_directory, mediapipe_python=str(tmp_path / "nothing"), frames=5).run(1)


@pytest.mark.skipif("MEDIAPIPE_PYTHON" not in os.environ, reason="MEDIAPIPE_PYTHON names no interpreter")
def test_mediapipe_is_measured_in_an_interpreter_of_its_own(clip: str, models_directory: Path) -> None:
    python = os.environ["MEDIAPIPE_PYTHON"]
    result = bench(clip, models_directory, mediapipe_python=python, frames=20).run(1)
    assert result["mediapipe"]["frames_with_face"] == 20
    assert result["ratios"]["edged_to_mediapipe"] > 0


def test_the_table_shows_a_line_per_contender() -> None:
    figures = {"cpu_ms_per_frame": 2.0, "wall_ms_per_frame": 2.1, "frames_with_face": 9, "pss_mb": 80.0}
    result = {
        "clip": "clip.mp4",
        "frames": 9,
        "rounds": 3,
        "edged": figures,
        "mediapipe": {**figures, "cpu_ms_per_frame": 5.0},
        "bare_invokes": {"cpu_ms_per_frame": 1.7, "count": {"face_landmark": 9}},
        "ratios": {"edged_to_mediapipe": 0.4, "edged_to_bare_invokes": 1.18},
    }
    assert bench_pipeline.table(result).row_count == 3
    result["mediapipe"] = None
    result["ratios"] = {"edged_to_mediapipe": None, "edged_to_bare_invokes": 1.18}
    assert bench_pipeline.table(result).row_count == 2


def test_the_parent_loads_no_library_whose_memory_it_would_share() -> None:
    code = "import sys, edged.bench.pipeline; print([one for one in ('numpy', 'cv2') if one in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
