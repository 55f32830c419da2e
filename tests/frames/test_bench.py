"""`edged bench frames` measures what it says, in the shape scripts rely on."""

from __future__ import annotations

import json

import pytest

from edged.bench import frames as measurement
from edged.cli import bench_frames


@pytest.fixture(autouse=True)
def one_small_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "SIZES", ((64, 48),))


def test_json_has_every_method_with_cpu_and_latency(capsys: pytest.CaptureFixture[str]) -> None:
    bench_frames.frames(as_json=True, seconds=0.5)
    results = json.loads(capsys.readouterr().out)
    assert list(results) == ["64x48"]
    for method in ("slot", "queue", "memcpy"):
        found = results["64x48"][method]
        assert found["cpu_us_per_frame"] >= 0
        assert 0 < found["latency_us"]["p50"] <= found["latency_us"]["p99"]
        assert found["frames"] + found["missed"] == 27
        assert {"writer", "reader"} <= set(found)


def test_the_table_shows_a_line_per_method() -> None:
    figures = {"cpu_us_per_frame": 3.0, "latency_us": {"p50": 1.0, "p99": 2.0}, "missed": 0}
    figures |= {"writer": {"cpu_us_per_frame": 1.0}, "reader": {"cpu_us_per_frame": 2.0}}
    assert bench_frames.table({"64x48": dict.fromkeys(measurement.METHODS, figures)}).row_count == 3
